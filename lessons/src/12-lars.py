# %% [markdown]
# # 12 · Can a layer choose its own rate?
#
# | | |
# |---|---|
# | **Question** | Must I find a rate for every layer, or can a layer find its own? |
# | **Afterwards you can** | see how fast each layer of any model moves; say what LARS does, and write it; tell it from a clip, from Adam and from a schedule; say when it is worth having |
# | **Time** | 70 minutes |
# | **You need** | lessons 1 to 4. Lesson 10 helps, and is not needed |
# | **Difficulty** | ●●○ |
#
# A model with a hundred layers could have a hundred rates, and nobody can search for them. So let us see what a layer would have to look at to choose its own.

# %%
import copy
from dataclasses import replace
from itertools import pairwise

import torch
from torch import nn

from lwlr_teach.clipping import by_global_norm
from lwlr_teach.layerwise import by_trust_ratio, trust_ratio
from lwlr_teach.optim import LARS, METHODS, SGD, Adam
from lwlr_teach.problems import digits, digits_task
from lwlr_teach.runs import Contestant, Minibatches, exponential_rates, fit, race
from lwlr_teach.schedules import Cosine
from lwlr_teach.studies import train_layer_rates
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, predict_number, recall
from lwlr_teach.views import CurvesView, InspectorView, LayerRatesView, RaceView

begin("12-lars")

# %% [markdown]
# ## Recall

# %%
recall("12-lars")

# %% [markdown]
# ## Five euros on everything
#
# One morning every price in town goes up by five euros. Nobody who buys a car will notice. Nobody will buy bread. That is why shops count in per cent.
#
# One rate for all layers is such a morning. Each layer's step is the rate times its gradient. Whether that is a lot depends on how large the layer's weights are. So we count in per cent too: the **relative update** of a layer is the length of its step, divided by the length of its weights, $\lVert\Delta p\rVert / \lVert p\rVert$.
#
# Here is an ordinary network: six layers, with the initial weights that PyTorch gives them. Nothing has been spoilt. It is an `nn.Module` like any other, and the `Recorder` of this package writes down what each layer does while it trains. `fit` has one inside.


# %%
def network(depth):
    """Layers of 32 ReLU units from 64 pixels to 10 digits, with PyTorch's own initial weights."""
    torch.manual_seed(0)
    model = nn.Sequential()
    for i, sizes in enumerate(pairwise([64, *[32] * (depth - 1), 10]), start=1):
        model.add_module(f"layer {i}", nn.Linear(*sizes))
        model.add_module(f"relu {i}", nn.ReLU())
    return model[:-1]  # no ReLU after the last layer


data = digits()


def train(model, optimizer, steps=200):
    """Train on batches of 64 images, the same for all; every 10th step is recorded."""
    batches = Minibatches(data.x_train, data.y_train, 64)
    return fit(model, optimizer, batches, steps=steps)


# %%
model = network(6)
sgd_run = train(model, SGD(model.parameters(), lr=0.1))

# %% [markdown]
# We use plain SGD at the rate 0.1. In its very first step some layer moves fastest, in per cent, and some layer moves slowest. The gradient enters at the last layer and is handed back from layer to layer, and in this network each one hands back about half of it. What do you expect?

# %%
spread_guess = predict_number(
    "12-spread",
    "First step of SGD: how many times as large is the largest relative update as the smallest?",
    exponential_rates(1, 1_000_000, 61),
    within=2.5,
    log=True,
)
spread_guess

# %% [markdown] tags=["teacher"]
# Guesses are mostly between 1 and 5: six layers that are made alike ought to learn alike. Ask where the gradient comes from: it enters at the last layer and loses a part in each layer on its way back.

# %% [markdown]
# Each row is a layer, the first on top, and each column a step. **Drag the step: does the fastest layer stay the fastest?** Then choose *gradient* from the list, and *weights*: how much do the layers differ in each?

# %%
InspectorView(sgd_run.recording, title="Six layers, SGD at 0.1", at_step=0)

# %%
first = sgd_run.recording["relative_update"][:, 0]
weights, gradients = (sgd_run.recording[name][:, 0] for name in ("weight_norm", "grad_norm"))
spread = (first.max() / first.min()).item()

