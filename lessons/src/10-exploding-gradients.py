# %% [markdown]
# # 10 · How to survive a cliff?
#
# | | |
# |---|---|
# | **Question** | What can be done when a single gradient is a hundred times as long as all the others? |
# | **Afterwards you can** | say why gradients explode in a recurrent network; clip them in four ways, and say what each of them keeps; choose a limit; tell what a clip does to Adam |
# | **Time** | 45 minutes |
# | **You need** | lessons 1 to 4 |
# | **Difficulty** | ●●○ |
#
# With this lesson a new part of the course begins. Its theme is the size of what each layer gets. The first word of our formula, *clip*, has done nothing so far. Today it does everything.

# %%
from functools import partial

import torch

from lwlr_teach.clipping import adaptive, by_global_norm, by_layer_norm, by_value
from lwlr_teach.optim import METHODS, SGD
from lwlr_teach.problems import cliff, digits, rnn_task
from lwlr_teach.runs import Contestant, cross_entropy, race, sweep, train_ensemble
from lwlr_teach.teaching import (
    begin,
    check,
    claim,
    explain,
    predict_choice,
    predict_curve,
    predict_number,
    recall,
)
from lwlr_teach.views import RaceView, RatesView, SurfaceView

begin("10-exploding-gradients")

# %% [markdown]
# ## Recall

# %%
recall("10-exploding-gradients")

# %% [markdown]
# ## The same matrix, again and again
#
# Whisper a sentence to your neighbour, who whispers it on. If everybody speaks a little more softly than the one before, nothing arrives at the other end of the room. If everybody speaks a little louder, the last one shouts.
#
# A **recurrent network** is such a row of people, and they are all the same person. It reads a sequence one element after the other and keeps a state $h$:
#
# $$ h \;\leftarrow\; \tanh(x\,U + h\,W + b) . $$
#
# To learn, the error is sent back through all steps. Each step back multiplies it by the slope of $\tanh$, which is at most 1, and by the matrix $W$. Every time it is the same $W$. If its largest eigenvalue is well above 1, the product can grow with each step, like a whisper that becomes a shout.
#
# We let such a network read our digits pixel by pixel, and start it with a matrix that is too large on purpose: its *gain*, the size of its largest eigenvalue, is about 2. How long is the gradient, all weights together, when the error has come back through 2, 4, 8, … 64 pixels?

# %%
length_guess = predict_curve(
    "10-length",
    "Gain 2: draw the norm of the gradient against the number of pixels it went back through.",
    x={"range": [2, 64], "title": "pixels"},
    y={"range": [0.1, 1e4], "title": "norm of the gradient", "log": True},
)
length_guess

# %% [markdown] tags=["teacher"]
# Many draw a line that levels off, because the axis is logarithmic and they think of a sum. A straight line on this axis is exponential growth. Ask what gain 0.5 would look like: flat, since the error from far away does not arrive and only the last pixels count.


# %%
def gradient_norm(gain, pixels):
    """The norm of the gradient of a fresh network, median of 8, when it reads the last pixels only."""
    task = rnn_task(precise, seeds=8, steps=1, pixels=1, gain=gain)
    params, batch = [p.requires_grad_() for p in task.first], task.batches[0]
    x, y = task.data.x_train[batch][..., -pixels:, :], task.data.y_train[batch]
    cross_entropy(task.forward(params, x), y).sum().backward()
    return torch.stack([p.grad.flatten(1).norm(dim=1) for p in params]).norm(dim=0).median().item()


precise = digits(dtype=torch.float64)
early, late = ({gain: gradient_norm(gain, n) for gain in (0.5, 1, 2)} for n in (8, 64))

# %%
claim(f"Gain 2: the norm is {early[2]:.1f} after 8 pixels.", early[2] < 5)
claim("After 64 pixels it is more than a hundred times that.", late[2] > 100 * early[2])
claim(f"Gain 1: {early[1]:.2f} after 8 pixels, {late[1]:.2f} after 64.", late[1] < 1.5)
claim(f"Gain 0.5: {early[0.5]:.2f} after 8, {late[0.5]:.2f} after 64.", late[0.5] < 1)
length_guess.reveal(
    [gradient_norm(2, n) for n in range(2, 65, 2)],
    "Each pixel multiplies by about the same number, and that is exponential growth: a line on this axis.",
)

