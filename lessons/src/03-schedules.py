# %% [markdown]
# # 3 · When to slow down?
#
# | | |
# |---|---|
# | **Question** | Should the learning rate stay the same for the whole run, and if not, when should it fall? |
# | **Afterwards you can** | say why a constant rate stops getting better, and at which level; predict with a formula which of two schedules ends lower; read, draw and choose one |
# | **Time** | 60 minutes |
# | **You need** | lesson 1; lesson 2 helps |
# | **Difficulty** | ●●○ |
#
# A schedule is a function. You give it the number of the step, and it says by what the rate is to be multiplied. That is all. This lesson is about what such a function is good for.

# %%
import math

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from lwlr_teach.optim import SGD
from lwlr_teach.problems import noisy
from lwlr_teach.runs import Contestant, race, sweep
from lwlr_teach.schedules import WSD, Cosine, MultiStep, OneCycle, Plateau, Polynomial, ScheduleLR
from lwlr_teach.studies import FAMILIES, train_schedules
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, recall
from lwlr_teach.views import CurvesView, GalleryView, ScheduleView, SurfaceView

begin("03-schedules")

# %% [markdown]
# ## Recall
#
# Before anything new, some questions from earlier lessons.

# %%
recall("03-schedules")

# %% [markdown]
# ## Why slow down at all?
#
# You are back in the valley of lesson 1, in the same fog. This time there is a wind. At every step it pushes you, each time in another direction.
#
# The wind is what a batch does to a gradient. A few images stand for all of them, and the slope that they report is a little wrong, in another way each time. Far up on the hillside that hardly matters: the slope is strong and the wind is weak. Close to the goal there is hardly any slope left, and the wind is all there is.
#
# You walk at one rate, 0.1. After 100 steps you are near the goal.

# %%
longer_guess = predict_choice(
    "03-longer",
    "You go on at rate 0.1, to step 300: three times as long. What happens to the loss?",
    ["it falls to about a third", "it falls a little", "it stays where it is"],
)
longer_guess

# %% [markdown] tags=["teacher"]
# "It falls a little" is what most people say: training longer has always helped. Ask what a single step does to somebody who stands exactly on the goal. Six minutes for this part, with the slider.

# %% [markdown]
# Try it, with 32 walkers at once. The map shows one of them, and so does the thin line on the right. The thick line is the mean of all 32. It is also the number in brackets, and it is the one to go by, because a single walker may have been lucky with the wind. (A little luck is left in 32, too.) *New wind* shows you another one.
#
# First stay at 0.1 and **drag the step from 100 to 300: what does the mean do?** Then find **the rate with the lowest mean at step 300**; *loss at every rate* helps. Then look at the smallest rate: it hardly trembles at all. What is wrong with it?

# %%
windy = noisy("quadratic", 1.0)
slider = torch.logspace(-2.5, -0.75, 36)
SurfaceView(windy, ["SGD"], lr=slider, steps=300, at_lr=0.1, at_step=100, walkers=32, seed=2)

# %% [markdown]
# At a constant rate the run does not arrive. It comes near and then it trembles, for ever, at one and the same level: its **noise floor**. In a direction with the curvature $\lambda$, with noise of variance $\sigma^2$ in the gradient, the mean square of the distance settles at
#
# $$ \frac{\eta\,\sigma^2}{\lambda\,(2 - \eta\lambda)} . $$
#
# The number of steps does not occur in it. The rate does: for small rates, half the rate is half the floor. The loss is half the curvature times that, added up over the two directions; their curvatures are 1 and 10, and σ is 1. Let us measure, with 500 walkers for each rate, so that hardly any luck is left.

# %%
floor_rates = [0.1, 0.02, 0.01, 0.005]
many = [windy.start] * 500
long_runs = sweep(windy, ["SGD"], lr=floor_rates, steps=1000, starts=many)
loss = long_runs.losses[0].mean(1)  # mean over the walkers: (rate, step)
floor = [sum(eta / (2 - eta * lam) for lam in (1, 10)) / 2 for eta in floor_rates]
settled = loss[:, -300:].mean(-1)

for eta, exact, measured in zip(floor_rates[:3], floor, settled, strict=False):
    claim(
        f"Rate {eta}: floor {exact:.4f} by the formula, {measured:.4f} measured.",
        abs(measured / exact - 1) < 0.05,
    )

