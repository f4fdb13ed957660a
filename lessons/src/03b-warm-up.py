# %% [markdown]
# # 3b · When to start slowly?
#
# | | |
# |---|---|
# | **Question** | Must a run begin with small steps, and for how long? |
# | **Afterwards you can** | say what a warm-up buys and what it does not; write one; find out whether your scheduler counts batches or epochs |
# | **Time** | 35 minutes |
# | **You need** | lesson 3 |
# | **Difficulty** | ●●○ |
#
# Lesson 3 was about the end of a run. This one is about its beginning, and about a mistake that hides in almost every training script.

# %%
import math

import torch
from torch import nn

from lwlr_teach.optim import SGD, Adam
from lwlr_teach.problems import digits
from lwlr_teach.runs import Minibatches, Recorder, fit
from lwlr_teach.schedules import Chained, Cosine, Piecewise, ScheduleLR, Warmup
from lwlr_teach.studies import Family, train_schedules
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, recall
from lwlr_teach.views import CurvesView, ScheduleView

begin("03b-warm-up")

# %% [markdown]
# ## Recall
#
# Before anything new, some questions from earlier lessons.

# %%
recall("03b-warm-up")

# %% [markdown]
# ## Cold legs
#
# A runner who sprints at once from the bed pulls a muscle. The same speed is fine ten minutes later. The speed has not changed; the runner has.
#
# It is the same with Adam, and one can measure it. At its first step Adam knows one gradient, and moves every weight by the whole rate, whether the gradient is large or tiny (lesson 7 says why). Only a weight without any gradient stays, such as those of the pixels that are always white. Later it knows more. The gradients of a weight point here and there, Adam averages them, and the weight moves by a part of the rate only.
#
# Here is how far a weight moves in a step, as a share of the rate (the root of the mean square over all weights; those that stay count as 0). **Compare the first step with the last.**


