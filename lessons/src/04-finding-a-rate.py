# %% [markdown]
# # 4 · Which number do I type?
#
# | | |
# |---|---|
# | **Question** | How do I find a learning rate, and how do I compare two methods without fooling myself? |
# | **Afterwards you can** | sweep rates on the right scale; run a range test and say when it lies; say what a search by machine can and cannot save; compare methods fairly, and see at once when a comparison is not |
# | **Time** | 45 minutes |
# | **You need** | lessons 1 and 2 |
# | **Difficulty** | ●●○ |
#
# Lesson 1 ended with two methods whose best rates are more than a factor of ten apart. So there is no number that suits everything, and somebody has to find the one that suits your network. This lesson is about four ways to find it, and about what the answer does to every comparison of methods.

# %%
import torch
from torch import nn

from lwlr_teach.optim import SGDHD, Adam, AdamWScheduleFree, DoG, Method, Prodigy
from lwlr_teach.problems import digits, quadratic
from lwlr_teach.runs import Contestant, exponential_rates, race, range_test, search_rate
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, predict_number, recall
from lwlr_teach.views import CurvesView, RaceView, RangeTestView, SurfaceView

begin("04-finding-a-rate")

# %%
recall("04-finding-a-rate")

# %% [markdown]
# ## Try them all
#
# The honest way is dull. Take many rates, train with each of them to the end, and keep the one that did best. This is a **sweep**, and everything cheaper in this lesson is measured against it.
#
# Only the spacing needs a thought. You do not know the power of ten of the answer. So the rates should be spaced by equal *factors*, each the same multiple of the one before. With equal *differences* nearly all of them would stand in the last power of ten.

# %%
low, high = 0.0001, 10.0
by_differences = torch.linspace(low, high, 31)
by_factors = exponential_rates(low, high, 31)
claim(
    f"Of 31 rates from 0.0001 to 10, {(by_differences < 1).sum()} are below 1 if they have equal differences, "
    f"and {(by_factors < 1).sum()} if they have equal factors.",
    (by_differences < 1).sum() < 5 and (by_factors < 1).sum() > 20,
)

# %% [markdown]
# Now the sweep. It trains the digits network of lesson 1 for 300 steps with five methods, at 31 rates, from eight random beginnings each. Some of the training images are held back, and on these the first three beginnings choose each method's best rate. The other five judge it, on the test images. So neither the images nor the beginnings that judge had a part in the choice.
#
# We look at Adam alone for now. The others come later, after you have made a guess about them.

# %%
# This takes about ten seconds.
names = ["SGD", "Momentum", "Adagrad", "RMSprop", "Adam"]
runs = race(names, lr=by_factors, seeds=5, steps=300, checkpoints=12)
networks = runs.test_accuracy[..., -1].numel()
claim(f"{networks} networks were trained.", networks == 5 * 31 * 8)

# %%
adam = runs.table()["Adam"]
between = [lr for lr in by_factors.tolist() if 0.005 < lr < 0.05]
lowest = min(runs.table(lr=lr)["Adam"].accuracy for lr in between)
claim("Adam is at its best somewhere between 0.005 and 0.1.", 0.005 < adam.best < 0.1)
claim("Every rate from 0.005 to 0.05 gets more than 94% of the test images right.", lowest > 0.94)

# %% [markdown]
# There is a whole band of rates that are nearly as good as the best one. That is a comfort: you need not hit a point, you need to hit a band.
#
# ## Turn the tap slowly
#
# A sweep costs as many trainings as there are rates. The **range test** promises the answer for a single one, and a short one. Leslie Smith (2015) had the idea: start with a tiny rate, let it grow from step to step, and watch the loss. At first nothing happens. Then the loss falls. Then it explodes. Somewhere in the fall is a good rate.
#
# Two ways to read it are common. *Steepest*: the rate at which the loss falls fastest. *Minimum / 10*: a tenth of the rate at which it is lowest. Before it is read, the curve is smoothed, because the losses of single batches jump about.

# %%
data = digits()