# %% [markdown]
# On this axis a straight line is exponential growth, and growth is what you see, with jumps: $\tanh$ holds back now and then. With gain 1 the norm stays as it is. With gain 0.5 nothing explodes, but there is a price: what the network saw long ago does not come back at all. That is the *vanishing* gradient, and no clip can help against it.
#
# What makes the gradient long makes each error of rounding long as well. So we computed these norms in double precision, with sixteen digits. In single precision, with seven, two processors would draw the right end of this curve differently.
#
# For training you want a gain near 1. But training changes $W$, and nobody watches the gain on the way.

# %% [markdown]
# ## The wall
#
# What does the loss look like in such a place? Pascanu, Mikolov and Bengio (2013) drew it for the smallest recurrent network there is: one unit, $x \leftarrow w\,\sigma(x) + b$, read after 50 steps. On the map $w$ goes to the right and $b$ upwards; where it is light the loss is low, where it is dark it is high. There is a wall in it, a thin line right across. (Its teeth come from the grid on which the map is drawn.)
#
# Drag the rate and find **a rate at which the path hits the wall and is thrown off the map**. Then move the rate by one position. Is the next path thrown as well?

# %%
lrs = torch.logspace(-3, -1, 21, dtype=torch.float64)
SurfaceView("cliff", ["SGD"], lr=lrs, at_lr=0.001, steps=60)

# %% [markdown]
# Most of the map is gentle. The wall is thin, and few paths are thrown by it. But a path that is thrown loses in one step all that it had won.

# %%
falls = sweep("cliff", ["SGD"], lr=lrs, steps=60)
heights, ends = falls.losses[0, :, 0], falls.paths[0, :, 0, -1]  # (rate, step) and (rate, w and b)
thrown = heights.amax(-1) > heights[:, 0]
high = heights[8].max()

claim(f"Rate {lrs[8]:.4f}: thrown, from a loss of {heights[8, 0]:.0f} up to {high:.0f}.", thrown[8])
claim("One position to the left or to the right: not thrown.", not thrown[[7, 9]].any())
claim(
    f"From rate {lrs[14]:.3f} on every path ends left of the map, with a loss below 0.1.",
    (ends[14:, 0] < 4).all() and (heights[14:, -1] < 0.1).all(),
)

# %% [markdown]
# Which rate is hit is a matter of chance. That makes exploding gradients nasty in practice. The run is fine for an hour, and then it is gone.
#
# Of all things, the largest rates end well. They jump off the map on its left side, and there is no wall there: the slope of $\sigma$ is at most 1/4, so left of $w = 4$ nothing is multiplied by more than 1. They were lucky as well. Nobody can choose a rate by where it happens to land.
#
# How steep is the wall? Here are the gradients on a grid over the map, and one step of SGD from the steepest point of that grid. In between it is steeper still.

# %%
surface = cliff()
w, b = (torch.linspace(*ends, 61, dtype=torch.float64) for ends in surface.bounds)
points = torch.cartesian_prod(w, b)
steepness = surface.grad(points).norm(dim=-1)
brink = points[steepness.argmax()]
fallen = brink - 0.01 * surface.grad(brink)

claim(
    f"The median norm is {steepness.median():.1f}, the largest {steepness.max():.0f}.", steepness.max() > 800
)
loss = surface.loss(brink)
claim(f"There, at w = {brink[0]:.1f} and b = {brink[1]:.2f}, the loss is {loss:.3f}.", loss < 0.01)
claim(
    f"One step at rate 0.01 leads to b = {fallen[1]:.1f}, and to a loss of {surface.loss(fallen):.0f}.",
    surface.loss(fallen) > 100,
)

# %% [markdown]
# ## A limit
#
# The gradient at the wall has a useful direction and a useless length. So keep the direction, and cut the length to a **limit**: that is *clipping by global norm*. The cut gradient leads from the same brink to a point a hundredth away.
#
# Think about the longest step that is possible now. SGD's step is rate × gradient, and the gradient is at most as long as the limit. So **no step is longer than rate × limit**. You draw a circle around the place where you stand and say: inside I trust my gradient, outside I do not. This is a *trust region*, and you choose its radius.
#
# Too large a limit, and the wall throws you. Too small, and you crawl like a hiker who takes inches on a meadow. The next picture has a slider for the limit.