# %%
def first_steps(lr, seed):
    """Sixty steps of Adam on the digits: the length of each, and that of the weights before the first."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    adam = Adam(model.parameters(), lr=lr)
    recorder = Recorder(model, adam, every=1)
    fit(model, adam, Minibatches(data.x_train, data.y_train, 64), steps=60, recorder=recorder)
    long, weights = (recorder.recording[name].norm(dim=0) for name in ("update_norm", "weight_norm"))
    return long, weights[0]


data, many = digits(), (64 * 32 + 32 + 32 * 10 + 10) ** 0.5  # the root of the number of weights
steps, weights = zip(*(first_steps(0.003, seed) for seed in range(3)), strict=True)
shares = torch.stack(steps) / many / 0.003  # (seed, step)
CurvesView(
    {f"seed {i}": share for i, share in enumerate(shares)},
    y="length of the step, in rates",
    title="Adam",
    at=0,
)

# %%
claim("The first step moves the weights by more than 80% of the rate.", shares[:, 0].min() > 0.8)
claim("From step 9 on it is less than 70%.", shares[:, 9:].max() < 0.7)
longest = [first_steps(0.3, seed)[0][0] for seed in range(3)]
claim(
    "At the rate 0.3 the first step is more than twice as long as all the weights are.",
    all(step > 2 * w for step, w in zip(longest, weights, strict=True)),
)

# %% [markdown]
# So the first steps are the longest that Adam ever takes at a rate, and it takes them when it knows least. At a usual rate that does no harm. But at 0.3 the first step alone is more than twice as long as all the weights together: whatever the network was, it is something else now. A rate that would be fine later can throw the run far away before it has begun. From lesson 1 you know where such a run ends: near $\ln 10$, the loss of guessing, or only a little below.
#
# A **warm-up** lets the rate grow from almost nothing to its peak, over a few steps, and then leaves it to another schedule.

# %%
warm = Piecewise([Warmup(30, 0.01), Cosine(270)], [30])
cold = Cosine(300)
both = {"cosine": [cold(t) for t in range(300)], "warm-up and cosine": [warm(t) for t in range(300)]}
CurvesView(both, y="factor of the rate", title="With and without a warm-up", at=0)

# %% [markdown]
# We train the digits network of lesson 3 with Adam and a cosine, with batches of 64, and with a peak rate of 0.3. That is high for Adam. **Without a warm-up the final loss is above 1.** The network has learned something, and far too little.

# %%
warm_guess = predict_choice(
    "03b-warm-up",
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
    "Adam's first steps are its longest. By the time the peak comes, the same rate moves a weight by a part of it only.",
)

# %% [markdown]
# A warm-up does not make a rate better. It makes a higher peak survivable, and it is the higher peak that gains something. At a modest rate it changes hardly anything. And it is not the same for every method: with momentum in place of Adam it gains little even at the best peak.

# %%
momentum_runs = train_schedules(
    ["cosine", "warm-up and cosine"], method="Momentum", lr=torch.logspace(-1.5, 0, 5), batch_size=64
)
without, with_it = (momentum_runs.outcome(name, lr="best") for name in momentum_runs.families)
claim(
    "Momentum, each at its own best peak: less than a factor of 1.5 apart.",
    1 / 1.5 < with_it.loss / without.loss < 1.5,
)

# %% [markdown]
# ## How long?
#
# At the peak of 0.3 a warm-up of 30 steps has turned a lost run into a good one. Would fewer have done? The network does not need to learn the digits in that time. Adam only has to see some gradients.

# %%
length_guess = predict_choice(
    "03b-length",
    "Peak 0.3: how many of the 300 steps must the warm-up have, for less than a tenth of the loss without?",
    ["3", "9", "60 or more"],
)
length_guess

# %% [markdown] tags=["teacher"]
# Recipes speak of five epochs or of thousands of steps, so many choose the last. "3" comes from those who took that to heart. Ask them for the other end as well: what does a warm-up of 120 steps cost?

# %% [markdown]
# **Go back to the picture, put the peak to 0.3, and try all five lengths of the warm-up.** (They are in per cent of the 300 steps.) Which is best, and what is wrong with the longest? Then press *each at its own best peak*, and try the lengths once more.

# %%
at_peak, own = (
    {percent: adam_runs.outcome("warm-up and cosine", lr=lr, value=percent) for percent in (1, 3, 10, 20, 40)}
    for lr in (0.316, "best")
)
tenth = cold[0.316].loss / 10

claim("3 steps help a little: less than half of the loss without.", tenth < at_peak[1].loss < 5 * tenth)
claim("9 steps are enough: less than a tenth of it.", at_peak[3].loss < tenth)
claim("120 steps end higher than 30, by half at least.", at_peak[40].loss > 1.5 * at_peak[10].loss)
losses = [own[percent].loss for percent in (3, 10, 20, 40)]
claim(
    "Each at its own best peak: from 9 to 120 steps, less than a factor of 1.6 apart.",
    max(losses) < 1.6 * min(losses),
)
length_guess.reveal("9", "Adam only has to see some gradients, and a few gentle steps show it enough.")

# %% [markdown]
# A warm-up that is too short leaves the run where it was thrown. One that is too long spends steps at small rates, and these are missing later. Between the two the length hardly matters, as long as each has its own best peak. So take one, a few per cent of the run, and tune the peak.
#
# There are rules for long runs. Ma and Yarats (2021) propose $2/(1-\beta_2)$ steps for Adam, which is 2,000 with the usual $\beta_2 = 0.999$: the time in which Adam's memory of the gradients' sizes has filled. Our whole run is shorter than that, and did well with 9. Such a rule is on the safe side, and no law.

# %% [markdown]
# ## What the noise has to do with it
#
# Perhaps you saw something odd in the picture above. The constant rate, at its own best, is as good as the cosine. The batches are larger than in lesson 3, so there is less wind, and where there is no wind there is no floor. The noise decides what a schedule is worth. With small batches, as in lesson 3, Adam needs a schedule too: "it sets its own rate" is no reason to leave it constant.

# %%
flat, falling = (adam_runs.outcome(name, lr="best") for name in ("constant", "cosine"))
claim("Batches of 64: constant and cosine overlap.", flat.low < falling.high and falling.low < flat.high)

warm_cosine = Chained([Warmup(30, 0.01), Cosine(300)])
small = train_schedules(["constant", warm_cosine], method="Adam", lr=torch.logspace(-2, -1, 5))
flat, falling = (small.outcome(name, lr="best") for name in small.families)
claim("Batches of 16: Adam's best constant rate ends higher, from every seed.", flat.low > falling.high)

# %% [markdown]
# ## The rule
#
# A warm-up of $w$ steps before a schedule $s$ of $T$ steps. There are two ways to put them together. *In turn*: first the warm-up, and then $s$ begins at its beginning. *Multiplied*: $s$ runs from the first step on, and the warm-up is a factor to it. In turn reaches the whole peak. Multiplied is what you get when two schedulers are stepped side by side.
#
# $$ \text{in turn:}\quad \frac{t}{w}\ (t<w), \quad s(t-w)\ (t \ge w) \qquad\qquad \text{multiplied:}\quad \min\Big(1, \frac{t}{w}\Big)\, s(t) $$
#
# With $t = 0$ in it the first step has the rate 0 and goes nowhere. That is harmless and a little silly. Libraries start at some small share instead, and disagree about which.

# %%
ours = SGD([torch.zeros(1)], lr=0.1)
theirs = torch.optim.SGD([torch.zeros(1)], lr=0.1)
ramp = torch.optim.lr_scheduler.LinearLR(theirs, start_factor=0.01, total_iters=5)
fall = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=15)
schedulers = (
    ScheduleLR(ours, Piecewise([Warmup(5, 0.01), Cosine(15)], [5])),
    torch.optim.lr_scheduler.SequentialLR(theirs, [ramp, fall], milestones=[5]),
)
rates = []
for _ in range(20):
    rates.append([ours.param_groups[0]["lr"], theirs.param_groups[0]["lr"]])
    for part in (ours, theirs, *schedulers):
        part.step()
apart = max(abs(a - b) for a, b in rates)
claim("In turn, five steps and fifteen: our rates and PyTorch's are the same.", apart < 1e-12)

# %% [markdown]
# ## A real script: a step or an epoch?
#
# PyTorch's schedulers do not know what a batch is. They count how often `step()` is called. Somebody plans 15 epochs of 20 batches: a warm-up over 5 epochs, a cosine over 15. The code says `total_iters=5` and `T_max=15`, which is right if `scheduler.step()` stands at the end of an epoch. But it stands in the loop over the batches, one level too deep.

# %%
epochs_guess = predict_choice(
    "03b-epochs",
    "Each at its own best peak: how much higher does the loss end that was stepped each batch?",
    ["hardly at all: Adam sets its own rate", "by half, at most", "more than double"],
)
epochs_guess

# %% [markdown] tags=["teacher"]
# "Hardly" comes from those who think that the best peak makes up for it. Let them draw the rate over the 300 steps first: PyTorch's cosine climbs back, so it goes up and down ten times.

# %% [markdown]
# The first schedule below is the one that was meant. (Warm-up and cosine are multiplied here, and at the end of the warm-up the cosine has come down to three quarters.) The second is the one that ran. Since PyTorch's cosine climbs back, it goes up and down ten times. The third is the same mistake with our cosine, which stays at 0. **Look at the rates first. Then press *each at its own best peak*.**

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
claim(
    "As meant, the rate reaches three quarters of its peak.", abs(max(map(meant, range(300))) - 0.75) < 0.01
)
epochs_guess.reveal(
    "more than double", "It ends where the cosine is high again, or stands still: neither settles."
)

# %% [markdown]
# Nothing crashes, and the loss falls. It only ends higher than it had to. So **print the rates of a run, or draw them, before you believe in them**. And call `scheduler.step()` after `optimizer.step()`: the other way round, the first rate is never used. About that PyTorch does warn.

# %% [markdown]
# ## Exercise
#
# A warm-up and a straight line in turn, and the number that has to stand in the script. Under each check there are hints, and a solution.


# %%
def factor(step, warm, steps):
    """The factor of the rate: up in equal steps from 1/warm at step 0 to 1 at step warm - 1. It is still 1 at
    step warm; from there it goes in a straight line down to 0 at step steps."""
    ### BEGIN SOLUTION
    if step < warm:
        return (step + 1) / warm
    return (steps - step) / (steps - warm)
    ### END SOLUTION


check("03b-factor", factor)


# %%
def scheduler_steps(images, batch_size, epochs):
    """How often a scheduler is stepped that is stepped after each batch; the last batch may be smaller."""
    ### BEGIN SOLUTION
    return epochs * math.ceil(images / batch_size)
    ### END SOLUTION


check("03b-scheduler-steps", scheduler_steps)

# %% [markdown]
# ## In your own words

# %%
explain("03b-explain")

# %% [markdown]
# ## What to keep
#
# 1. A warm-up makes a higher peak survivable, and it is the higher peak that gains something.
# 2. How much it gains depends on the method and on the noise: with Adam much, with momentum hardly anything here.
# 3. A scheduler counts its own calls, whether they are batches or epochs, so print or draw the rates of a run before you believe in them.
#
# **Where libraries disagree.** PyTorch's `LinearLR` starts at a third of the rate, over five calls, if you do not say otherwise. Hugging Face's `get_linear_schedule_with_warmup` starts at 0, so that the first step goes nowhere. Ours starts where you say.
#
# **Sources.** Goyal et al. (2017), *Accurate, large minibatch SGD: training ImageNet in 1 hour*: the warm-up. Ma and Yarats (2021), *On the adequacy of untuned warmup for adaptive optimization*: how long it needs to be with Adam.