# %%
early, late = loss[0, 80:120].mean(), loss[0, 280:320].mean()
claim(f"Rate 0.1: {early:.3f} about step 100, {late:.3f} about step 300.", late > 0.9 * early)
after_300 = sweep(windy, ["SGD"], lr=slider, steps=300, starts=many).losses[0, :, :, -1].mean(1)
best_rate, best_mean = slider[after_300.argmin()], after_300.min()
claim(
    f"After 300 steps the mean is lowest at the rate {best_rate:.3f} of the slider: {best_mean:.4f}.",
    0.012 < best_rate < 0.016,
)
claim(
    f"Rate 0.005 has the lowest floor, but after 300 steps it is still at {loss[3, 300]:.2f}.",
    floor[3] == min(floor) and loss[3, 300] > 5 * loss[1, 300],
)
longer_guess.reveal(
    "it stays where it is", "The rate sets the floor, and the number of steps does not occur in it."
)

# %% [markdown]
# "A small rate is always safer, only slower" is therefore only half the truth. If there is time enough, it does end lower. If the budget is fixed, it has not arrived when the time is up. **A large rate travels, a small rate settles.** A schedule lets you have both, one after the other.

# %% [markdown]
# ## The rate falls
#
# The same walker, 300 steps. For the first 150 the rate is 0.1. Then it falls to a tenth of that, at once, and with it the floor: from 0.0763 to 0.0051, by the formula. What does the mean loss of many such runs do?

# %%
drop_guess = predict_choice(
    "03-drop",
    "Rate 0.1 until step 150, then 0.01: when is the mean loss no more than a third above its new floor?",
    ["at once: in step 151", "about 20 steps later", "more than 100 steps later"],
)
drop_guess

# %% [markdown] tags=["teacher"]
# "At once" comes from those who take the floor for the run. The floor does fall at once, but the run has to walk down to it, at the new, slow rate. Let those who are done sketch the whole curve before they play it: it has a corner at step 150, falls most of the way in a few steps, and then creeps.

# %% [markdown]
# **Play it, and watch the thick line from step 150 on.** How far does it fall in the next 20 steps, and how far after that?

# %%
drop = MultiStep([150], gamma=0.1)
SurfaceView(windy, ["SGD"], lr=slider, steps=300, schedule=drop, at_lr=0.1, walkers=32, at_step=1)

# %%
dropped = sweep(windy, ["SGD"], lr=[0.1], steps=300, starts=many, schedule=drop)
fell = dropped.losses[0, 0].mean(0)
claim(
    f"The mean loss is {fell[150]:.3f} at the drop and {fell[300]:.4f} at the end: a tenth of it.",
    0.07 < fell[300] / fell[150] < 0.13,
)
claim(
    "A hundred steps after the drop it is still more than a third above the new floor.",
    fell[250] > 1.33 * floor[2],
)
claim(
    "Twenty steps after the drop it has come more than half of the way.",
    fell[170] < (fell[150] + floor[2]) / 2,
)
drop_guess.reveal(
    "more than 100 steps later",
    "The floor falls at once; the run has to walk down to it, at the new, slow rate.",
)

# %%
drops = sweep(windy, ["SGD"], lr=slider, steps=300, starts=many, schedule=drop).losses[0, :, :, -1].mean(1)
claim(
    f"The best constant rate ends at {best_mean:.4f}; the drop from 0.1 ends lower, by about a fifth.",
    0.7 < fell[300] / best_mean < 0.85,
)
claim(
    f"From its own best first rate the drop ends at {drops.min():.4f}: less than two thirds of that.",
    drops.min() < best_mean * 2 / 3,
)
claim(
    "From every first rate from 0.03 to 0.1 it ends below the best constant rate.",
    drops[(slider > 0.03) & (slider < 0.101)].max() < best_mean,
)
beside = [after_300[(slider / (times * best_rate)).log().abs().argmin()] for times in (0.5, 2)]
claim(
    "A constant rate half as high as the best, or twice as high, ends at more than 1.5 times its loss.",
    min(beside) > 1.5 * best_mean,
)