def network(seed):
    """The network of the sweep as an ordinary PyTorch model."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    for layer in (model[0], model[2]):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return model


def batches(seed):
    """Fifteen batches of 64 images, from those that the sweep trains on."""
    order = torch.randperm(997, generator=torch.Generator().manual_seed(seed))
    return [(data.x_train[i], data.y_train[i]) for i in order[:960].split(64)]


# %%
cross_entropy = nn.functional.cross_entropy


def try_rates(steps, seed=0, stop=4.0):
    """A range test of this length, with Adam."""
    return range_test(
        network(seed), cross_entropy, batches(seed), Adam, low=1e-5, high=10, steps=steps, stop=stop
    )


print({name: f"{rate:.2g}" for name, rate in try_rates(steps=100).suggestions.items()})

# %% [markdown]
# Libraries take 100 steps if you do not say how many. Suppose that you take your time, and let the rate grow over 800 steps, through the same range.

# %%
longer_guess = predict_choice(
    "04-longer-test",
    "What does the steepest slope say in the longer test?",
    ["about the same, but more exactly", "a rate several times larger", "a rate several times smaller"],
)
longer_guess

# %% [markdown] tags=["teacher"]
# "About the same, but more exactly" is what nearly everybody expects of a longer measurement. Ask what the network has done by the time the rate is 0.01, in the short test and in the long one. Show the image of the shower with your hands.

# %% [markdown]
# The upper picture is the test: the dots are the losses of single batches, the line is their smoothed mean. The two dashed lines are the two readings. They lead down to the sweep, which shows what a whole training at that rate reaches. The shaded rates are nearly as good as the best.
#
# **Find a length at which a reading misses the good rates. Then take 100 steps, and find out what smoothing does to the minimum.**

# %% tags=["nbval-ignore-output"]
tests = [try_rates(steps, stop=1e9) for steps in (25, 50, 100, 200, 400, 800)]
RangeTestView(tests, runs, "Adam")

# %% [markdown]
# You know this from a shower with a long pipe. You turn the tap, and the water answers a little later. Turn it fast and the tap is far along when the warmth arrives: you believe that it takes a large turn. Turn it slowly and the water is warm at a smaller one.
#
# The network is the pipe. It needs some steps before it has learned anything, whatever the rate. In a short test the rate has grown on during these steps, and the fall stands too far to the right. In a long test there are many steps at each rate, so that even a small one gets the network to learn, and the fall stands further to the left.
#
# Smoothing is a second pipe. The line follows the dots late, and late means at a larger rate. Without smoothing the minimum in the test of 100 steps stands several times lower than with the 0.98 that libraries use. Smoothing makes the curve calm, and shifts what you read.

# %%
read = {n: [try_rates(n, seed).steepest for seed in range(3)] for n in (50, 800)}
claim("Steepest slope in 50 steps: beyond 0.05 from each of three seeds.", min(read[50]) > 0.05)
claim("In 800 steps: below 0.005 from each of them.", max(read[800]) < 0.005)
rough, calm = (tests[2].with_smoothing(s).minimum_over_10 for s in (0, 0.98))
claim("100 steps: smoothing moves the minimum up by more than a factor of 3.", calm > 3 * rough)
longer_guess.reveal(
    "a rate several times smaller",
    "In a longer test the network has more steps at each rate, so that it begins to learn while the rate is still small.",
)

# %% [markdown]
# So a range test answers a question: *at which rate does this network begin to learn, if it has this many steps?* It does not say which rate is best after a whole training. It is good for the order of magnitude, in a minute, on a network about which you know nothing. Use it to choose where the sweep begins and ends.
#
# ## A rate that finds itself
#
# Could the rate learn, too? The loss after a step depends on the rate of that step, so it has a slope with respect to the rate. Baydin et al. (2018) worked it out: the slope is minus the product of two gradients, the present one and the one before. If both point the same way, the last step was too short, and the rate goes up. If they point against each other, it went too far, and the rate goes down. The method is called **hypergradient descent**:
#
# $$ \alpha \leftarrow \alpha + \beta\, g_t\cdot g_{t-1}, \qquad p \leftarrow p - \alpha\, g_t $$
#
# Take the valley of lesson 1, with its edge at 0.2. The rate begins at 0.001, and β is 0.001 as well.

# %%
settles_guess = predict_number(
    "04-settles",
    "Where does the rate come to rest?",
    exponential_rates(0.001, 1, 61),
    within=1.5,
    log=True,
)
settles_guess

# %% [markdown] tags=["teacher"]
# Many choose 0.18, the best fixed rate, or 0.2, the edge. It has no reason to go there: when the run has arrived there are no gradients left, and the rate stops wherever it is.

# %% [markdown]
# The slider is the *first* rate. **Look for a first rate at which plain SGD fails and the other arrives.**

# %%
hypergradient = Method("Hypergradient", SGDHD, {"hypergrad_lr": 0.001})
SurfaceView(
    "quadratic", ["SGD", hypergradient], lr=exponential_rates(0.001, 0.25, 61), at_lr=0.001, steps=100
)


# %%
def final_rate(first, beta):
    """The rate after 100 steps on the valley, and the loss there."""
    valley = quadratic()
    p = torch.tensor([valley.start], dtype=torch.float64)
    optimizer = SGDHD([p], lr=first, hypergrad_lr=beta)
    for _ in range(100):
        p.grad = valley.grad(p)
        optimizer.step()
    return optimizer.param_groups[0]["lr"], valley.loss(p).item()


ends = [final_rate(first, 0.001)[0] for first in (0.001, 0.01, 0.1)]
claim("From 0.001, 0.01 and 0.1 the rate ends near 0.13.", all(0.12 < end < 0.135 for end in ends))
claim("With β a tenth of that it ends near 0.04.", 0.035 < final_rate(0.001, 0.0001)[0] < 0.05)
claim("With β = 0.002 it explodes.", not final_rate(0.001, 0.002)[1] < 1e6)
settles_guess.reveal(
    ends[0],
    "It grows while gradients agree. Once the run has arrived there are none, and the rate stays wherever it is.",
)

# %% [markdown]
# It works, and it has not made the number go away. The first rate hardly matters any more. But now there is β, and β has an edge as well: twice the β that works, and the run is lost. With a tenth of it the rate settles at a third of where it was.
#
# ### Three that hardly ask
#
# If you knew how far away the goal is, you could compute a rate. Three newer methods try to do without a search.
#
# - **DoG** (Ivgi et al. 2023), *distance over gradients*. The rate is the furthest that the run has ever been from its start, divided by the root of the sum of all squared gradients so far. It begins with a tiny first distance, and the distance grows as it walks.
# - **Prodigy** (Mishchenko and Defazio 2023) estimates the distance to the goal from the slopes on the way, and gives Adam a rate in proportion.
# - **Schedule-Free** (Defazio et al. 2024) still wants a rate, and does away with the schedule: it walks with one set of weights and answers with their running average.
#
# Watch DoG at work on the digits, from three first distances that are a hundred times apart. **How far apart are the rates at first, and how far in the end?**


# %%
def found_rates(first, steps=300):
    """The rate of each step of DoG, when its first distance is this share of the weights' length."""
    model, rates = network(0), []
    dog = DoG(model.parameters(), reps_rel=first)
    for x, y in (20 * batches(0))[:steps]:
        dog.zero_grad()
        cross_entropy(model(x), y).backward()
        dog.step()
        rates.append(dog.param_groups[0]["eta"])
    return rates


