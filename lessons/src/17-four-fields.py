# %% [markdown]
# # 17 · Which one for my problem?
#
# | | |
# |---|---|
# | **Question** | Does it depend on the field which optimizer you should take? |
# | **Afterwards you can** | run a fair race over several problems; read and make a performance profile; say which pieces of common advice hold in a small test, and which do not |
# | **Time** | 45 minutes |
# | **You need** | lessons 4 and 7; lessons 3 and 9 help |
# | **Difficulty** | ●●○ |
#
# Guides to optimizers end with a list: SGD with momentum for pictures, Adam for language, RMSProp or Adam for control and for generative models. Then come tips for when it fails. This lesson takes such a list and tests it, line by line.

# %%
from itertools import product

import torch

from lwlr_teach.core.text import percent, table
from lwlr_teach.optim import Adam
from lwlr_teach.problems import FIELDS, vision
from lwlr_teach.runs import exponential_rates
from lwlr_teach.schedules import WarmRestarts
from lwlr_teach.studies import least_way, profile, profile_area, raced, steps_to_targets, train_field
from lwlr_teach.teaching import ask, begin, check, claim, explain, predict_choice, recall
from lwlr_teach.views import CurvesView, FieldsView

begin("17-four-fields")

# %%
recall("17-four-fields")

# %% [markdown]
# ## Four fields
#
# Here are four problems, as different as the list's, and small enough that hundreds of runs take minutes.
#
# **Vision**: which digit is in the image? A network with two convolutions. **Language**: which letter comes next in the sentences of this course? A transformer with one block, which sees up to 16 letters. **Control**: a pole stands on a cart, and the cart is pushed left or right 50 times a second. A small network says how likely it pushes to the right. Pushes after which the pole stood long become likelier (REINFORCE, Williams 1992). An episode ends after 100 pushes at the latest. **Generation**: a network packs an image of a digit into four numbers and a little noise, and paints it anew. From other numbers it paints digits that nobody wrote (a variational autoencoder, Kingma and Welling 2014).
#
# A score says how good a network is, on data that it does not learn from. It is a loss, where less is better, and in control how many pushes the pole stands, where more is better. (The *bound* of generation is a loss as well.) To compare fields we say how much of the way a run has gone. 0% is the score before the first step, 100% is the **target**.

# %%
runs = raced()
rows = [
    (
        name,
        f"{sum(p[0].numel() for p in FIELDS[name](seeds=1).first):,}",
        str(r.steps),
        r.score,
        f"{r.first:.3g}",
        f"{r.target:.3g}",
    )
    for name, r in runs.items()
]
print(table([("", "weights", "steps", "score", "at first", "target"), *rows]))

# %%
claim(
    "8 methods at 11 rates from 8 seeds: 704 runs in each field.",
    all(r.arrived.shape == (8, 11, 8) and r.arrived.numel() == 704 for r in runs.values()),
)

# %% [markdown]
# The rules are those of lesson 4, and of AlgoPerf (Dahl et al. 2023), in small:
#
# - Eight methods run at eleven constant rates, from eight seeds. Three seeds choose a method's best rate, on validation data. Five others judge it.
# - The target is what Momentum at its best rate has reached after two thirds of the steps. So there is time for a method that is half again as slow.
# - What counts are the steps to the target, as the median over the judges. A run that never gets there needs infinitely many.
#
# That is 704 runs in each field. All of them take about six minutes, so they were made beforehand. (`python -m lwlr_teach.studies.four_fields` makes them anew.)
#
# ## One rate for all of them?
#
# Suppose that you may choose one rate, for Momentum or for Adam, and have to keep it in all four fields.

# %%
one_guess = predict_choice(
    "17-one-rate",
    "Which of the two has a single rate at which it goes 95% of the way in all four fields?",
    ["both of them", "only Momentum", "only Adam", "neither"],
)
one_guess