claim(f"The largest relative update is {spread:.0f} times the smallest.", 25 < spread < 60)
claim("The last layer is the fastest, a front one the slowest.", first.argmax() == 5 and first.argmin() < 3)
claim(f"Weights differ {weights.max() / weights.min():.1f} times.", weights.max() < 4 * weights.min())
claim(
    f"Gradients differ {gradients.max() / gradients.min():.0f} times.", gradients.max() > 8 * gradients.min()
)
made = nn.Linear(1000, 1000).weight
short = (2 / 1000) ** 0.5 / made.std()
claim(f"PyTorch's initial weights are {short:.1f} times too small for ReLU.", 2.3 < short < 2.6)
last_loss = sgd_run.losses[-10:].mean()
claim(f"After 200 steps the loss is {last_loss:.2f}; guessing has 2.30.", abs(last_loss - 2.303) < 0.05)
spread_guess.reveal(
    spread, "The gradient enters at the last layer and loses a part in each layer on its way to the front."
)

# %% [markdown]
# The gradient is to blame. PyTorch's initial weights are more than twice too small for ReLU (He et al. 2015), so each layer passes on less than it gets, on the way back as well. Six layers are enough. The last layer moves, the front layers hardly do, and the network has learned nothing. A rate that moved the slowest layer by one per cent would move the last one by about forty.
#
# ## The same network in other clothes
#
# It can be worse. Take a ReLU network and multiply the weights and biases of its first layer by 8. Its outputs become 8 times as large. Then divide the weights of the second layer by 8. Nobody can see a difference: for every image the network answers as before.
#
# But whoever turns the knobs sees one. The weights of the first layer are 8 times as long now. You want a rate at which the network goes exactly the way that it would have gone.

# %%
rate_guess = predict_choice(
    "12-clothes",
    "First layer × 8, second layer / 8: by what must the rate of the first layer be multiplied?",
    ["1/8", "1: the function is the same", "8", "64"],
)
rate_guess

# %% [markdown] tags=["teacher"]
# "1" comes from those who look at the function, "8" from those who count in per cent and forget the gradient. The gradient is the second half: a weight that counts for less has a shorter gradient. 8 times for the step to be made, 8 times for the gradient that is too short. Whoever says "1/8" thinks of large weights as fragile.

# %% [markdown]
# Before the answer, see how far apart the layers' rates may have to lie. Here is a small network of three layers in such clothes: its initial weights are multiplied by 8, by 1/8 and by 1. Each layer has a slider for its rate, in steps too coarse to read off the factor. Every setting of the three has been trained, and you see the loss at the end, and how many settings yours beats. The sliders begin at the best equal rate that they have. (The row *best equal rate* comes from a finer search.)
#
# **Find rates that beat nine settings out of ten. Can you get below a loss of 0.4?** Then press *show what LARS chose*.

# %% tags=["nbval-ignore-output"]
by_hand = train_layer_rates(rates=(0.001, 0.01, 0.1, 0.5, 2.5, 12, 60), seeds=2, steps=120)
LayerRatesView(by_hand)

# %%
claim("The best equal rate does not get below a loss of 0.8.", by_hand.equal.loss > 0.8)
claim("LARS, which searched for one number only, reaches less than 0.4.", by_hand.lars.loss < 0.4)
front, middle, _ = by_hand.lars_rates[1]  # medians over its steps
claim("Its rate for the first layer is more than 500 times the one for the second.", front > 500 * middle)

# %% [markdown]
# The first layer wants a far larger rate than the second. Two factors meet here. To turn the function as far as before, a layer with weights 8 times as long needs a **step** 8 times as long. And its **gradient** is 8 times as short, since what follows is divided by 8. Together that is 64. In the second layer it is 1/64. Let us check it on three layers from above, exactly.