found = {f"first distance {first:g}": found_rates(first) for first in (1e-8, 1e-6, 1e-4)}
CurvesView(found, y="rate", log=True, title="DoG on the digits", at=0)

# %%
ends = torch.tensor([rates[-1] for rates in found.values()])
starts = torch.tensor([rates[0] for rates in found.values()])
claim("The first rates are ten thousand times apart.", 9e3 < starts.max() / starts.min() < 1.1e4)
claim("The last ones less than four times.", ends.max() < 4 * ends.min())

# %% [markdown]
# Now the race. SGD, Adam and Schedule-Free have rates to choose from. For DoG and Prodigy `lr` is a factor for the rate that they find, and their authors say: leave it at 1. We do not believe it, and try a quarter to four.

# %% tags=["nbval-ignore-output"]
factors = 2.0 ** torch.arange(-2, 3)
finders = {"DoG": DoG, "Prodigy": Prodigy}
searched = race(
    [
        Contestant("SGD", lr=exponential_rates(0.03, 3, 5)),
        "Adam",
        Method("Schedule-Free Adam", AdamWScheduleFree),
        *(Contestant(Method(name, made), lr=factors) for name, made in finders.items()),
    ],
    lr=exponential_rates(0.003, 0.3, 5),
    checkpoints=1,
)
print(searched.table())