# %%
limits = torch.logspace(-1, 3, 17, dtype=torch.float64)
limit_guess = predict_number(
    "10-limit",
    "Rate 0.01, clipped by global norm: the largest limit at which the loss never rises above its first value?",
    limits,
    within=2,
    log=True,
)
limit_guess

# %% [markdown] tags=["teacher"]
# Guesses are usually too low, near 10, the norm on the slopes. The map is 3 wide, so a step of 1 or so is still safe, and rate 0.01 reaches that at a limit of 100. Ask for the longest step first, then for the limit.

# %% [markdown]
# There are three clips now beside plain SGD: *by value* cuts each of the two numbers to the limit, *by global norm* cuts the length of the vector, and *adaptive* cuts the length to limit × the length of the weights themselves.
#
# Keep the rate at 0.01 and drag the limit, from left to right. For each clip find **the smallest limit at which it gets below a loss of 1, and the first at which it is thrown above the loss of its start**. What do you see at the right end?

# %%
sgd, adam = METHODS["SGD"], METHODS["Adam"]
clips = {"SGD": sgd} | {clip.__name__: sgd.clipped(clip) for clip in (by_value, by_global_norm, adaptive)}
SurfaceView("cliff", clips.values(), lr=lrs[::2], limits=limits, at_lr=0.01, at_limit=0.1, steps=60)

# %%
runs = sweep("cliff", clips.values(), lr=[0.01], limit=limits, steps=60)
losses = runs.losses[:, 0, :, 0]  # clip, limit, step
calm = losses.amax(-1) <= losses[..., 0]  # not thrown: never above the first loss
safe = limits[calm[2]].max().item()
steps = runs.paths[2, 0, :, 0].diff(dim=-2).norm(dim=-1).amax(-1)  # the longest step at each limit

claim(
    f"Without a clip the loss climbs to {losses[0, 0].max():.0f}, about ten times its first value.",
    9 < losses[0, 0].max() / losses[0, 0, 0] < 11,
)
for clip, quiet in list(zip(clips.values(), calm, strict=True))[1:]:
    n = quiet.sum()
    claim(f"{clip.name}: not thrown up to a limit of {limits[n - 1]:.0f}.", quiet[:n].all())
claim(f"By global norm the loss ends below 2 from {limits[7]:.1f} to 100.", (losses[2, 7:13, -1] < 2).all())
claim(f"At {safe:.0f} it is not thrown, and ends at {losses[2, 13, -1]:.0f}.", losses[2, 13, -1] > 5)
claim("No step by global norm is longer than rate × limit.", (steps <= 0.01 * limits + 1e-12).all())
claim("At the limit 1,000 all four take the same path.", (runs.paths[:, 0, -1] == runs.paths[0, 0, -1]).all())
limit_guess.reveal(
    safe,
    "No step is longer than rate × limit. At 178 that is 1.8, more than half of the map.",
)

# %% [markdown]
# Not thrown is not yet good. At 178 a step may be rate × limit long, more than half of the map, and the end is a matter of chance. In between, too, the results jump up and down, because the wall is still there and each path meets it elsewhere.
#
# But the good limits by global norm make a wide range, almost twentyfold, and the median norm on the map lies in it. So a limit need not be hit exactly: **a little above the norms that you see when all is well** will do. Write the norms down before you choose one.
#
# ## Four clips, and what they keep
#
# | clip | the gradient becomes | what it keeps |
# |---|---|---|
# | by value | each entry, cut to ±limit | nothing but the signs |
# | by layer norm | each tensor, shortened to the limit | the direction of each tensor |
# | by global norm | all tensors times one factor | the direction of the whole |
# | adaptive (AGC) | each unit's, shortened to limit × its weights' norm | the direction of each unit |
#
# By value is the oldest, and it **turns the gradient**: the large entries are cut, the small ones are not. In the picture you have seen only the extremes. Where each layer is a single number, clipping by layer *is* clipping by value; and where all is one vector, it is clipping by global norm.