# %% [markdown]
# So the floor falls at once, and the run follows it. In the steep direction that is a matter of a few steps. But at the rate 0.01 the gentle direction comes one per cent nearer in a step, and that is what takes so long. Whoever cuts the rate just before the end cuts it too late.
#
# Is the drop worth it? The fair rival is the best constant rate. Against that one the drop from 0.1 gains only about a fifth in 300 steps; from its own best first rate it gains more than a third. And it forgives a wrong guess. A constant rate that is half or twice the best is far worse, while any first rate from 0.03 to 0.1 does, if it falls in time.
#
# Networks that were trained with a step schedule have this staircase in their training curves: a long flat piece, then a cut of the rate, and the loss goes down to the next floor.
#
# ## Two ways to decide when
#
# A driver who has to leave the motorway can decide when to slow down in two ways. **After a distance**: the map says that the exit comes after forty kilometres. **When there is no more progress**: the number of kilometres on the signs has not become smaller for a while.
#
# Almost all schedules are of the first kind. Before the run begins they know how long it will be. The second kind, a *plateau*, looks at the loss: if the lowest loss is more than `patience` looks ago, the rate is cut. It needs no plan, and it reacts to what happens.
#
# Here it looks at every tenth step, has a patience of 2 looks, and cuts the rate to a tenth. The picture shows four first rates, each with the median of 500 walkers. **Which is cut first, and which are never cut? And what becomes of a rate that was cut once?**

# %%
plateau = Plateau(0.1, patience=2, every=10)
cut_runs = sweep(windy, ["SGD"], lr=floor_rates, steps=300, starts=many, schedule=plateau)
losses = cut_runs.losses[0].movedim(-1, 0)  # (step, rate, walker)
factors = torch.stack([plateau(step, losses) for step in range(301)])
medians = factors.median(-1).values  # over the walkers: (step, rate)
usual = {f"from {eta}": eta * medians[:, i] for i, eta in enumerate(floor_rates)}
CurvesView(usual, y="rate", log=True, title="Plateau, median of 500 walkers")

# %%
first_cut = (factors == 1).sum(0).float().median(-1).values.tolist()
claim(f"The plateau cuts rate 0.1 after {first_cut[0]:.0f} steps (median of 500).", first_cut[0] < 150)
claim(f"It gives rate 0.02 longer: {first_cut[1]:.0f} steps.", first_cut[0] < first_cut[1] < 300)
claim("It never cuts the usual walker at 0.01 or 0.005: there is still progress.", min(first_cut[2:]) > 300)
until = int(first_cut[0])
looks = cut_runs.losses[0, 0, :, 20:until:10]  # (walker, look), once the run has come down
lucky = (looks.amin(1) / looks.mean(1)).median()
claim("At 0.1 the lowest look before the first cut is less than half of the average one.", lucky < 0.5)
claim("In the end the first rate is less than a thousandth of what it was.", medians[-1, 0] < 1e-3)
patient = Plateau(0.1, patience=8, every=10)
runs = sweep(windy, ["SGD"], lr=[0.1], steps=300, starts=many, schedule=patient).losses[0]
kept = patient(300, runs.movedim(-1, 0)).median()
claim("With a patience of 8 looks it is cut once, to a tenth.", 0.05 < kept < 0.5)

# %% [markdown]
# A large rate has soon done what it can, and is cut. A small one is still on its way. And look what became of the first: it was cut again and again. The lowest loss, with which the plateau compares, was a lucky look: far below what the run had on average. After a cut the run walks to its new floor, and until it has come below that lucky look nothing counts as progress. That takes longer than this plateau has patience. It cuts once more, and in the end the run can hardly move. **A patience that is shorter than the walk cuts for nothing.**
#
# ## The shapes
#
# The rate of step $t$ is the rate that you typed, times the factor of the schedule: $\text{rate}(t) = \eta \cdot s(t)$. These are the schedules that you will meet, over a whole run: to the right are the steps, upwards the factor, from 0 to 1. (A plateau's shape is not known before the run, and a warm-up goes before another schedule: lesson 3b.)

# %%
names = ["step", "exponential", "inverse time", "polynomial", "cosine", "warm restarts", "one-cycle", "WSD"]
shapes = {name: FAMILIES[name].make(FAMILIES[name].typical, 300) for name in ["constant", *names]}
GalleryView(
    {name: [shape(t) for t in range(300)] for name, shape in shapes.items()},
    y="the factor of the rate",
    title="Schedules",
)