# %% [markdown] tags=["teacher"]
# “Neither” is a careful answer: each problem has its own rate, as lesson 4 says. Ask what a rate means for either of them (lesson 7): for Adam a distance, for Momentum a number in the unit of the loss. The bound of the last field is a sum over 64 pixels.

# %% [markdown]
# Each strip is a method, each picture a field. The arrow is the method's own best rate. **Move the slider. Where are Momentum's four arrows, and where are Adam's? Then look for a rate that is good in all four pictures of a strip.**

# %% tags=["nbval-ignore-output"]
FieldsView(runs, at_lr=1.0, shown=["Momentum", "Adam"])

# %%
for name in ("Momentum", "Adam"):
    best = [f"{r.best_lr[r.at(name)]:.2g}" for r in runs.values()]
    print(f"{name}: best at {', '.join(best)}")

# %%
momentum, adam = (
    torch.stack([r.best_lr[r.at(name)] for r in runs.values()]) for name in ("Momentum", "Adam")
)
claim("Momentum's best rates are more than a hundred times apart.", momentum.max() / momentum.min() > 100)
claim("Adam's are within a factor of about ten.", adam.max() / adam.min() < 11)
good = {name: int((least_way(runs, name) >= 0.95).sum()) for name in ("Momentum", "Adam")}
claim("Momentum: no rate of the grid goes 95% of the way everywhere.", good["Momentum"] == 0)
claim("Adam: one does, 0.032.", least_way(runs, "Adam").argmax() == 5 and good["Adam"] == 1)
one = {name: int((least_way(runs, name) >= 0.95).sum()) for name in ("RMSprop", "Adagrad", "SGD")}
claim("RMSProp and Adagrad have one as well, SGD has none.", one == {"RMSprop": 1, "Adagrad": 1, "SGD": 0})
one_guess.reveal(
    "only Adam",
    "Its rate is a distance, whatever the loss is measured in. Momentum's rate depends on the unit of the loss.",
)

# %% [markdown]
# The three that have such a rate all divide by the size of the gradients. Then the number travels (lesson 7), and that makes Adam a good place to start. But which number? The pictures show the medians of all eight seeds, the table those of the five judges. Here is how far each method goes at the rate that it has if you type none, or the nearest one of the grid.

# %%
vision_runs = runs["vision"]
rows = [
    (
        name,
        f"{vision_runs.lr[i]:.2g}",
        *(percent(way.item()) for way in (r.judged(r.way, r.default)[k].median() for r in runs.values())),
    )
    for k, (name, i) in enumerate(zip(vision_runs.methods, vision_runs.default.tolist(), strict=True))
]
print(table([("at its default", "rate", *runs), *rows]))

# %%
at_default = {
    name: torch.stack([r.judged(r.way, r.default)[r.at(name)].median() for r in runs.values()])
    for name in ("SGD", "Adam", "RMSprop")
}
claim(
    "Adam at 0.001: in no field 95% of the way, and in control less than 10%.",
    at_default["Adam"].max() < 0.95 and at_default["Adam"].min() < 0.1,
)
claim("SGD at 0.001: less than 5% in vision and in control.", at_default["SGD"][[0, 2]].max() < 0.05)
claim("RMSProp, which is given 0.01: more than 95% in all four.", at_default["RMSprop"].min() > 0.95)
given = least_way(runs, "Adam")[4].item()
claim(f"Adam at 0.01: at least {percent(given)}, where 0.001 has less than 10%.", given > 0.5)

# %% [markdown]
# “Adaptive methods need no tuning”, says a common misconception. Adam's default was chosen for long runs of large networks. In these short ones it is far too small. RMSProp does so well because somebody once gave it ten times the number, and here that number fits. With it Adam, too, goes much further, though not all the way. A default is a habit.
#
# ## Real runs, on your machine
#
# Do not take our word for it. Your machine repeats a part: two fields, two methods, three rates, all eight seeds. Here are the medians, yours and ours.