# %%
g, p = torch.tensor([10, 0.1], dtype=torch.float64), torch.ones(2, dtype=torch.float64)
angle = {
    name: torch.rad2deg(torch.acos(torch.cosine_similarity(clip([g], [p])[0], g, dim=0).clamp(max=1)))
    for name, clip in [("value", by_value(1)), ("global norm", by_global_norm(1)), ("AGC", adaptive(0.01))]
}
claim(f"By value, limit 1: the gradient (10, 0.1) turns by {angle['value']:.1f} degrees.", angle["value"] > 5)
claim("By global norm and AGC: by none.", max(angle["global norm"], angle["AGC"]) < 1e-4)
apart, joined = ([g[:1], g[1:]], [p[:1], p[1:]]), ([g], [p])
claim("Layers of one number: by layer is by value.", by_layer_norm(1)(*apart) == by_value(1)(*apart))
claim(
    "One layer: by layer is by global norm.",
    by_layer_norm(1)(*joined)[0].equal(by_global_norm(1)(*joined)[0]),
)

# %% [markdown]
# ## The rule
#
# For the gradients $g$ of all tensors together, and the limit $c$ (Pascanu et al. 2013):
#
# $$ g \;\leftarrow\; g \cdot \min\!\Big(1, \frac{c}{\lVert g\rVert}\Big) $$
#
# The minimum with 1 leaves short gradients alone. Our optimizers take a clip as an argument; every other one can have it between `backward` and `step`. PyTorch's function adds $10^{-6}$ to the norm, which shows only in tiny gradients.

# %%
ours = [torch.tensor([3.0, 4.0]), torch.tensor([[12.0]])]
theirs, hand = [p.clone() for p in ours], [p.clone() for p in ours]
for params in (ours, theirs):
    for p in params:
        p.grad = 2 * p  # the gradient of the sum of squares; its norm is 26

SGD(ours, lr=0.1, clip=by_global_norm(1.0)).step()
torch.nn.utils.clip_grad_norm_(theirs, 1.0)
torch.optim.SGD(theirs, lr=0.1).step()
hand = [p - 0.1 * (2 * p) * min(1, 1 / 26) for p in hand]
apart = max((a - b).abs().max() for rival in (theirs, hand) for a, b in zip(ours, rival, strict=True))
claim("By hand, by our SGD and by PyTorch: the same point.", apart < 1e-6)

# %% [markdown]
# ## A clip before Adam
#
# You know from lesson 1 that Adam divides the gradient by its own size. Here is Adam in the simple bowl, at rate 0.01, with its gradient clipped by global norm. We go from a limit that never acts down to one that acts at every step.

# %%
adam_guess = predict_choice(
    "10-adam",
    "Limit 0.001, and then a hundred times less: how do Adam's two paths differ?",
    ["the second is about a hundred times shorter", "hardly at all", "the second stands still"],
)
adam_guess

# %% [markdown] tags=["teacher"]
# Most choose "shorter", since that is what a limit does to SGD: rate × limit. Show that a common factor cancels between numerator and denominator. A good question to follow: which limit would make Adam's steps short? (None; that is the rate's task. Only when gradients come near epsilon, 1e-8, do they shrink.)

# %% [markdown]
# Drag the limit down from the right end. **When does Adam's path begin to change, and when does it stop changing?** Compare with SGD. Then find what does make Adam's steps shorter.

# %%
tiny = torch.logspace(-5, 2, 29, dtype=torch.float64)
pair = [sgd.clipped(by_global_norm), adam.clipped(by_global_norm)]
rates = torch.logspace(-3, -1, 9, dtype=torch.float64)
SurfaceView("quadratic", pair, lr=rates, limits=tiny, at_lr=0.01, at_limit=100, steps=200)

# %%
plain = sweep("quadratic", ["Adam"], lr=[0.01], steps=300).paths[0, 0, 0]
small = sweep("quadratic", pair, lr=[0.01], limit=[1e-3, 1e-5], steps=300)
small = small.paths[:, 0, :, 0]  # method, limit, step
between = (small[1, 0] - small[1, 1]).norm(dim=-1).max()
moved = (small[0, :, -1] - small[0, :, 0]).norm(dim=-1)