# %% [markdown]
# | schedule | the factor $s(t)$ in a run of $T$ steps | in words |
# |---|---|---|
# | step | $\gamma^{\lfloor t / k \rfloor}$ | times $\gamma$ every $k$ steps |
# | exponential | $\gamma^{t}$ | the same share is lost at every step |
# | inverse time | $1/(1 + k t)$ | halved after $1/k$ steps; the oldest of all, Robbins and Monro (1951) |
# | polynomial | $(1 - t/T)^p$ | $p = 1$ is a straight line down to 0 |
# | cosine | $\tfrac12 (1 + \cos(\pi t/T))$ | starts flat, ends flat; Loshchilov and Hutter (2017) |
# | warm restarts | the cosine, again and again | each period as long as the last, or longer |
# | one-cycle | up, then far down | momentum goes the other way; Smith (2018) |
# | WSD | warm-up, stable, decay | constant until shortly before the end; Hu et al. (2024) |
# | plateau | times $\gamma$ after $n$ looks without progress | needs the losses |
# | warm-up | from almost 0 up to 1 | goes before another schedule; lesson 3b |
#
# ## The rule
#
# In Python a schedule is the formula and nothing else. Here is a cosine of ten steps: by hand, by our scheduler and by PyTorch's. They agree for as long as the schedule was meant to last. **And after step 10? Follow each of the three lines.**

# %%
ours, theirs = SGD([torch.zeros(1)], lr=0.1), torch.optim.SGD([torch.zeros(1)], lr=0.1)
schedulers = ScheduleLR(ours, Cosine(10)), CosineAnnealingLR(theirs, T_max=10)
rates = []
for t in range(21):
    by_hand = 0.1 * (1 + math.cos(math.pi * min(t / 10, 1))) / 2
    rates.append([by_hand, ours.param_groups[0]["lr"], theirs.param_groups[0]["lr"]])
    for part in (ours, theirs, *schedulers):  # the optimizers first, then their schedulers
        part.step()

# %%
rates = torch.tensor(rates, dtype=torch.float64)  # (step, 3)
three = dict(zip(["by hand", "ours", "PyTorch's"], rates.T, strict=True))
CurvesView(three, y="rate", title="A cosine of ten steps", at=10)

# %%
claim("Ten steps: the same rates.", (rates[:11] - rates[:11, :1]).abs().max() < 1e-12)
claim("Then ours stays at 0.", rates[10:, 1].max() == 0)
claim(
    f"PyTorch's climbs back: {rates[15, 2]:.2f} at step 15, {rates[20, 2]:.1f} at step 20.",
    rates[20, 2] > 0.0999,
)

# %% [markdown]
# So a run that goes on for longer than its `T_max` ends with a high rate, on a high floor. Nothing warns you.
#
# ## A formula that orders them
#
# Which shape is best? There is a formula that answers before any run. It looks at the steps that are still to come, and asks two things. How far may the run still travel? That is $S_t$, the sum of the factors. And how much noise will it still collect? That is $Q_t$, the sum of their squares: at half the rate a step goes half as far, and collects a quarter.
#
# So $Q_t/S_t$ is **the noise for each piece of way**. Here it is for three shapes. **Follow each line to the end: which one pays less and less, all the way?**


# %%
def ahead(shape, steps=300):
    """A schedule's factors, and at each step S and Q: the way and the noise that are still to come."""
    s = torch.tensor([shape(t) for t in range(steps)], dtype=torch.float64)
    return s, *(x.flip(0).cumsum(0).flip(0) for x in (s, s**2))


# %%
prices = {}
for name in ("constant", "polynomial", "warm restarts"):
    _, S, Q = ahead(shapes[name])
    prices[name] = Q / S
CurvesView(prices, y="noise for each piece of way", title="Steps still to come", at=200)

# %%
falls = {name: bool((price.diff() < 0).all()) for name, price in prices.items()}
claim("Only the straight line pays less at every step.", [n for n in falls if falls[n]] == ["polynomial"])