# %%
# This takes about ten seconds.
again = {
    name: train_field(name, ["Momentum", "Adam"], vision_runs.lr[4:7], target=runs[name].target)
    for name in ("vision", "generation")
}

# %% tags=["nbval-ignore-output"]
for name, mine in again.items():
    for k, method in ((0, "Momentum"), (1, "Adam")):
        own = runs[name].way[runs[name].at(method), 4:7]
        pair = [way.median(-1).values.clamp(min=0).tolist() for way in (mine.way[k], own)]
        both = [f"{percent(a)} and {percent(b)}" for a, b in zip(*pair, strict=True)]
        print(f"{name}, {method}, at 0.01, 0.032 and 0.1: {', '.join(both)}")

# %%
for name, mine in again.items():
    ours = runs[name].way[[1, 4], 4:7].median(-1).values
    far = ours > 0.95
    apart = (mine.way.median(-1).values - ours)[far].abs().max()
    claim(f"{name}: wherever ours went 95% of the way, yours is within 10 points.", apart < 0.1)
mine = again["generation"].arrived.median(-1).values.min(-1).values
claim("Generation: at its best rate Adam needs fewer steps to the target than Momentum.", mine[1] < mine[0])

# %% [markdown]
# ## Who is fast where?
#
# Now each method has its own best rate. Here is one line of the list again: *Adam for language*. A text is made of common and rare things. Adam's steps do not get short where a letter is rare.

# %%
language_guess = predict_choice(
    "17-language",
    "Language: how many steps does Adam need to the target, compared with Momentum?",
    ["less than two thirds of them", "between two thirds and one and a half times", "more than that"],
)
language_guess

# %% [markdown] tags=["teacher"]
# “Less than two thirds” is what the list promises, and the text before the question leans towards it. Ask how many different letters there are, and how rare the rarest is. Then ask the same of words.

# %%
steps = steps_to_targets(runs)
written = [[f"{s:.1f}" if s.isfinite() else "never" for s in row] for row in steps]
print(
    table(
        [
            ("steps to the target", *runs),
            *((name, *row) for name, row in zip(vision_runs.methods, written, strict=True)),
        ]
    )
)

# %%
at = {name: dict(zip(runs, steps[vision_runs.at(name)], strict=True)) for name in vision_runs.methods}
ratio = at["Adam"]["language"] / at["Momentum"]["language"]
claim(f"Language: Adam needs {ratio:.1f} times Momentum's steps.", 0.67 < ratio < 1.5)
fewer = [(at[name]["language"] / at["Momentum"]["language"]).item() for name in ("RMSprop", "Lion")]
claim("RMSProp and Lion need an eighth fewer than Momentum.", all(0.84 < r < 0.9 for r in fewer))
claim("Plain SGD is within a fifth of both.", 0.8 < at["SGD"]["language"] / at["Adam"]["language"] < 1.2)
in_generation = runs["generation"].way[0].median(-1).values
claim(
    "SGD in generation: short of the target at 0.1, lost at 0.3.",
    0.9 < in_generation[6] < 1 and in_generation[7] < 0,
)
claim("SGD in control: best at 10, the end of the grid.", runs["control"].chosen[0] == 10)

# %%
judges = {
    name: vision_runs.judged(vision_runs.arrived)[vision_runs.at(name)] for name in ("Momentum", "Adam")
}
claim(
    "Vision: each of Adam's seeds is faster than each of Momentum's.",
    judges["Adam"].max() < judges["Momentum"].min(),
)
claim(
    "Control, generation: Adam needs fewer steps than Momentum.",
    all(at["Adam"][f] < at["Momentum"][f] for f in ("control", "generation")),
)
for name, field in product(("Momentum", "Adam"), ("control", "generation")):
    own = runs[field].judged(runs[field].arrived)[vision_runs.at(name)]
    print(f"{field}, {name}, each judge: {', '.join(f'{s:.0f}' for s in own.tolist())} steps")