# %%
def in_other_clothes(model, factors=(8, 8, 1 / 8, 1, 1, 1)):
    """The same function from other weights; a factor for each weight and bias in turn."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for p, c in zip(model.parameters(), factors, strict=True):
            p *= c
    return model


plain, other = network(3), in_other_clothes(network(3))
squares = [64, 64, 1 / 64, 1, 1, 1]
groups = [{"params": [p], "lr": 0.1 * c} for p, c in zip(other.parameters(), squares, strict=True)]

before = train(plain, SGD(plain.parameters(), lr=0.1))
fitted = train(other, SGD(groups))
again = in_other_clothes(network(3))
same_rate = train(again, SGD(again.parameters(), lr=0.1))

claim("The first losses are equal.", (before.losses[0] - same_rate.losses[0]).abs() < 1e-4)
claim("At one rate for all, the two paths part.", (before.losses - same_rate.losses).abs().max() > 0.5)
claim("With rates × 64, / 64 and × 1 they agree.", (before.losses - fitted.losses).abs().max() < 0.01)
rate_guess.reveal("64", "The step must be 8 times as long, and the gradient is 8 times too short: 8 × 8.")

# %% [markdown]
# ## The rule
#
# Now look at what a layer can see of itself: the length of its weights and the length of its gradient. In the first layer the weights are 8 times as long and the gradient is 8 times as short. Their ratio has become 64 times as large. It is the number that we were looking for.
#
# You, Gitman and Ginsburg (2017) multiply each layer's rate by it; today it is called the *trust ratio*. This is **LARS**, layer-wise adaptive rate scaling. At its simplest:
#
# $$ p \leftarrow p - \eta\,\frac{\lVert p\rVert}{\lVert g\rVert}\,g $$
#
# The length of the gradient is gone, and **every layer moves by the same share of itself: by the rate**. All prices rise by one per cent.
#
# The whole rule has weight decay $\lambda$ as well, momentum $\mu$, and a coefficient $\tau$ in front. In code a "layer" is a tensor: weights and biases have a ratio each.
#
# $$ \text{ratio} = \tau\,\frac{\lVert p\rVert}{\lVert g\rVert + \lambda\lVert p\rVert} \qquad b \leftarrow \mu\, b + \text{ratio}\cdot(g + \lambda p) \qquad p \leftarrow p - \eta\, b $$
#
# Where there is nothing to compare, in a layer of zeros or with a gradient of zeros, the ratio is 1. Otherwise a layer that starts at zero would stay there. The decay stands in the ratio because it moves the weights as well; and where the gradient is nearly zero, it keeps the ratio below $1/\lambda$.
#
# PyTorch has no LARS. But it has parameter groups, and if you set their rates by hand before each step, you have it after all.

# %%
ours, theirs = network(3), network(3)
lars = LARS(ours.parameters(), lr=0.01, momentum=0, weight_decay=0.001, trust_coefficient=1)
groups = [{"params": [p]} for p in theirs.parameters()]
torch_sgd = torch.optim.SGD(groups, lr=0.1, weight_decay=0.001)
for x, y in zip(data.x_train.split(64)[:5], data.y_train.split(64)[:5], strict=True):
    for model in (ours, theirs):
        model.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
    for group in torch_sgd.param_groups:
        (p,) = group["params"]
        group["lr"] = 0.01 * p.detach().norm() / (p.grad.norm() + 0.001 * p.detach().norm())
    lars.step()
    torch_sgd.step()
apart = max((a - b).abs().max() for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
claim("Our LARS, and PyTorch's SGD with rates set by hand: the same weights after five steps.", apart < 1e-5)

# %% [markdown]
# Back to the six layers. The left picture is the run from above, the right one is LARS at the rate 0.01, without momentum. **Drag the step through both.** Then choose *gradient* again: what do the gradients do meanwhile?


# %% tags=["nbval-ignore-output"]
def plain_lars(params, lr=0.01):
    """LARS without momentum and decay, with the coefficient 1."""
    return LARS(params, lr=lr, momentum=0, trust_coefficient=1)


model = network(6)
lars_run = train(model, plain_lars(model.parameters()))
InspectorView([sgd_run.recording, lars_run.recording], names=["SGD", "LARS"], title="Six layers", at_step=50)

# %%
shares, lengths = (lars_run.recording[name] for name in ("relative_update", "grad_norm"))
claim("Each layer, at each step: 0.01 of itself.", ((shares - 0.01).abs() < 1e-4).all())
claim("The gradient of layer 2 grows more than 30 times.", lengths[1, -1] > 30 * lengths[1, 0])
outputs = [net(data.x_train).std(0).mean() for net in (network(6), model)]
claim("In the end the images' outputs differ more than 100 times as much.", outputs[1] > 100 * outputs[0])
last_loss = lars_run.losses[-10:].mean()
claim("LARS ends below a loss of 1.8.", last_loss < 1.8)

paths = [
    train(model, plain_lars(model.parameters())).losses
    for model in (network(3), in_other_clothes(network(3)))
]
claim("In other clothes LARS goes the same way.", (paths[0] - paths[1]).abs().max() < 0.001)

# %% [markdown]
# One colour: this is what LARS does, and all that it does. It has not made the gradients equal, though they have come closer. They have even grown a lot, because layers that have moved pass on more. It has stopped listening to their length. And in other clothes LARS goes the same way, while SGD went another. (Weight decay breaks this a little: it adds a share of the weights to the gradient, and the two no longer scale alike.)
#
# There is a price. Near a minimum gradients become short, and SGD's steps with them. A layer under LARS moves by the same share as before. Here are three layers once more, with all images in each step, so that nothing is left to chance. **What does that do to the end of LARS's loss curve, and how much of it does a schedule mend?**

# %% tags=["nbval-ignore-output"]
every_image = [(data.x_train, data.y_train)]
ends = {}
for name, optimizer, lr, schedule in [
    ("SGD", SGD, 0.3, None),
    ("LARS", plain_lars, 0.06, None),
    ("LARS + Cosine", plain_lars, 0.06, Cosine(400)),
]:
    model = network(3)
    run = fit(model, optimizer(model.parameters(), lr=lr), every_image, steps=400, schedule=schedule)
    ends[name] = run.losses
CurvesView(ends, y="loss", log=True, title="Three layers, all images", at=399)

# %%
ends = {name: losses[200:] for name, losses in ends.items()}
rises = {name: 100 * (losses.diff() > 0).float().mean() for name, losses in ends.items()}

claim("SGD's loss rises in fewer than 5% of the last 200 steps.", rises["SGD"] < 5)
claim("That of LARS rises in more than 30% of them.", rises["LARS"] > 30)
claim(
    "With a cosine LARS ends at less than a third of its loss without.",
    ends["LARS + Cosine"][-1] < ends["LARS"][-10:].mean() / 3,
)

# %% [markdown]
# LARS has no brake of its own. So **it needs a schedule** to come to rest, also where plain SGD does so by itself. You, Gitman and Ginsburg (2017) trained with one.
#
# ## Scale the gradient or scale the rate?
#
# In the formula of this course, $p \leftarrow p - \text{lr}\cdot\text{scale}\cdot\text{direction}(\text{clip}(g))$, there are two places for a factor of a layer: before the direction, on the gradient, or behind it, on the rate. For SGD the direction is the gradient, and both are the same. Here are both: as a `clip`, and as a `scale`.


# %%
def on_gradient(grads, params):
    """A clip that multiplies each layer's gradient by its trust ratio."""
    return [trust_ratio(p, g) * g for p, g in zip(params, grads, strict=True)]


