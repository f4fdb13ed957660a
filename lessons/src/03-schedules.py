# %% [markdown]
# # 3 · When to slow down?
#
# | | |
# |---|---|
# | **Question** | Should the learning rate stay the same for the whole run, and if not, when should it fall? |
# | **Afterwards you can** | say why a constant rate stops getting better, and at which level; read, draw and choose a schedule; tell when a warm-up is needed; find out whether your scheduler counts batches or epochs |
# | **Time** | 45 minutes |
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
from lwlr_teach.schedules import (
    WSD,
    Chained,
    Cosine,
    MultiStep,
    OneCycle,
    Plateau,
    Polynomial,
    ScheduleLR,
    Warmup,
    drive,
)
from lwlr_teach.studies import Family, train_schedules
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, predict_curve, recall
from lwlr_teach.views import ScheduleView, SurfaceView

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
# You walk at one rate, 0.1, for 300 steps. Long before the last of them you are near the goal.

# %%
longer_guess = predict_choice(
    "03-longer",
    "You go on at rate 0.1, three times as long. What happens to the loss?",
    ["it falls to about a third", "it falls a little", "it stays where it is"],
)
longer_guess

# %% [markdown] tags=["teacher"]
# "It falls a little" is what most people say: training longer has always helped. Ask what a single step does to somebody who stands exactly on the goal. Six minutes for this part, with the slider.

# %% [markdown]
# Try it. First stay at 0.1 and drag the step from 100 to 300. Then find the rate with **the lowest loss at step 300**. Then look at the smallest rate: it hardly trembles at all. What is wrong with it?

# %%
windy = noisy("quadratic", 1.0)
SurfaceView(windy, ["SGD"], lr=torch.logspace(-2.5, -0.75, 36), steps=300, at_lr=0.1)

# %% [markdown]
# At a constant rate the run does not arrive. It comes near and then it trembles, for ever, at one and the same level: its **noise floor**. In a direction with the curvature $\lambda$, with noise of variance $\sigma^2$ in the gradient, the mean square of the distance settles at
#
# $$ \frac{\eta\,\sigma^2}{\lambda\,(2 - \eta\lambda)} . $$
#
# The number of steps does not occur in it. The rate does: for small rates, half the rate is half the floor. Let us measure, with 500 walkers for each rate.

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
early, late = loss[0, 250:300].mean(), loss[0, 850:900].mean()
claim(f"Rate 0.1: {early:.2f} before step 300, {late:.2f} before step 900.", late > 0.9 * early)
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
# The same walker, 300 steps. For the first 150 the rate is 0.1. Then it falls to a tenth of that, at once. Draw the mean loss of many such runs. The axis is logarithmic.

# %%
drop_guess = predict_curve(
    "03-drop",
    "Rate 0.1 until step 150, then 0.01: draw the mean loss.",
    x={"range": [0, 300], "title": "step"},
    y={"range": [1e-3, 10], "title": "loss", "log": True},
    within=0.1,
)
drop_guess

# %% [markdown] tags=["teacher"]
# Two wrong curves are common. One is smooth, with no corner at step 150. The other jumps down at once. The floor does fall at once, but the run has to walk down to it, at the new, slow rate.

# %%
drop = MultiStep([150], gamma=0.1)
SurfaceView(windy, ["SGD"], lr=torch.logspace(-2.5, -0.75, 36), steps=300, schedule=drop, at_lr=0.1)

# %%
dropped = sweep(windy, ["SGD"], lr=[0.1], steps=300, starts=many, schedule=drop)
fell = dropped.losses[0, 0].mean(0)
claim(
    f"The mean loss is {fell[150]:.3f} at the drop and {fell[300]:.4f} at the end: a tenth of it.",
    0.07 < fell[300] / fell[150] < 0.13,
)
claim(f"A constant rate of 0.01 is still at {loss[2, 300]:.3f} then.", loss[2, 300] > 1.5 * fell[300])
drop_guess.reveal(fell, "The floor falls at once; the run has to walk down to it, at the new, slow rate.")

# %% [markdown]
# Networks that were trained with a step schedule have this staircase in their training curves: a long flat piece, then a cut of the rate, and the loss goes down to the next floor.
#
# ## Two ways to decide when
#
# A driver who has to leave the motorway can decide when to slow down in two ways. **After a distance**: the map says that the exit comes after forty kilometres. **When there is no more progress**: the same sign goes by for the third time.
#
# Almost all schedules are of the first kind. Before the run begins they know how long it will be. The second kind looks at the loss: if the lowest loss is more than `patience` looks ago, the rate is cut. It needs no plan, and it reacts to what happens.