rms = [(at["RMSprop"][f] / at["Momentum"][f]).item() for f in ("control", "generation")]
claim("RMSProp is within 15% of Momentum in both.", all(0.85 < r < 1.15 for r in rms))
language_guess.reveal(
    "between two thirds and one and a half times",
    "Adam's lead over SGD in language comes from thousands of rare words (Kunstner et al. 2024). An alphabet is short.",
)

# %% [markdown]
# Of the list, half a line comes out as written: in control and generation Adam is ahead. RMSProp, which the same line names, is where Momentum is. In vision it is Adam that is faster. In language Adam gains nothing, and plain SGD keeps up. RMSProp and Lion gain a little. And look at the judges: in control and generation they differ by far more than the methods do, so that a factor of 1.5 there might be chance.
#
# Look at the last row and the last column as well. “Adaptive methods always converge faster”, one reads. NovoGrad is adaptive, and misses two targets. SGD misses generation: there, the rate that it would need to arrive in time makes its loss explode. (In control its best rate is the last of the grid, and a larger one might be better still.)
#
# ## The rule
#
# Four columns of numbers are hard to compare: fifty steps in control have nothing to do with fifty in vision. So in each field the steps are divided by those of the fastest method there. The **performance profile** of a method is the share of the fields in which it needs at most τ times the steps of the fastest:
#
# $$ \rho(\tau) = \frac{\text{number of fields in which steps} \le \tau\cdot\text{steps of the fastest}}{\text{number of all fields}} $$
#
# At τ = 1 it says how often a method is the fastest, far to the right how often it arrives at all. AlgoPerf's score is the mean height between τ = 1 and τ = 4: the area below the curve, divided by its width. **Choose all eight. Which curve is the highest at τ = 1? Which are at 1, that is in all fields, from τ = 2 on, and which never get there?**

# %%
taus = exponential_rates(1, 4, 61)
shares = dict(zip(vision_runs.methods, profile(steps, taus), strict=True))
CurvesView(
    shares,
    y="share of the fields",
    x="τ",
    over=taus.tolist(),
    title="Profiles",
    at=2,
    shown=["SGD", "Momentum", "Adam", "Lion"],
)

# %%
area = dict(zip(vision_runs.methods, profile_area(steps).tolist(), strict=True))
print("area: " + ", ".join(f"{name} {a:.2f}" for name, a in sorted(area.items(), key=lambda item: -item[1])))
within = {
    name: (r.item() - 1)
    for name, r in zip(vision_runs.methods, (steps / steps.min(0).values).amax(1), strict=True)
}
claim(
    "Adam is never more than a third slower than the fastest, AdamW never more than half.",
    within["Adam"] < 1 / 3 and within["AdamW"] < 0.5,
)
early = [name for name, slower in within.items() if slower < 1]
claim("Four are never twice as slow.", early == ["Momentum", "RMSprop", "Adam", "AdamW"])
first = profile(steps, [1.0])[:, 0]
claim(
    "The fastest is Lion in two fields, Adam in one, and Adagrad in one.",
    [first[vision_runs.at(n)].item() for n in ("Lion", "Adam", "Adagrad")] == [0.5, 0.25, 0.25],
)
claim(
    "SGD misses one target, NovoGrad two.",
    [int(steps[vision_runs.at(n)].isinf().sum()) for n in ("SGD", "NovoGrad")] == [1, 2],
)

# %% [markdown]
# Adam is seldom the fastest, and never far behind. That is what a profile is for: a method that wins one race can lose the next, as Lion does in vision. A careful choice for a new problem is a curve that comes to 100% early.
#
# With four fields a place more or less means little. AdamW is Adam with hardly any decay here, and yet it has another area. So much is chance.
#
# SGD to AdamW are PyTorch's as well. Here is its own Adam in our vision field, beside ours.