claim(f"Adam, limits 0.001 and 0.00001: never more than {between:.2f} apart in 300 steps.", between < 0.02)
claim("Either ends less than 0.01 from the star.", (small[1, :, -1].norm(dim=-1) < 0.01).all())
claim(f"Adam without a clip ends {plain[-1].norm():.1f} away from it.", plain[-1].norm() > 0.3)
expected = 0.01 * 300 * torch.tensor([1e-3, 1e-5])
claim(
    f"SGD moves {moved[0]:.4f} and {moved[1]:.6f}: rate × limit × 300.",
    (moved / expected - 1).abs().max() < 0.01,
)
adam_guess.reveal("hardly at all", "Adam divides the gradient by its own size, and a common factor cancels.")

# %% [markdown]
# A clip that always acts gives Adam gradients that are all equally long. Adam divides by their size, and the limit cancels. What is left is **normalised descent**: direction without length. Here that is even an advantage. Without a clip, the long gradients of the first steps stay in Adam's memory of sizes and make its later steps short.
#
# So for Adam a limit is not a brake. A brake is the rate. A limit that acts once in a while keeps one wild gradient out of Adam's memory; a limit that always acts makes another method out of it.

# %% [markdown]
# ## A real network
#
# Now the digits, read like a page: row by row, eight pixels at a time, eight steps to the last line. The recurrent matrix starts with a gain of 1.5. First all four clips at **one** rate, 1, with a slider for the limit. AGC has to know which weights enter one unit. In our networks these are columns, in PyTorch's `Linear` rows. (The next cell trains a hundred networks, and the race below almost three hundred. Both take a while.)

# %%
reading = partial(rnn_task, steps=200, pixels=8, gain=1.5, valid=300)
agc = partial(adaptive, units=-1)
makers = (by_value, by_global_norm, by_layer_norm, agc)
ranges = torch.logspace(-3, 1, 9, dtype=torch.float64)
ensemble = train_ensemble([sgd.clipped(clip) for clip in makers], lr=[1], limit=ranges, task=reading(seeds=3))

# %% [markdown]
# At the left end every limit is a traffic jam; at the right end hardly anything is cut any more. Find **the best limit of each clip**. Why are they so different?

# %% tags=["nbval-ignore-output"]
RatesView(ensemble, title="Recurrent network, rate 1", at_limit=0.001)

# %%
right = ensemble.test_accuracy.median(-1).values  # clip, limit
best = ranges[ensemble.train_loss.median(-1).values.nan_to_num(nan=torch.inf).argmin(-1)]
claim(
    "Hardly clipped, at limit 10, each of the four gets less than 20% right: guessing.",
    right[:, -1].max() < 0.2,
)
claim("At its best limit each of the four gets more than 80% right.", right.amax(-1).min() > 0.8)
claim("By value, the best limit is at least ten times smaller than by global norm.", best[0] * 10 <= best[1])

# %% [markdown]
# A limit by value holds for each single number. Hundreds of numbers at their limit make a long vector, longer than the limit by the square root of their count. So **a limit means nothing without the name of its clip**, as a rate means nothing without the name of its method.
#
# At this rate, clipping decides between failure and success. But is 1 a fair rate? Lesson 4 says: to each its own. So we race: SGD without a clip, with each of the four, and Adam without and with one. Each runs at five rates, from eight seeds. Three of the seeds choose its rate, by the held-back images, and the other five judge it. The limits are read off the picture above, once, and not tuned again; plain SGD and plain Adam have none to tune.

# %%
race_guess = predict_choice(
    "10-race",
    "Each at its own best rate: how far ahead of SGD without a clip is the best of SGD's clips?",
    ["more than 50 points of accuracy", "10 to 50 points", "less than 10 points"],
)
race_guess

# %% [markdown] tags=["teacher"]
# After the last picture nearly everybody expects a large gap. There the rate was one at which unclipped SGD fails. At its own best rate it does not fail; that rate is only a few times smaller. The gap is a few points, and often on the other side: which of the seven is first changes with the seeds, and from one processor to the next.