on_rate = by_trust_ratio()
sgd_runs = []
for place in ({"clip": on_gradient}, {"scale": on_rate}):
    model = network(6)
    sgd_runs.append(train(model, SGD(model.parameters(), lr=0.01, **place)))
claim("SGD: both go the same way.", (sgd_runs[0].losses - sgd_runs[1].losses).abs().max() < 0.001)

# %% [markdown]
# Now Adam, which divides each gradient by its usual size. The trust ratios here are not small numbers: at the start they reach from about 16 in the last layer to several hundred in the front. What becomes of Adam's steps, if the gradients are multiplied by them first?

# %%
adam_guess = predict_choice(
    "12-adam",
    "Adam gets gradients that were multiplied by the trust ratio. What do its steps look like?",
    [
        "a single colour: every layer moves by exactly the same share, as in LARS",
        "about as long as plain Adam's, layer by layer",
        "hundreds of times as long as plain Adam's",
    ],
)
adam_guess

# %% [markdown] tags=["teacher"]
# Most say "the same share", since it was so a minute ago with SGD. Those who did lesson 10 may remember that a factor before Adam cancels. Ask what would happen if the factor changed wildly from step to step: then it would not cancel, because the size that Adam divides by is an average over the past.

# %% [markdown]
# **Compare the rows of both pictures, and walk through the steps.** Then choose *gradient ‖g‖ after clipping* from the list (the ratio stands in the place of a clip), and step 0: this is what Adam was given on the left and on the right.