# %%
field = vision(seeds=1, steps=20)
ways = []
for make in (Adam, torch.optim.Adam):
    params = [p[None].clone().requires_grad_() for p in field.first]
    optimizer, losses = make(params, lr=0.01), []
    for step in range(20):
        optimizer.zero_grad()
        loss = field.loss(params, step).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    ways.append(torch.stack(losses))
claim("PyTorch's Adam and ours: the same 20 losses.", (ways[0] - ways[1]).abs().max() < 1e-3)

# %% [markdown]
# ## When it fails
#
# The guide has tips for runs that fail: lower the rate to 0.0001, or use warm restarts. In vision Adam fails at a rate of 0.3. The first picture has shown how little 0.0001 does in so few steps. But warm restarts?

# %%
failing_guess = predict_choice(
    "17-failing",
    "Warm restarts from 0.3, every 30 steps: how far do they bring it in the same 120 steps?",
    ["past the target", "about half of the way", "less than a fifth of it"],
)
failing_guess

# %% [markdown] tags=["teacher"]
# Warm restarts sound like help for whoever is stuck, and a cosine from 0.3 passes through every good rate. Ask what the rate of 0.3 does to the network in the first steps, and what a restart then returns to.

# %% tags=["nbval-ignore-output"]
restarted = train_field(
    "vision", ["Adam"], vision_runs.lr[6:8], target=vision_runs.target, schedule=WarmRestarts(30)
)
adam_ways = vision_runs.way[vision_runs.at("Adam")].median(-1).values
said = {
    "0.0001": adam_ways[0],
    "0.03": adam_ways[5],
    "0.3": adam_ways[7],
    "0.3, restarted": restarted.way[0, 1].median(),
}
print(", ".join(f"{name}: {percent(way.item())}" for name, way in said.items()))

# %%
claim("0.3 and 0.0001: less than 10% of the way.", max(said["0.3"], said["0.0001"]) < 0.1)
claim("Restarted: less than 20%.", said["0.3, restarted"] < 0.2)
claim("0.03: more than 100%.", said["0.03"] > 1)
failing_guess.reveal(
    "less than a fifth of it",
    "The first steps at 0.3 come before any low rate, and each restart returns to 0.3.",
)

# %% [markdown]
# Although the restarts pass through the good rates, the network does not recover. What the first steps have done cannot be seen in these numbers; lesson 18 looks into such runs. The tip “lower it” is right. The number in it is not: it was good for somebody's problem. Go down in factors of three, and stop where it works.
#
# ## The list, line by line
#
# | advice | in our tests | where |
# |---|---|---|
# | SGD with momentum beats Adam in vision | no, the other way round | here |
# | Adam for language | no lead with letters | here |
# | Adam or RMSProp for control and for generative models | Adam: somewhat faster. RMSProp: as Momentum | here |
# | Adam, if you know nothing | yes: never far behind | here |
# | AdaGrad for rare features | yes, where each is a weight of its own | lesson 5 |
# | RMSProp where things change, and for recurrent networks | it helps where gradients change their size; a goal that moves is followed by SGD too | lesson 6 |
# | a larger ε | no difference, except in half precision | lesson 7 |
# | Adam together with batch normalisation | yes, as the others | lesson 7 |
# | weight decay inside Adam | is not what it is in SGD; take AdamW | lesson 8 |
# | when it fails: a rate of 0.0001 | lower, yes; but not this number | here |
# | when it fails: warm restarts | no | here |
#
# And the misconceptions about adaptive methods:
#
# | misconception | in our tests | where |
# |---|---|---|
# | they need no tuning | their default can be far too small | here, lesson 7 |
# | they need no schedule | a falling rate helped Adam as well | lesson 7 |
# | they always converge, and faster | no: two targets missed, and an example that Adam goes away from | here, lesson 7 |
# | they generalise worse, or better | as well in three fields, better in one | here |
# | they are too slow to use | a few operations a weight; what they cost is memory | lesson 9 |