# %% [markdown]
# A constant rate pays the same price all the way. Warm restarts begin each period dear, and are cheap only at the very end. The straight line (*polynomial* with $p = 1$) pays less and less. The formula adds these prices up. For smooth bowls of any kind, with gradients no longer than 1 and a start no further than 1 away, the loss at the best peak rate ends at most
#
# $$ \sqrt{\frac{1}{S_0}\Big(\frac{Q_0}{S_0} + \sum_{t<T-1} \frac{s(t)}{S_{t+1}}\cdot\frac{Q_t}{S_t}\Big)} $$
#
# above the minimum (Defazio et al. 2023; Schaipp et al. 2025). It knows nothing of networks: only of the shape. Constant, step, polynomial, cosine, warm restarts, one-cycle, WSD: **which of these seven does it put first, and which two last?** You have seen the prices of three. Say it before you run the cell.


# %%
def bound(shape):
    """How far above the minimum a schedule can end at most, at its best peak rate."""
    s, S, Q = ahead(shape)
    return ((Q[0] / S[0] + (s[:-1] / S[1:] * Q[:-1] / S[:-1]).sum()) / S[0]).sqrt().item()


entered = ["constant", "step", "polynomial", "cosine", "warm restarts", "one-cycle", "WSD"]
bounds = {name: bound(shapes[name]) for name in entered}
for name in sorted(bounds, key=bounds.get):
    print(f"{name:14} {bounds[name]:.4f}")

# %%
order = sorted(bounds, key=bounds.get)
claim("The straight line has the lowest bound, the cosine the next.", order[:2] == ["polynomial", "cosine"])
claim("Warm restarts and the constant rate have the highest.", order[-2:] == ["warm restarts", "constant"])

# %% [markdown]
# A guarantee is about the worst bowl that there is. A network is no bowl, and nobody promises that it is the worst. So this is a prediction that you may believe or not.
#
# ## A real network: draw your own
#
# Now the network that reads digits, with momentum and small batches of 16 images, so that there is plenty of wind. Seven schedules, six peak rates, three random beginnings. The left picture shows the rate, the right one the training loss, and below them is what each reaches in the end.
#
# A cosine is on average only half as high as a constant rate. At one shared peak rate the two travel differently far, and that is no comparison. So each schedule gets **the peak rate that is best for it**. And three beginnings leave some luck: two schedules count as *about equal* if the ranges of their seeds overlap.

# %%
shape_guess = predict_choice(
    "03-shape",
    "Each at its own best peak rate: which ends with the lowest training loss?",
    [
        "constant",
        "step",
        "polynomial (the straight line)",
        "cosine",
        "one-cycle",
        "WSD",
        "several that fall, about equal",
    ],
)
shape_guess

# %% [markdown] tags=["teacher"]
# Cosine and one-cycle are the usual guesses: they are what people use. Those who trust the formula say "several": it puts five of the seven close together. Let the class draw. Almost everything that is high for a while and low at the end comes out near the top; ask for a drawn curve that does worse than the constant rate.

# %% [markdown]
# Begin with all at one peak rate and move it: the order changes. **Draw a schedule of your own into the left picture**; it joins the race. Then press *each at its own best peak*: that is the fair comparison. Can you beat them all? Can you draw one that loses to the constant rate?

# %% tags=["nbval-ignore-output"]
# This takes about ten seconds.
peaks = torch.logspace(-1.5, -0.25, 6)
digits_runs = train_schedules(entered, lr=peaks)
ScheduleView(digits_runs, at_lr=0.1)

# %%
reached = {n: digits_runs.outcome(n, lr="best") for n in entered}
fall = ["polynomial", "cosine", "one-cycle", "WSD"]
constant, restarts = reached["constant"], reached["warm restarts"]

claim(
    "Polynomial, cosine, one-cycle and WSD all end lower than the constant rate, by a tenth at least.",
    all(reached[n].loss < 0.9 * constant.loss for n in fall),
)
line = reached["polynomial"]
others = [reached[n] for n in fall if n != "polynomial"]
# %%
claim(
    "The straight line is among the lowest: its range over the seeds overlaps with those of the others.",
    line.low <= min(o.high for o in others) and line.high >= min(o.low for o in others),
)
claim("Its best peak is higher than the constant rate's.", line.lr > constant.lr)
claim(
    "Warm restarts end higher than the straight line, by a quarter at least.",
    restarts.loss > 1.25 * line.loss,
)
claim(
    "The two with the highest bounds end highest here, too: higher than each of those four that fall.",
    max(reached[n].loss for n in fall) < min(constant.loss, restarts.loss),
)
shape_guess.reveal(
    "several that fall, about equal",
    "Each travels at a high rate and settles at a low one, and that is what counts.",
)