# %% tags=["nbval-ignore-output"]
adam_runs = []
for place in ({}, {"clip": on_gradient}, {"scale": on_rate}):
    model = network(6)
    adam_runs.append(train(model, Adam(model.parameters(), lr=0.005, **place)))
plain_adam, scaled_gradient, scaled_rate = (run.recording for run in adam_runs)
pair = [plain_adam, scaled_gradient]
InspectorView(pair, names=["Adam", "gradient × ratio, then Adam"], title="Six layers", at_step=0)

# %%
given = (scaled_gradient["clipped_norm"] / plain_adam["clipped_norm"])[:, 0]
change = scaled_gradient["relative_update"] / plain_adam["relative_update"]
shares = scaled_rate["relative_update"]
claim(f"At step 0 the gradients are {given.min():.0f} to {given.max():.0f} times as long.", given.max() > 200)
claim("Adam's first step changes by less than 1%.", (change[:, 0] - 1).abs().max() < 0.01)
claim("Later on, half of all these shares are within 30% of plain Adam's.", (change - 1).abs().median() < 0.3)
claim(
    "With the ratio on the rate each layer moves by 0.005 of itself.", ((shares - 0.005).abs() < 1e-4).all()
)
adam_guess.reveal(
    "about as long as plain Adam's, layer by layer",
    "Adam divides each gradient by its usual size, and the ratio is divided away with it.",
)

# %% [markdown]
# Adam divides the factor away. (In lesson 10 it does the same with the limit of a clip.) Not quite: the ratio changes as the layers learn, and Adam's memory is slower. On the rate it does what it does in LARS: each layer moves by one share of itself. So with Adam the ratio belongs on the rate, and is taken of Adam's own direction. That is LAMB (You et al. 2020).
#
# ## Four ways to a rate
#
# Clipping, schedules, Adam and LARS are all said to "adapt the rate". They look at different things.
#
# | | looks at | one factor for | can it make a step longer? |
# |---|---|---|---|
# | clip by global norm | the gradient, when it is too long | the whole network | no |
# | schedule | the number of the step | the whole network | yes, if you say so |
# | Adam | the usual size of each weight's gradient | each weight | yes |
# | LARS | a layer's weights and gradient | each layer | yes |
#
# So LARS is no clip: it stretches short gradients as well. There is a variant in between, called LARC: it takes a share of $\lVert p\rVert / \lVert g\rVert$ or your own rate, whichever is smaller. It only ever brakes. You will write it below.
#
# ## Real digits, fairly raced
#
# LARS became famous for very large batches, with few steps. So we race twice: with batches of 128, and with all images in each step. **Both get 40 passes over the images**, because images are what a machine has to read. That makes 280 small steps or 40 large ones. Each contestant has nine seeds and seven rates. Three of the seeds choose its best rate, on images held back, and six judge it.
#
# LARS runs with a coefficient of 1, so that its rate is a share. That makes its rates small, and it gets a grid of its own, as Adam does. It has a schedule, since it needs one.


# %%
lars_method = replace(METHODS["LARS"], settings={"trust_coefficient": 1.0})
lowest = {"small": (-6, -9, -10), "large": (-5, -8, -8)}  # powers of 2 at which the grids begin