# %%
median = searched.test_accuracy[..., -1].median(-1).values  # (contestant, rate)
dog, prodigy = median[3], median[4]
claim("Prodigy with the factor 1 gets more than 95% right.", prodigy[2] > 0.95)
claim(
    "With a quarter, a half, 2 or 4 it changes by less than 2 points.",
    (prodigy - prodigy[2]).abs().max() < 0.02,
)
claim("DoG with the factor 1 gets more than 90% right.", dog[2] > 0.9)
claim("With 2 or with a quarter it gets less than half right.", max(dog[0], dog[3]) < 0.5)
table = searched.table()
fair = min(table["SGD"].accuracy, table["Adam"].accuracy)
claim(
    "Each at its best, none is more than 3 points behind SGD and Adam.",
    fair - min(p.accuracy for p in table.places) < 0.03,
)

# %% [markdown]
# So it can be done. Prodigy found a good rate, and a factor of four in either direction hardly mattered: here the number is gone. DoG found one as well, but the factor 1 is the only one that works. (Its authors average the weights of the run, which we left out.) None of them is better than a rate that was searched for. **A rate that finds itself is a way to be right without a search, or less wrong; it is no way to be better.**
#
# ## Let the machine search
#
# A search tries one rate after another by itself. It is the simplest case of what is called AutoML. Three ideas are in use.
#
# - **Random search**: draw each rate at random, on a logarithmic scale (Bergstra and Bengio 2012).
# - **Model-based search**: draw near what did well so far (TPE, Bergstra et al. 2011).
# - **Successive halving**: give every rate a short training, and continue only the best third; of these again the best third (Jamieson and Talwalkar 2016; Li et al. 2020).
#
# All of them are in Optuna (Akiba et al. 2019), and `search_rate` is a thin cover on it. We give each the same budget: the steps of five whole trainings of SGD. The losses are those of the sweep above, looked up instead of trained again, so that each search can be repeated 50 times.

# %%
search_guess = predict_choice(
    "04-search",
    "With the steps of five trainings: who misses the band of good rates most often?",
    ["a sweep of five rates", "random search", "successive halving"],
)
search_guess

# %% [markdown] tags=["teacher"]
# Many have heard that random search beats grid search. It does where there are several numbers of which few matter. Here is one number, and a grid has no gaps where chance leaves some.

# %%
sgd = runs.valid_loss[names.index("SGD")].nan_to_num(nan=torch.inf)  # (rate, seed, checkpoint)
rungs = sgd.shape[-1]


def row(rate):
    """Where in the sweep this rate stands, or the nearest one."""
    return (by_factors.log() - torch.tensor(rate).log()).abs().argmin()


def lookup(seed):
    """The objective of a search: the losses of one training, rung by rung."""
    return lambda rate: sgd[row(rate), seed].tolist()


def search(seed, **how):
    budget = dict(trials=100, budget=5 * rungs)
    return search_rate(lookup(seed % 8), low=low, high=high, seed=seed, **budget, **how)


grids = [torch.arange(5) * 6 + offset for offset in range(7)]
found = {
    "sweep": [by_factors[g][sgd[g, seed, -1].argmin()].item() for g in grids for seed in range(8)],
    "random": [search(seed).best_lr for seed in range(50)],
    "halving": [search(seed, pruner="halving").best_lr for seed in range(50)],
}

# %%
first, last = (row(rate) for rate in runs.table()["SGD"].good)
hits = {how: sum(first <= row(rate) <= last for rate in lrs) / len(lrs) for how, lrs in found.items()}
claim("Random search misses the good band most often.", hits["random"] == min(hits.values()))
claim("Five evenly spaced rates hit it in more than 90% of the cases.", hits["sweep"] > 0.9)
claim("Halving hits it in more than 85% of them.", hits["halving"] > 0.85)

tried = [len(search(seed, pruner="halving").lr) for seed in range(5)]
claim("For the price of five trainings it tries more than ten rates on average.", sum(tried) / 5 > 10)
same = search(0).lr.tolist() == search(0, sampler="tpe").lr.tolist()
claim("TPE tries the very rates that random search tries.", same)
search_guess.reveal(
    "random search", "Five random rates leave gaps, and a band of good rates fits into one of them."
)