# %%
# This takes about ten seconds.
chosen = zip(makers, (0.01, 0.3, 0.2, 0.03), strict=True)
low = torch.logspace(-3, -1, 5)
result = race(
    [
        "SGD",
        *(sgd.clipped(clip, limit) for clip, limit in chosen),
        Contestant("Adam", lr=low),
        Contestant(adam.clipped(by_global_norm, 0.3), lr=low),
    ],
    lr=torch.logspace(-1.5, 0.5, 5),
    task=reading(seeds=8),
    checkpoints=5,
)

# %% [markdown]
# The picture begins with SGD alone. Tick the others, one after another, and compare the shaded bands: **which rates are good, with a clip and without?** Then look at the places with all seven, and at the places with fewer steps. Does anybody win?
#
# (With *equal work* the budget is counted in operations, so that a clip that needs more of them gets fewer steps.)

# %% tags=["nbval-ignore-output"]
RaceView(result, title="Recurrent network", shown=["SGD"])

# %%
table = result.table()
own = [table[name].accuracy for name in result.names]  # each at the best rate by the held-back images
ahead, adams = max(own[1:5]) - own[0], [abs(accuracy - own[0]) for accuracy in own[5:]]
fast = result.test_accuracy[:5, 3, :, -1]  # SGD and its clips at rate 1, from each seed
claim("Rate 1, from every seed: without a clip less than 20% right, guessing.", fast[0].max() < 0.2)
claim("Rate 1, from every seed: with each of the four clips more than 70% right.", fast[1:].min() > 0.7)
claim("Each at its own best rate: the best clip is less than 10 points ahead of none.", ahead < 0.1)
claim("Adam, with a clip or without, is less than 10 points from SGD as well.", max(adams) < 0.1)
race_guess.reveal(
    "less than 10 points",
    "At its own best rate plain SGD stays away from the wall: there is little for a clip to save.",
)

# %% [markdown]
# So clipping hardly raised the summit, if at all. Which one is first is not settled: with other seeds it is another one, and on another processor too, because training amplifies the last digit of every sum. From seed to seed a method differs from itself about as much as the methods differ from one another.
#
# What clipping moved is the edge, and here all seeds agree: a rate at which plain SGD can only guess still works. In lesson 1 that edge stood right behind the best rate. A clip builds a fence there. For a long and expensive run, which may meet its wall on the third day, the fence is what you pay for.

# %% [markdown]
# ## Exercise
#
# The factor of the rule, and the radius of a trust region. Under each check there are hints, and a solution.


# %%
def factor(grads, max_norm):
    """The number by which all of grads (a list of tensors) are multiplied, to clip by global norm."""
    ### BEGIN SOLUTION
    total = torch.stack([g.norm() for g in grads]).norm()
    return (max_norm / total).clamp(max=1)
    ### END SOLUTION


check("10-factor", factor)


# %%
def longest_step(lr, clip_value, n):
    """The longest step that SGD can take with n weights, when gradients are clipped by value."""
    ### BEGIN SOLUTION
    return lr * clip_value * n**0.5
    ### END SOLUTION


check("10-longest-step", longest_step)

# %% [markdown]
# ## In your own words

# %%
explain("10-explain")

# %% [markdown]
# ## What to keep
#
# 1. Where the same matrix is applied again and again, gradients grow or vanish exponentially, and the loss has walls beside gentle slopes.
# 2. A clip draws a circle of radius rate × limit in which the gradient is trusted, and by global norm it keeps the direction, while by value it turns it.
# 3. Clipping is a fence and not a motor: it lets larger rates survive, and before Adam it is no brake at all.
#
# **Where libraries disagree.** PyTorch's `clip_grad_norm_` adds $10^{-6}$ to the norm; optax and this package do not. By default Keras's `clipnorm` means each tensor by itself, and `global_clipnorm` all together. AGC needs to know which axis counts the units: rows in PyTorch, the last axis in optax.
#
# **Sources.** Bengio, Simard and Frasconi (1994), *Learning long-term dependencies with gradient descent is difficult*: growth and vanishing. Pascanu, Mikolov and Bengio (2013), *On the difficulty of training recurrent neural networks*: the wall and the clip. Brock et al. (2021), *High-performance large-scale image recognition without normalization*: AGC. Elman (1990), *Finding structure in time*: the network.