# %% [markdown]
# **That the rate falls matters. The shape in which it falls matters much less**, as long as it is high for a good part of the run and low at the end. The formula was right about the two that end highest. The straight line, which it puts first, is among the lowest (in the list it may even stand on top, but other seeds put another one there); Defazio et al. (2023) found it the best in a larger study. Where it puts five shapes close together, the seeds decide.
#
# Two famous results do not show up here. One-cycle became known for training in a fraction of the usual steps (Smith 2018); here it is one among equals. Warm restarts (Loshchilov and Hutter 2017) go back to a high rate in order to explore; a run as short as this has no time for that. Both were found on larger networks and longer runs, and may well hold there.
#
# One thing more, to be fair. The training loss is what a schedule works on. The test images are what we care about. **Which schedule wins there?**

# %% tags=["nbval-ignore-output"]
entrants = {"constant": None, "polynomial": Polynomial(300), "cosine": Cosine(300), "WSD": WSD(300)}
entrants["one-cycle"] = OneCycle(300, cycle_momentum=False)  # momentum stays, so that only rates compete
result = race(
    [Contestant("Momentum", schedule, name=name) for name, schedule in entrants.items()],
    lr=peaks,
    batch_size=16,
    checkpoints=1,
).table()
for place in result.places:
    print(f"{place.name:9} {place.accuracy:.1%} right")

# %%
claim(
    "On the test images nobody wins: no schedule beats all others from every seed.", len(result.leaders) > 1
)
claim(
    "From best to worst they are less than three percentage points apart.",
    result.places[0].accuracy - result.places[-1].accuracy < 0.03,
)

# %% [markdown]
# ## Exercise
#
# Two functions, one for each way to decide. First the cosine with a floor: from 1 at step 0 down to `min_factor` at step `T_max`, and there it stays. Under each check there are hints, and a solution.


# %%
def cosine(step, T_max, min_factor):
    """The factor of the rate at this step."""
    ### BEGIN SOLUTION
    share = min(step / T_max, 1)
    return min_factor + (1 - min_factor) * (1 + math.cos(math.pi * share)) / 2
    ### END SOLUTION


check("03-cosine", cosine)

# %% [markdown]
# Then what a plateau schedule watches. `losses` is the list of the losses so far. The answer is True if more than `patience` steps have passed since the lowest of them. A loss that is only equal to it is no progress.


# %%
def stalled(losses, patience):
    """Whether it is time to cut the rate."""
    ### BEGIN SOLUTION
    return len(losses) - 1 - losses.index(min(losses)) > patience
    ### END SOLUTION


check("03-stalled", stalled)

# %% [markdown]
# To let a schedule of yours race, add a cell with `ScheduleView(train_schedules(["cosine", lambda t: cosine(t, 300, 0.1)]))`.

# %% [markdown]
# ## In your own words

# %%
explain("03-explain")

# %% [markdown]
# ## What to keep
#
# 1. At a constant rate a noisy run trembles at a floor that more steps do not lower and a smaller rate does: travel at a high rate, settle at a low one.
# 2. That the rate falls matters more than the shape in which it falls, and a formula of six lines knows which shapes are poor.
# 3. Each schedule has a best peak rate of its own; that of one that falls is higher than that of a constant rate.
#
# **Where libraries disagree.** At the end: PyTorch's `CosineAnnealingLR` climbs back, optax's `cosine_decay_schedule` stays at its floor as ours does, and PyTorch's `OneCycleLR` stops with an error. About floors: `eta_min` is a rate in PyTorch, `alpha` in optax a share of the first rate.
#
# **Sources.** Robbins and Monro (1951), *A stochastic approximation method*: rates that fall. Smith (2018), *A disciplined approach to neural network hyper-parameters*: one-cycle. Loshchilov and Hutter (2017), *SGDR: stochastic gradient descent with warm restarts*: the cosine. Hu et al. (2024), *MiniCPM*: warm-up, stable, decay. Defazio et al. (2023), *When, why and how much? Adaptive learning rate scheduling by refinement*: the bound, and linear decay. Schaipp et al. (2025), *The surprising agreement between convex optimization theory and learning-rate scheduling for large model training*: the bound beside real runs.