# %% [markdown]
# With one number to find, the dull sweep is hard to beat. Random search leaves gaps wherever chance wants them. It is famous for another case, and rightly: if two numbers are to be found and one of them hardly matters, a grid of 3 × 3 tries three values of the one that does, and nine random points try nine.
#
# TPE is no better here because its first ten trials are random by default; it needs more of a budget before it has something to go by. Halving repairs what chance does: a hopeless rate shows early that it is hopeless, and its steps are spent on others. It would be wrong about a rate that starts slowly and ends well, as a run with a warm-up does (lesson 3).
#
# ## The rule
#
# A range test needs one formula. From the first to the last of $n$ steps the rate grows by the factor high/low, so from each step to the next by its $(n-1)$-th root:
#
# $$ \eta_i = \text{low}\cdot\left(\frac{\text{high}}{\text{low}}\right)^{i/(n-1)} $$
#
# PyTorch's `ExponentialLR` multiplies the rate by the same factor at each step. Driven by hand, it gives the same losses.

# %%
ours = try_rates(steps=60)
model, losses = network(0), []
optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
growing = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=(10 / 1e-5) ** (1 / 59))
for x, y in (4 * batches(0))[:40]:  # later the rate is so large that rounding errors grow
    loss = cross_entropy(model(x), y)
    losses.append(loss.item())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    growing.step()

apart = (ours.losses[:40] - torch.tensor(losses)).abs().max()
claim("PyTorch's Adam with ExponentialLR has the same losses as our range test.", apart < 1e-3)

# %% [markdown]
# ## A real comparison
#
# Five methods, one network, one number to choose. Suppose that somebody wants a certain method to win, and runs all five at one rate. The rate is theirs to choose.

# %%
winners_guess = predict_choice(
    "04-winners",
    "How many of the five can they make the winner?",
    ["one", "two", "three", "four", "all five"],
)
winners_guess

# %% [markdown] tags=["teacher"]
# "Two or three" is the usual guess. Let each pupil pick a method and make it win. It takes a minute, and nobody forgets it.

# %% [markdown]
# **Pick a method, and move the rate of all until yours wins. Then give each its own best rate: untick "the same rate for all". Then move the budget.**

# %% tags=["nbval-ignore-output"]
RaceView(runs, shared_lr=0.01)

# %%
shared = {f"{lr:.1g}": runs.table(lr=lr) for lr in (0.0005, 0.02, 0.2, 0.7, 2.0)}
for rate, table in shared.items():
    print(f"all at {rate:6}: {table.places[0].name} wins")
winners = {table.places[0].name for table in shared.values()}
claim(f"Methods that win at one of these five rates: {len(winners)}.", winners == set(names))
winners_guess.reveal("all five", "Each of them has rates that suit it and not the others.")

# %% [markdown]
# Each of the five. Nothing was forged: same network, same data, eight seeds, honest test images. The choice of one number decided it.
#
# Now the fair way. It has three rules. **Each contestant gets a rate of its own, out of a search of the same size, and the seeds that choose it do not judge. A lead counts only if it is there from every seed. All have the same budget.**
#
# Read the table from left to right: the best rate and those that are nearly as good; the test accuracy; how far behind the first a method is, seed by seed, from the least to the most; and what you would have had with the rate that the method has by default.

# %% tags=["nbval-ignore-output"]
table = runs.table()
print(table)

# %%
right = [place.accuracy for place in table.places]
claim("Each at its own best rate: all five between 94% and 98%.", min(right) >= 0.94 and max(right) <= 0.98)
claim(
    "The best and the last are less than 2.5 percentage points apart.",
    max(right) - min(right) < 0.025,
)
spread = max(place.highest - place.lowest for place in table.places)
claim("One method's seeds differ by more than that.", spread > max(right) - min(right))
claim(
    "At least three of them are not beaten: the first is not ahead from every seed.", len(table.leaders) >= 3
)

# %% [markdown]
# At its own best rate each of them reads the digits about equally well. Where do they differ, then? In three things that one column of accuracies hides.
#
# **The room for error.** Give each of them three times its own best rate. SGD falls over the edge; Adam hardly notices. "Adam is better" often means "Adam is easier to tune". That is worth a lot, but it is a different claim. In the picture it is the width of the shaded band.
#
# **What tuning costs.** The sweep tried 31 rates. With three rates drawn at random you would not have found the best one. How much worse you would stand, on average, can be computed from the sweep.
#
# **The budget.** Stop the race early and the places change. SGD is far behind after 25 steps, and among the others after 300. A report of the 25 would not be a lie either.