def run_race(batches, factors=(1, 1, 1)):
    """Five contestants on 40 passes; the initial weights of the three layers are multiplied by the factors."""
    batch_size, steps = (128, 280) if batches == "small" else (997, 40)
    task = digits_task(seeds=9, steps=steps, batch_size=batch_size, hidden=(16, 16), valid=300)
    first = [p * factors[i // 2] for i, p in enumerate(task.first)]
    m, a, own = (2.0 ** torch.arange(k, k + 7) for k in lowest[batches])
    contestants = [
        Contestant("Momentum", lr=m),
        Contestant("Momentum", clip=by_global_norm(1.0), lr=m),
        Contestant("Momentum", schedule=Cosine(steps), lr=m),
        Contestant("Adam", lr=a),
        Contestant(lars_method, schedule=Cosine(steps), lr=own),
    ]
    return race(contestants, lr=m, task=task._replace(first=first), checkpoints=1)


# %%
race_guess = predict_choice(
    "12-race",
    "Usual initial weights, all images in each step: how far is LARS + Cosine from momentum with a clip?",
    ["more than 5 points ahead", "less than 5 points apart", "more than 5 points behind"],
)
race_guess

# %% [markdown] tags=["teacher"]
# "More than 5 points ahead" is what everybody has read. It does not come true here, at either batch size. Let the class say what would have to be different: layers whose ratios differ. That is the next race. We raced six layers of 32 units, with initial weights as small as PyTorch's, outside of the lesson. In 600 steps at batch 32 LARS with a cosine and Adam both got about 95%. In 40 steps with all images Adam got about 80%, LARS 60%, and momentum 20%.

# %% [markdown]
# Each dot is a seed. The scale is stretched to the right, where a point is worth more. The picture begins with three of the five; the clip is the one *by global norm*. **By how much do the seeds of one contestant differ, and by how much do the contestants?** Then show momentum alone and momentum with a schedule as well.

# %% tags=["nbval-ignore-output"]
# This is one of the two longest runs of the lesson.
tidy = {batches: run_race(batches) for batches in ("small", "large")}
names = tidy["large"].names
clipped, lars_cosine = names[1], names[4]
three = [clipped, "Adam", lars_cosine]
RaceView(tidy["large"], title="Usual initial weights, all images in each step", shown=three)


# %%
def accuracy(result):
    """Test accuracy in per cent, median over seeds, each contestant at its own best rate."""
    return {place.name: 100 * place.accuracy for place in result.table().places}


small, large = (accuracy(tidy[batches]) for batches in ("small", "large"))
peaks = {place.name: place.lr for place in tidy["large"].table().places}
claim("Batches of 128: all five within 4 points.", max(small.values()) - min(small.values()) < 4)
apart = max(abs(large[lars_cosine] - large[name]) for name in (clipped, "Adam"))
claim("All images: LARS + Cosine is less than 4 points from Adam and from momentum with a clip.", apart < 4)
claim(
    "All images: a cosine costs momentum more than 2 points, and it takes no higher peak than without.",
    large[names[2]] < large[names[0]] - 2 and peaks[names[2]] <= 2 * peaks[names[0]],
)
race_guess.reveal(
    "less than 5 points apart",
    "With usual initial weights the three layers' ratios are alike, and one rate does for all.",
)

# %% [markdown]
# No victory. A row has a colour only if it beats all others from every seed. None of the three beats another one from all six seeds that judge. (With all five shown LARS may lead: it then beats momentum with a schedule. With all images in each step there is no noise that a falling rate could still, and at half the rate on average 40 steps get less far.) Which of them stands first is chance: with other seeds, or on another processor, it may be another one. Where a network has usual initial weights and three layers, LARS is as good as the others and no better. Nado et al. (2021) found the same in the large: with well-chosen settings, ordinary momentum and Adam reach what LARS and LAMB had been praised for.
#
# Now the other clothes, with the initial weights times 8, 1/8 and 1. Before the first step these networks answer exactly as those before. **Compare the rows with those above: what do a clip and a schedule do for momentum now?**

# %% tags=["nbval-ignore-output"]
# This is the other one.
untidy = {batches: run_race(batches, (8, 1 / 8, 1)) for batches in ("small", "large")}
RaceView(untidy["large"], title="First weights × 8, 1/8 and 1, all images in each step")

# %% [markdown]
# The same with batches of 128. It has been run already. **Which rows have come closer?**

# %% tags=["nbval-ignore-output"]
RaceView(untidy["small"], title="First weights × 8, 1/8 and 1, batches of 128")

# %%
small_2, large_2 = (accuracy(untidy[batches]) for batches in ("small", "large"))
momentum = names[:3]  # plain, with a clip, with a schedule
lead_small, lead_large = (
    right[lars_cosine] - max(right[name] for name in momentum) for right in (small_2, large_2)
)
lost_small, lost_large = (
    usual[names[0]] - scaled[names[0]] for usual, scaled in ((small, small_2), (large, large_2))
)

claim("LARS + Cosine changes by less than 4 points.", abs(large_2[lars_cosine] - large[lars_cosine]) < 4)
claim(
    "Plain momentum loses more than 8 points; with batches of 128 it loses less.",
    lost_large > 8 and lost_large > lost_small,
)
plain, clip, schedule = (large_2[name] for name in momentum)
claim(
    "All images: the clip gains plain momentum more than 2 points, the schedule costs it more than 5.",
    clip > plain + 2 and schedule < plain - 5,
)
claim("LARS + Cosine is more than 5 points ahead of momentum, plain, with clip or schedule.", lead_large > 5)
claim("Batches of 128: it is ahead of these three as well, by more than 1.", lead_small > 1)
claim("All images: Adam stays within 8 points of it.", large_2[lars_cosine] - large_2["Adam"] < 8)

# %% [markdown]
# Now LARS is worth its name. With all images the clip gains momentum a few points, and the schedule takes more than five away. Neither can mend what is wrong, since both have one factor for the whole network. Adam helps itself a good way: it divides by the gradient's size, though it does not know the size of the weights. And the large batch makes everything worse, because 40 steps leave no time in which a slow layer might catch up.
#
# **LARS pays** when the ratios of the layers differ much, and the more so the fewer the steps: bad initial weights, deep networks without normalisation. A large batch alone was not enough here. **It gives little** when the ratios are alike: few layers, good initial weights, plenty of steps. (Norm layers should make them alike as well; we have not tested that here.) And let Adam run beside it: here it got most of what LARS got.
#
# You need not guess how much the ratios differ. Record your own model with your own optimizer, and choose *trust ratio* from the list:
#
# ```python
# from lwlr_teach.runs.recorder import Recorder
#
# with Recorder(model, optimizer) as recorder:
#     ...  # train as always, a few hundred steps
# InspectorView(recorder.recording, quantity="trust_ratio")
# ```
#
# ## Exercise
#
# The rule, and its careful sibling. Under each check there are hints, and a solution.


# %%
def layer_ratio(p, g, weight_decay):
    """The trust ratio of a layer with weights p and gradient g (tensors), for a coefficient of 1."""
    ### BEGIN SOLUTION
    if p.norm() == 0 or g.norm() == 0:
        return 1.0
    return p.norm() / (g.norm() + weight_decay * p.norm())
    ### END SOLUTION


check("12-trust-ratio", layer_ratio)

# %% [markdown]
# LARC: a layer's rate is the coefficient times ‖p‖ / ‖g‖, but never more than the rate `lr` that you would have used without it. In LARS that product is multiplied by the rate as well; here it is not, since the rate is the limit.


# %%
def larc_rate(p_norm, g_norm, lr, coefficient):
    """The rate of a layer under LARC; all four are positive numbers."""
    ### BEGIN SOLUTION
    return min(coefficient * p_norm / g_norm, lr)
    ### END SOLUTION


check("12-larc", larc_rate)

# %% [markdown]
# ## In your own words

# %%
explain("12-explain")

# %% [markdown]
# ## What to keep
#
# 1. What counts for a layer is its step in per cent of its weights, and at one rate for all these shares can differ many times over.
# 2. LARS multiplies each layer's rate by ‖p‖ / ‖g‖, so that every layer moves by the same share and the scale of weights and gradients no longer matters.
# 3. It pays when the layers' ratios differ much and gives little when they are alike, it needs a schedule, and before Adam its factor is divided away.
#
# **Where libraries disagree.** The paper and optax put the rate inside the momentum; timm, NVIDIA's apex and this package put it outside, which is the same while the rate is constant. Optax takes the norm of gradient plus decay in place of the sum of two norms. timm does not adapt at all where the decay is 0. Most scripts spare biases and the gains of norm layers (`exclude_1d=True` here). The default coefficient is 0.001 in the paper and 0.02 in apex, whose LARC clips unless told otherwise.
#
# **Sources.** You, Gitman and Ginsburg (2017), *Large batch training of convolutional networks*: LARS, with a table of ratios. You et al. (2020), *Large batch optimization for deep learning*: LAMB. Nado et al. (2021), *A large batch optimizer reality check*: plain methods do as well. Neyshabur et al. (2015), *Path-SGD*: the same network in other clothes. He et al. (2015), *Delving deep into rectifiers*: initial weights for ReLU.