# %%
plateau = Plateau(0.1, patience=2, every=10)
cut_runs = sweep(windy, ["SGD"], lr=floor_rates, steps=300, starts=many, schedule=plateau)
losses = cut_runs.losses[0].movedim(-1, 0)  # (step, rate, walker)
uncut = torch.stack([plateau(step, losses) == 1 for step in range(301)]).sum(0)
first_cut = uncut.float().median(-1).values.tolist()

claim(f"The plateau cuts rate 0.1 after {first_cut[0]:.0f} steps (median).", first_cut[0] < 150)
claim(f"It gives rate 0.02 longer: {first_cut[1]:.0f} steps.", first_cut[0] < first_cut[1] < 300)
claim("It never cuts rate 0.005: there is still progress.", first_cut[3] > 300)

# %% [markdown]
# ## The rule
#
# The rate of step $t$ is the rate that you typed, times the factor of the schedule: $\text{rate}(t) = \eta \cdot s(t)$. These are the schedules that you will meet. $T$ is the length of the run.
#
# | schedule | the factor $s(t)$ | in words |
# |---|---|---|
# | step | $\gamma^{\lfloor t / k \rfloor}$ | times $\gamma$ every $k$ steps |
# | exponential | $\gamma^{t}$ | the same share is lost at every step |
# | inverse time | $1/(1 + k t)$ | halved after $1/k$ steps; the oldest of all, Robbins and Monro (1951) |
# | polynomial | $(1 - t/T)^p$ | $p = 1$ is a straight line down to 0 |
# | cosine | $\tfrac12 (1 + \cos(\pi t/T))$ | starts flat, ends flat; Loshchilov and Hutter (2017) |
# | warm restarts | the cosine, again and again | each period as long as the last, or longer |
# | warm-up | from almost 0 up to 1 | goes before another schedule |
# | one-cycle | up, then far down | momentum goes the other way; Smith (2018) |
# | plateau | times $\gamma$ after $n$ looks without progress | needs the losses |
# | WSD | warm-up, stable, decay | constant until shortly before the end; Hu et al. (2024) |
#
# And in Python: the formula, our function, our scheduler, and PyTorch's. They agree for as long as the schedule was meant to last. Look at what comes after.

# %%
by_hand = [0.1 * (1 + math.cos(math.pi * min(t / 10, 1))) / 2 for t in range(21)]
driven, ours = SGD([torch.zeros(1)], lr=0.1), SGD([torch.zeros(1)], lr=0.1)
theirs = torch.optim.SGD([torch.zeros(1)], lr=0.1)
schedulers = [ScheduleLR(ours, Cosine(10)), CosineAnnealingLR(theirs, T_max=10)]
seen = []
for t in range(21):
    drive(driven, Cosine(10), t)
    seen.append([optimizer.param_groups[0]["lr"] for optimizer in (driven, ours, theirs)])
    for part in (driven, ours, theirs, *schedulers):  # the optimizers first, then their schedulers
        part.step()

rates = torch.tensor(seen, dtype=torch.float64)
apart = (rates - torch.tensor(by_hand, dtype=torch.float64)[:, None]).abs()
claim("Ten steps: by hand, driven, our scheduler, PyTorch's: the same rates.", apart[:11].max() < 1e-12)
claim("Then ours stay at 0.", rates[10:, :2].max() == 0)
claim(
    f"PyTorch's climbs back: {rates[15, 2]:.2f} at step 15, {rates[20, 2]:.1f} at step 20.",
    rates[20, 2] > 0.0999,
)

# %% [markdown]
# So a run that goes on for longer than its `T_max` ends with a high rate, on a high floor. Nothing warns you.
#
# ## A real network: draw your own
#
# Now the network that reads digits, with momentum and small batches of 16 images, so that there is plenty of wind. Seven schedules, six peak rates, three random beginnings. The left picture shows the rate, the right one the training loss, and below them is what each reaches in the end.
#
# A cosine is on average only half as high as a constant rate. At one shared peak rate the two travel differently far, and that is no comparison. So each schedule gets **the peak rate that is best for it**.

# %%
shape_guess = predict_choice(
    "03-shape",
    "Each at its own best peak rate: which ends with the lowest training loss?",
    ["constant", "step", "cosine", "one-cycle", "several that fall, about equal"],
)
shape_guess

# %% [markdown] tags=["teacher"]
# Cosine and one-cycle are the usual guesses: they are what people use. Let the class draw. Almost everything that is high for a while and low at the end comes out near the top; ask for a drawn curve that does worse than the constant rate.

# %% [markdown]
# Begin with all at one peak rate and move it: the order changes. **Draw a schedule of your own into the left picture**; it joins the race. Then press *each at its own best peak*: that is the fair comparison. Can you beat them all? Can you draw one that loses to the constant rate?

# %% tags=["nbval-ignore-output"]
# This takes about ten seconds.
peaks = torch.logspace(-1.5, -0.25, 6)
names = ["constant", "step", "polynomial", "cosine", "warm restarts", "one-cycle", "WSD"]
digits_runs = train_schedules(names, lr=peaks)
ScheduleView(digits_runs, at_lr=0.1)