# %%
tripled = {name: runs.table(lr=3 * table[name].best)[name].accuracy for name in ("SGD", "Adam")}
claim("SGD at three times its best rate gets less than 20% right.", tripled["SGD"] < 0.2)
claim("Adam at three times its best rate gets more than 80% right.", tripled["Adam"] > 0.8)
claim("Adam's band is more than twice as wide as SGD's.", table["Adam"].width > 2 * table["SGD"].width)

three = dict(zip(names, runs.after_tries(3).tolist(), strict=True))
claim(
    "With three random rates Adam stands more than 4 points below its best, on average, and SGD more than 5 below Adam.",
    table["Adam"].accuracy - three["Adam"] > 0.04 and three["Adam"] - three["SGD"] > 0.05,
)

early = runs.table(25)
claim("After 25 steps SGD is last.", early.places[-1].name == "SGD")
behind = early.places[0].accuracy - early["SGD"].accuracy
claim("It is then more than 5 percentage points behind the first.", behind > 0.05)
claim(
    "After 300 steps it is less than 2.5 percentage points behind.", right[0] - table["SGD"].accuracy < 0.025
)

# %% [markdown]
# So read a comparison with three questions. Who chose the rate of each method, out of how many, and did the same seeds judge? How many seeds? What happens at half the budget, and at twice? Choi et al. (2019) asked them of published comparisons, and found that the order of the methods changed with the care of the tuning.
#
# ## Exercise
#
# Two functions that you will need again and again. Under each check there are hints, and a solution.


# %%
def rates(low, high, steps):
    """A tensor of rates from low to high, each the same factor above the last."""
    ### BEGIN SOLUTION
    return low * (high / low) ** (torch.arange(steps) / (steps - 1))
    ### END SOLUTION


check("04-rates", rates)


# %%
def best_rate(rates, losses):
    """The rate with the lowest median loss. losses: a row a rate, a column a seed; nan is a run that broke."""
    ### BEGIN SOLUTION
    middle = losses.nan_to_num(nan=torch.inf).median(dim=1).values
    return rates[middle.argmin()]
    ### END SOLUTION


check("04-best-rate", best_rate)

# %% [markdown]
# ## In your own words

# %%
explain("04-explain")

# %% [markdown]
# ## What to keep
#
# 1. Sweep rates by equal factors and look for the band of good ones; a range test or a search that stops what is hopeless finds it for less.
# 2. What a range test reads depends on its length and its smoothing: it says where learning begins, not what is best in the end.
# 3. A comparison is fair if each method has its own best rate, several seeds and the same budget; at one shared rate you can make any of them win.
#
# **Where libraries disagree.** All of them call it a range test, and the same run gives three numbers. fastai and PyTorch Lightning smooth with 0.98, torch-lr-finder with 0.95. The first two stop when the loss is 4 times its lowest value, the third at 5 times. Lightning and torch-lr-finder suggest the steepest slope; fastai a point in the longest fall of the curve, and steepest or minimum / 10 if you ask (as of their sources read in 2026). Smith's own version lets the rate grow linearly and reads the accuracy (Smith 2017).
#
# **Sources.** Smith (2015), *No more pesky learning rate guessing games*, later (2017) *Cyclical learning rates for training neural networks*: the range test. Gugger (2018), *How do you find a good learning rate*: smoothing, and a tenth of the minimum. Baydin et al. (2018), *Online learning rate adaptation with hypergradient descent*. Bergstra et al. (2011), *Algorithms for hyper-parameter optimization*: TPE. Bergstra and Bengio (2012), *Random search for hyper-parameter optimization*. Jamieson and Talwalkar (2016), *Non-stochastic best arm identification and hyperparameter optimization*: successive halving. Li et al. (2020), *A system for massively parallel hyperparameter tuning*: its asynchronous form. Akiba et al. (2019), *Optuna*. Choi et al. (2019), *On empirical comparisons of optimizers for deep learning*: what tuning decides.