# %%
tests = {
    name: {f: r.judged(r.test)[r.at(name)].median().item() for f, r in runs.items()}
    for name in ("Momentum", "Adam")
}
m, a = tests["Momentum"], tests["Adam"]
claim(
    "On the test data Adam's loss is lower in vision, by more than a fifth.", a["vision"] < 0.8 * m["vision"]
)
claim(
    "In the other three fields the two are within 2%.",
    all(abs(a[f] / m[f] - 1) < 0.02 for f in ("language", "control", "generation")),
)

# %% [markdown]
# Wilson et al. (2017) found adaptive methods worse on test data. Choi et al. (2019) found that they are not, if all their numbers are tuned. Here, too, no rule appears.
#
# So is the list wrong? It is old experience with large networks, long runs and falling rates. Ours are small and short, with constant rates, and only the rate was tuned. We have not shown that Adam is better in vision. We have shown that the field alone does not decide. Schmidt et al. (2021) raced fifteen methods on eight problems and came to the same: no winner, and tuning matters as much as choosing.
#
# ## Exercise

# %%
ask("17-miss", "17-profile-at-one", "17-same-rate")

# %% [markdown]
# Write what the race counts: the steps to a target, where some runs miss it. Take the first check at which a run is there. (The race also draws a line from the check before: so its table has numbers such as 20.9.)


# %%
def to_target(losses, steps, target):
    """The median over the runs of the steps to the target; losses (run, check), steps (check,)."""
    ### BEGIN SOLUTION
    there = losses <= target
    first = steps[there.int().argmax(1)]
    arrived = torch.where(there.any(1), first, torch.inf)
    return arrived.median()
    ### END SOLUTION


check("17-target", to_target)

# %% [markdown]
# And the profile at one τ. Mind the field that nobody reaches.


# %%
def profile_at(steps, tau):
    """The share of the fields in which a method is at most tau times as slow; steps (method, field)."""
    ### BEGIN SOLUTION
    fastest = steps.amin(0)
    good = (steps <= tau * fastest) & steps.isfinite()
    return good.double().mean(1)
    ### END SOLUTION


check("17-profile", profile_at)

# %% [markdown]
# ## In your own words

# %%
explain("17-explain")

# %% [markdown]
# ## What to keep
#
# 1. No field belonged to one method, and a bad rate cost a method more than a good rival did.
# 2. Adam is a good first choice because one rate does for many problems and because it is never far behind, and its rate must still be swept.
# 3. A race over several problems needs targets, own rates, other judges, misses that count, and a profile in place of a mean.
#
# **Where libraries disagree.** Most of all about defaults. RMSProp's rate is 0.01 in PyTorch and 0.001 in Keras, and optax has none. SGD's is 0.001 in PyTorch and 0.01 in Keras. AlgoPerf counts seconds, on fixed machines; we count steps. Its target comes from four tuned methods, ours from Momentum alone.
#
# **Sources.** Dahl et al. (2023), *Benchmarking neural network training algorithms*: AlgoPerf, targets and profiles. Dolan and Moré (2002), *Benchmarking optimization software with performance profiles*. Schmidt, Schneider and Hennig (2021), *Descending through a crowded valley*: fifteen methods, eight problems, and no winner. Wilson et al. (2017), *The marginal value of adaptive gradient methods in machine learning*: worse on test data. Choi et al. (2019), *On empirical comparisons of optimizers for deep learning*: whoever is tuned well enough is never worse than what it contains. Kunstner et al. (2024), *Heavy-tailed class imbalance and why Adam outperforms gradient descent on language models*. Williams (1992): REINFORCE. Barto, Sutton and Anderson (1983): the pole on the cart. Kingma and Welling (2014): the autoencoder. Vaswani et al. (2017), *Attention is all you need*: the transformer.