# %%
reached = {n: digits_runs.outcome(n, lr="best") for n in names}
fall = ["polynomial", "cosine", "one-cycle", "WSD"]
constant, restarts = reached["constant"], reached["warm restarts"]

claim(
    "Polynomial, cosine, one-cycle and WSD all end lower than the constant rate, by a tenth at least.",
    all(reached[n].loss < 0.9 * constant.loss for n in fall),
)
line = reached["polynomial"]
others = [reached[n] for n in fall if n != "polynomial"]
claim(
    "The straight line is among the lowest: no other beats it from every seed, and it does not beat all others.",
    line.low <= min(o.high for o in others) and line.high >= min(o.low for o in others),
)
claim("Its best peak is higher than the constant rate's.", line.lr > constant.lr)
claim(
    "Warm restarts end higher than the straight line, by a quarter at least.",
    restarts.loss > 1.25 * line.loss,
)
shape_guess.reveal(
    "several that fall, about equal",
    "Each travels at a high rate and settles at a low one, and that is what counts.",
)

# %% [markdown]
# **That the rate falls matters. The shape in which it falls matters much less**, as long as it is high for a good part of the run and low at the end. If one shape is to be named, it is the straight line; Defazio et al. (2023) found the same in a larger study and give reasons. Two famous results do not show up here. One-cycle became known for training in a fraction of the usual steps (Smith 2018); here it is one among equals. Warm restarts (Loshchilov and Hutter 2017) go back to a high rate in order to explore; a run as short as this has no time for that. Both were found on larger networks and longer runs, and may well hold there.
#
# One thing more, to be fair. The training loss is what a schedule works on. The test images are what we care about:

# %%
entrants = {"constant": None, "linear": Polynomial(300), "cosine": Cosine(300), "WSD": WSD(300)}
entrants["one-cycle"] = OneCycle(300, cycle_momentum=False)
result = race(
    [Contestant("Momentum", schedule, name=name) for name, schedule in entrants.items()],
    lr=peaks,
    batch_size=16,
    checkpoints=1,
).table()
claim(
    "On the test images nobody wins: no schedule beats all others from every seed.", len(result.leaders) > 1
)
claim(
    "From best to worst they are less than three percentage points apart.",
    result.places[0].accuracy - result.places[-1].accuracy < 0.03,
)

# %% [markdown]
# ## When is a warm-up needed?
#
# So far the question was when to slow down. A warm-up asks the opposite: must a run start slowly?
#
# At its first step a network is somewhere at random. There the slopes are steep, and with Adam the very first step has full length in every weight (lesson 7). A peak rate that would be fine later can throw the run away before it has begun. You know from lesson 1 what that looks like: a flat line at $\ln 10$, the loss of guessing.
#
# Here is Adam with a cosine, larger batches, and a peak rate of 0.3. Without a warm-up the final loss is above 1.

# %%
warm_guess = predict_choice(
    "03-warm-up",
    "Put a warm-up of 30 steps before it, out of 300. What will the final loss be?",
    ["above 1 as well: the rate is too high", "about half of it", "less than a tenth of it"],
)
warm_guess

# %% [markdown] tags=["teacher"]
# "As well" is the usual guess, and a reasonable one: the peak is reached all the same, only later. Ask what has changed about the network by then.

# %% [markdown]
# Start at the peak rate of 0.3 and move the warm-up's slider. Then go **down with the peak rate until the warm-up makes no difference**.

# %% tags=["nbval-ignore-output"]
# This takes about ten seconds.
adam_runs = train_schedules(
    ["constant", "cosine", "warm-up and cosine"],
    method="Adam",
    lr=torch.logspace(-2, -0.25, 8),
    batch_size=64,
)
ScheduleView(adam_runs, at_lr=0.316)

# %%
cold, warm = (
    {lr: adam_runs.outcome(name, lr=lr) for lr in (0.018, 0.1, 0.316, "best")}
    for name in ("cosine", "warm-up and cosine")
)

claim(
    "Peak 0.3: above 1 without a warm-up, less than a tenth of that with it.",
    cold[0.316].low > 1 > 10 * warm[0.316].loss,
)
claim("Peak 0.02: they differ by less than half.", 0.67 < warm[0.018].loss / cold[0.018].loss < 1.5)
claim("At its own best peak the warm one is lower from every seed.", warm["best"].high < cold["best"].low)
claim("And its best peak is higher.", warm["best"].lr > cold["best"].lr)
warm_guess.reveal(
    "less than a tenth of it",
    "After 30 gentle steps the network stands where the slopes are less steep, and survives the peak.",
)

# %% [markdown]
# A warm-up does not make a rate better. It makes a higher peak survivable, and it is the higher peak that gains something. At a modest rate it changes hardly anything. With momentum in place of Adam it changes hardly anything even at the best peak: put `method="Momentum"` into the cell above and see.
#
# Perhaps you saw something odd. In this picture the constant rate, at its own best, is as good as the cosine. The batches are larger now, so there is less wind, and where there is no wind there is no floor. The noise decides what a schedule is worth. With small batches, as before, Adam needs a schedule too: "it sets its own rate" is no reason to leave it constant.

# %%
flat, falling = (adam_runs.outcome(name, lr="best") for name in ("constant", "cosine"))
claim("Batches of 64: constant and cosine overlap.", flat.low < falling.high and falling.low < flat.high)

warm_cosine = Chained([Warmup(30, 0.01), Cosine(300)])
small = train_schedules(["constant", warm_cosine], method="Adam", lr=torch.logspace(-2, -1, 5))
flat, falling = (small.outcome(name, lr="best") for name in small.families)
claim("Batches of 16: Adam's best constant rate ends higher, from every seed.", flat.low > falling.high)

# %% [markdown]
# ## A step or an epoch?
#
# PyTorch's schedulers do not know what a batch is. They count how often `step()` is called. Somebody plans 15 epochs of 20 batches: a warm-up over 5 epochs, a cosine over 15. The code says `total_iters=5` and `T_max=15`, which is right if `scheduler.step()` stands at the end of an epoch. But it stands in the loop over the batches, one level too deep.
#
# The first schedule below is the one that was meant. The second is the one that ran. Since PyTorch's cosine climbs back, it goes up and down ten times. The third is the same mistake with our cosine, which stays at 0.

# %% tags=["nbval-ignore-output"]
meant = Chained([Warmup(100, 0.01), Cosine(300)])  # 5 and 15 epochs of 20 batches
got = Chained([Warmup(5, 0.01), lambda t: (1 + math.cos(math.pi * t / 15)) / 2])
stuck = Chained([Warmup(5, 0.01), Cosine(15)])
epochs_runs = train_schedules(
    [
        Family("as meant", lambda _, steps: meant),
        Family("stepped each batch", lambda _, steps: got),
        Family("stepped each batch, stays at 0", lambda _, steps: stuck),
    ],
    method="Adam",
    lr=torch.logspace(-1.75, -0.75, 5),
    batch_size=64,
)
ScheduleView(epochs_runs, at_lr=0.1, pad=False)

# %%
as_meant, as_got, as_stuck = (epochs_runs.outcome(name, lr="best") for name in epochs_runs.families)
claim(
    "Each at its own best peak: the mistake costs more than double, and with a cosine that stays, twenty times.",
    as_got.loss > 2 * as_meant.loss and as_stuck.loss > 20 * as_meant.loss,
)
claim("The warm-up is over after a quarter of the first epoch.", Warmup(5)(5) == 1 and 5 / 20 == 0.25)

# %% [markdown]
# Nothing crashes, and the loss falls. It only ends higher than it had to. So **print the rates of a run, or draw them, before you believe in them**. And call `scheduler.step()` after `optimizer.step()`: the other way round, the first rate is never used. About that PyTorch does warn.

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
# A schedule of yours can race: `ScheduleView(train_schedules(["cosine", lambda t: cosine(t, 300, 0.1)]))`.

# %% [markdown]
# ## In your own words

# %%
explain("03-explain")

# %% [markdown]
# ## What to keep
#
# 1. At a constant rate a noisy run trembles at a floor that more steps do not lower and a smaller rate does: travel at a high rate, settle at a low one.
# 2. That the rate falls matters more than the shape in which it falls, and each schedule has a best peak rate of its own.
# 3. A warm-up makes a higher peak survivable, and a scheduler counts its own calls, whether they are batches or epochs.
#
# **Where libraries disagree.** At the end: PyTorch's `CosineAnnealingLR` climbs back, optax's `cosine_decay_schedule` stays at its floor as ours does, and PyTorch's `OneCycleLR` stops with an error. At the beginning: PyTorch's `LinearLR` starts at a third of the rate, while Hugging Face's `get_linear_schedule_with_warmup` starts at 0, so that the first step goes nowhere. About floors: `eta_min` is a rate in PyTorch, `alpha` in optax a share of the first rate.
#
# **Sources.** Robbins and Monro (1951), *A stochastic approximation method*: rates that fall. Smith (2018), *A disciplined approach to neural network hyper-parameters*: one-cycle. Loshchilov and Hutter (2017), *SGDR: stochastic gradient descent with warm restarts*: the cosine. Goyal et al. (2017), *Accurate, large minibatch SGD*: the warm-up. Hu et al. (2024), *MiniCPM*: warm-up, stable, decay. Defazio et al. (2023), *When, why and how much? Adaptive learning rate scheduling by refinement*: linear decay.
