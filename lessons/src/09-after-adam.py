# %% [markdown]
# # 9 · What came next?
#
# | | |
# |---|---|
# | **Question** | A paper says that its method beats Adam. What was it made for, and what is left of it in a fair race? |
# | **Afterwards you can** | say of RAdam, Lookahead, Adam-mini, Adafactor, Lion and Muon what each is for, what was measured and what it keeps; write Lion; read a table of results |
# | **Time** | 50 minutes |
# | **You need** | lessons 7 and 8 |
# | **Difficulty** | ●●● |
#
# Since Kingma and Ba (2015) hundreds of methods have been proposed to replace Adam. Here are those that you will meet. For most of them we look at the case that it was made for, and at one where it does not help.

# %%
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lwlr_teach.core.text import table
from lwlr_teach.optim import METHODS, Adafactor, Adam, AdamMini, Lookahead, Method, Muon, RAdam
from lwlr_teach.problems import best_rate, best_settings, digits_task, steps_per_digit, worst_factor
from lwlr_teach.runs import Contestant, exponential_rates, operations, race, time_ratios
from lwlr_teach.schedules import Chained, Polynomial, Warmup
from lwlr_teach.studies import (
    equally_fast,
    first_steps,
    kept,
    lookahead_factor,
    lookahead_floor,
    noise_floor,
    published,
    rectifier,
    remember,
)
from lwlr_teach.teaching import ask, begin, check, claim, explain, predict_choice, recall, yours
from lwlr_teach.views import CurvesView, SurfaceView

begin("09-after-adam")

# %%
recall("09-after-adam")

# %% [markdown]
# ## The ladder
#
# Adam remembers two numbers for each weight: where the gradients lead, and how large they are. Must it be so many? The methods stand on a ladder. SGD has no sizes. **NovoGrad** has one for each tensor, **Adam-mini** one for each row of a matrix, **Adafactor** one for each row and each column of a matrix, Adam one for each weight.
#
# We let each of them take a step on a small network, and count what it keeps.

# %%
shapes = [(64, 64), (64,), (64, 64), (64,), (10, 64), (10,)]
mini = Method("Adam-mini", AdamMini, {"block_axes": 1})
methods = METHODS | {"Adam-mini": mini}
ladder = ["SGD", "Momentum", "Lion", "NovoGrad", "Adam-mini", "Adafactor", "Adam"]
state = {name: kept(methods[name], shapes) for name in ladder}
rows = [
    (name, f"{s.direction:.0f}", f"{s.size:.4f}", f"{s.direction + s.size:.2f}") for name, s in state.items()
]
print(table([("numbers for each weight", "directions", "sizes", "together"), *rows]))

# %%
claim(
    "Adam keeps one size for each weight, and one direction.",
    state["Adam"].size == state["Adam"].direction == 1,
)
claim(
    "NovoGrad: one size for a tensor, fewer than one for a thousand weights.",
    0 < state["NovoGrad"].size < 1e-3,
)
claim(
    "Lion keeps directions only: half of Adam's memory.",
    state["Lion"].direction == 1 and state["Lion"].size == 0,
)
sizes = [state[name].size for name in ladder[2:]]
claim("The ladder goes up: each rung keeps more sizes than the one below.", sizes == sorted(set(sizes)))
claim("Adafactor keeps no directions.", state["Adafactor"].direction == 0)

# %% [markdown]
# The rungs count sizes. A direction costs as much as a size, and Adafactor does without it.
#
# One reads that adaptive methods are too slow for production. All of these need one gradient a step, as SGD does. The rest can be counted. The gradient of a batch of 64 images costs some hundreds of operations for each weight. Adam's formula costs about ten. A large model is bound by the memory that Adam fills, and that is what the ladder is for.

# %%
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
images = torch.randn(64, 64)
with FlopCounterMode(display=False) as counter:
    model(images).sum().backward()
gradient = counter.get_total_flops() / sum(p.numel() for p in model.parameters())
optimizers = {name: methods[name](model.parameters()) for name in ladder}
optimizers["Adam"].step()
update = operations(optimizers["Adam"].step) / len(shapes)
claim("A gradient costs more than 250 operations a weight.", gradient > 250)
claim("Adam's step costs fewer than 20.", update < 20)

# %% [markdown]
# In small networks most time goes into starting operations, and not into doing them. So times look different. Here is how long a step takes, gradient included, if a step of SGD takes 1.

# %% tags=["nbval-ignore-output"]


def training(name):
    """A whole step with this method: the gradient, and the move."""

    def step():
        model(images).sum().backward()
        optimizers[name].step()

    return step


for name in ladder[1:]:
    print(f"{name:9} {time_ratios(training(name), training('SGD')).median():.1f}")

# %% [markdown]
# ## RAdam: the first steps
#
# After one step Adam's $\sqrt{\hat v}$ rests on a single gradient. If that one happened to be tiny, $1/\sqrt{\hat v}$ is huge. Liu et al. (2020) see in this the reason why Adam needs a warm-up. Below are the scales of 20,000 weights whose gradients are noise of size 1. The scale should be 1. **How large is it in a large case, the upper curve, at steps 1, 5 and 50?**

# %%
first = first_steps(100)
cases = dict(zip(["5% are below", "half are below", "95% are below"], first.scale, strict=True))
CurvesView(cases, y="1/√v̂", first=1, log=True, title="Adam's scale", at=1)

# %%
upper = first.scale[2]
claim("At step 1 a scale in twenty is above 15.", upper[0] > 15)
claim("At step 5: above 2. At step 50: below 1.3.", 2 < upper[4] < 2.2 and upper[49] < 1.3)

# %% [markdown]
# **RAdam** multiplies Adam's step by a factor $r_t$ that grows from nearly 0 to 1. It knows nothing of your gradients: it follows from $t$ and $\beta_2$ alone. In the first steps, four in the paper and five in PyTorch and here, RAdam does not divide at all, and steps by $\eta\,\hat m$.

# %%
first_guess = predict_choice(
    "09-first-step",
    "The rate is 0.01, and the first gradient is 1,000. How long is RAdam's first step?",
    ["0.01, as Adam's", "about 0.0003: it starts carefully", "10"],
)
first_guess

# %% [markdown] tags=["teacher"]
# “It starts carefully” is what the name promises. Ask what “does not divide” leaves of Adam's formula in step 1.

# %%
# The factor, which PyTorch and we use from step 6 on.
CurvesView({"r": rectifier(2000)}, y="factor", first=1, title="RAdam's factor", at=100)


# %%
def walk(make, grads, lr=0.01):
    """How far one weight moves in each step, for given gradients."""
    p, moves = torch.zeros(1, dtype=torch.float64), []
    optimizer = make([p], lr=lr)
    for grad in grads:
        before, p.grad = p.clone(), grad.reshape(1)
        optimizer.step()
        moves.append((p - before).item())
    return torch.tensor(moves, dtype=torch.float64)


steep = torch.full((10,), 1000.0, dtype=torch.float64)
claim("RAdam's first step is 10.", abs(walk(RAdam, steep)[0] + 10) < 1e-9)
claim("PyTorch's is, too.", abs(walk(torch.optim.RAdam, steep)[0] + 10) < 1e-9)
claim("Adam's is 0.01.", abs(walk(Adam, steep)[0] + 0.01) < 1e-9)
r = rectifier(1000)
claim(
    "The factor is 0.026 at step 6, 0.22 at 100, 0.65 at 1,000.",
    abs(r[[5, 99, 999]] - torch.tensor([0.0258, 0.2153, 0.6453])).max() < 1e-3,
)
first_guess.reveal(
    "10",
    "Without the division the step is η times the average gradient: Momentum's step, at Adam's rate.",
)

# %%
claim("Ten such gradients: the five first steps are 10 each.", abs(walk(RAdam, steep)[:5].sum() + 50) < 1e-9)
rho = {t: 2 / (1 - 0.999) - 1 - 2 * t * 0.999**t / (1 - 0.999**t) for t in (4, 5, 6)}
claim("The paper's ρ is above 4 from step 5 on, above 5 from step 6 on.", rho[4] < 4 < rho[5] < 5 < rho[6])
noise = torch.randn(300, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
rectified, plain = walk(RAdam, noise)[5:], walk(Adam, noise)[5:]
claim(
    "From step 6 on RAdam's step is Adam's times r, exactly.",
    (rectified - rectifier(300)[5:] * plain).abs().max() < 1e-9,
)
claim("Adam's own step is 1 rate long at first.", abs(first.adam[0] - 1) < 1e-9)
claim("In noise it is below 0.25 in the end.", 0.2 < first.adam[-1] < 0.25)

# %% [markdown]
# So RAdam *is* Adam with a warm-up, given by a formula, and a start that you should look at when gradients are large. Its reason is doubtful, too. A tiny first gradient makes the scale huge, but the step is that same gradient times the scale: never longer than the rate. What is special at first is that nothing has been averaged yet. Ma and Yarats (2021) say so, and found a plain linear warm-up over $2/(1-\beta_2)$ steps as good.
#
# ## Lookahead: slow weights
#
# Send a scout five steps ahead, then follow half of the way, and let the scout start again from there. That is **Lookahead** (Zhang et al. 2019), around any optimizer:
#
# $$ \text{every } k \text{ steps:}\quad \varphi \leftarrow \varphi + \alpha\,(p-\varphi), \qquad p \leftarrow \varphi $$
#
# Its promise is less noise. In a bowl of curvature 1 with noise of size 1, both can be worked out. At a rate of 0.5 Lookahead's variance is 0.34 of SGD's. But it is slower, too. A smaller rate also gives less noise, and is slower.

# %%
claim("At 0.5: 0.34 of SGD's variance.", abs(lookahead_floor(0.5) / noise_floor(0.5) - 0.34) < 0.005)
look_guess = predict_choice(
    "09-lookahead",
    "SGD gets a smaller rate, so that it is as slow as Lookahead. Which of the two has the lower variance?",
    ["Lookahead, clearly", "they are equal at every rate", "SGD, unless the rate is small"],
)
look_guess

# %% [markdown] tags=["teacher"]
# Averaging feels like getting something for nothing. Ask how the scout's noise of one trip compares with that of five short steps of one's own.

# %% [markdown]
# **Compare the two lower curves at 0.02 and at 0.5.**

# %%
rates = exponential_rates(0.01, 1, 41).double()
floors = {
    "SGD": noise_floor(rates),
    "Lookahead around it": lookahead_floor(rates),
    "SGD, as slow as Lookahead": noise_floor(equally_fast(rates)),
}
CurvesView(floors, y="variance", x="rate", over=rates.tolist(), log=True, title="Noise in a bowl", at=0.02)

# %%
ratio = lookahead_floor(rates) / noise_floor(equally_fast(rates))
claim("At no rate is Lookahead's variance lower.", (ratio > 1).all())
claim("Below a rate of 0.05 the two differ by less than 1%.", (ratio[rates < 0.05] < 1.01).all())
claim(
    "At 0.5 it is more than 1.5 times as large.", lookahead_floor(0.5) / noise_floor(equally_fast(0.5)) > 1.5
)
look_guess.reveal(
    "SGD, unless the rate is small",
    "A scout who takes large steps brings home the noise of the last two. Five small steps average the noise of five.",
)

# %% [markdown]
# That was one direction and no momentum. In a valley with κ = 100 and too much momentum, averaging calms the swing. There it helps:

# %%
lam, tried = torch.logspace(-2, 0, 41).double(), exponential_rates(0.003, 4, 120).double()


def steps_a_digit(beta, k=5, alpha=0.5):
    """How many steps bring the heavy ball ten times closer, inside Lookahead, at its best rate."""
    return steps_per_digit(lookahead_factor(tried, beta, lam, k, alpha).amax(1).min()).item()


right = best_settings(0.01, 1).momentum
heavy, calmed = steps_a_digit(0.99, alpha=1.0), steps_a_digit(0.99)
print("Steps that bring the heavy ball ten times closer:")
claim(f"With β = 0.99: {heavy:.0f}, with Lookahead {calmed:.0f}.", calmed < 0.8 * heavy)
alone, slowed = steps_a_digit(right, alpha=1.0), steps_a_digit(right)
claim(f"With the best β, {right:.2f}: {alone:.0f}, with Lookahead {slowed:.0f}.", slowed > 3 * alone)

# %% [markdown]
# So Lookahead mends a momentum that is too large. To choose the right one mends more.
#
# **Ranger** (Wright 2019) is RAdam inside Lookahead, on gradients whose mean is taken away. On a network there are two ways to get rid of noise: slow weights, or a rate that falls. The digits, in batches of 16, each with its own best rate; three seeds choose, five judge.

# %% tags=["nbval-ignore-output"]
# This takes about fifteen seconds.
falling = Polynomial(300)
slow = Method("Lookahead", lambda params, lr=1e-3, **more: Lookahead(Adam(params, lr=lr, **more)))
contestants = [
    "Adam",
    slow,
    Contestant("Adam", falling, name="Adam, falling"),
    Contestant(slow, falling, name="Lookahead, falling"),
    Contestant("Adam", Chained([Warmup(100, 0.01), falling]), name="Adam, warm-up, falling"),
    Contestant("RAdam", falling, name="RAdam, falling"),
    Contestant("Ranger", falling, name="Ranger, falling"),
]
setting = dict(seeds=8, steps=300, batch_size=16, valid=300)
runs = race(contestants, lr=exponential_rates(0.01, 2, 8), task=digits_task(**setting), checkpoints=1)


def losses(runs):
    """The mean loss of the judges at each rate (contestant, rate), and each contestant's own."""
    loss = runs.valid_loss[:, :, 3:, -1].mean(-1)
    return loss, loss.gather(1, runs.best[:, -1:]).squeeze(1)


loss, own = losses(runs)
for name, value in zip(runs.names, own, strict=True):
    print(f"{name:24} {value:.2f}")

# %%
claim("A falling rate lowers Adam's loss.", own[2] < 0.95 * own[0])
claim("With a falling rate Lookahead around Adam brings nothing more.", own[3] > 0.9 * own[2])
claim(
    "The four others that fall end within a factor of 1.7.",
    own[[2, 4, 5, 6]].max() < 1.7 * own[[2, 4, 5, 6]].min(),
)
claim("At a rate of 0.45 Adam's loss is more than four times RAdam's.", loss[2, 5] > 4 * loss[5, 5])
own_rate = runs.lr.gather(1, runs.best[:, -1:]).squeeze(1)
claim("RAdam's best rate is more than three times Adam's.", own_rate[5] > 3 * own_rate[2])

# %% [markdown]
# What Lookahead gives to a constant rate, a falling one gives as well, and both together are no better. Warm-up, RAdam and Ranger end close to an Adam whose rate falls. RAdam forgives a large rate, since in so short a run its factor stays below 0.4. Its best rate is a larger number for the same steps.

# %%
claim("After 300 steps RAdam's factor is below 0.4.", rectifier(300)[-1] < 0.4)

# %% [markdown]
# ## One rate for a block
#
# Back to the ladder. When does one size do for many weights? Zhang et al. (2024), the authors of Adam-mini, have a striking case. A bowl has nine curvatures in three blocks. Once they stand as 1, 2, 3 · 99, 100, 101 · 4998, 4999, 5000. Once each block has one of each kind. Gradient descent has the best single rate, or the best rate for each block, and we count the steps to a millionth. By formula, as in lesson 2:

# %%
blocks = torch.tensor([[1, 2, 3], [99, 100, 101], [4998, 4999, 5000]]).double()


def steps(blocks):
    """Steps until the slowest block is a million times closer, each block at its own best rate."""
    low, high = blocks.amin(1), blocks.amax(1)
    return (6 * steps_per_digit(worst_factor(best_rate(low, high), 0, low, high))).max().ceil().item()


counts = steps(blocks.reshape(1, 9)), steps(blocks), steps(blocks.T)
print(counts)
claim("One rate: 34,539 steps. A rate for each block: 20.", counts[:2] == (34539, 20))
claim("The same numbers, dealt across the blocks: 34,525.", counts[2] == 34525)

# %% [markdown]
# A rate for a block is worth all or nothing. It helps where blocks differ and the inside of each is even. Whether the layers of a network are like that must be tried.
#
# ## A real network
#
# The rungs of the ladder on the digits, with a rate that falls, each at its own best rate. **NovoGrad** (Ginsburg et al. 2019) is the oldest of them: it divides the gradient of each tensor by its length, and averages what comes out.

# %% tags=["nbval-ignore-output"]
# This takes about ten seconds.
rungs = ["Momentum", "NovoGrad", "Adam-mini", "Adafactor", "Adam", "Lion"]
steps_up = [Contestant(methods[name], falling, name=name) for name in rungs]
climbed = race(steps_up, lr=exponential_rates(0.001, 1, 10), task=digits_task(**setting), checkpoints=1)
for place in climbed.table().places:
    print(f"{place.name:9} rate {place.lr:<7.2g} {place.accuracy:.1%} right")

# %%
rung_loss, rung_own = losses(climbed)
claim("Each at its own best rate, all end within a factor of 2.", rung_own.max() < 2 * rung_own.min())
accuracy = [place.accuracy for place in climbed.table().places]
claim("On the test images they are less than 5 points apart.", max(accuracy) - min(accuracy) < 0.05)
rung_rate = climbed.lr.gather(1, climbed.best[:, -1:]).squeeze(1)
claim("Lion's best rate is at most a third of Adam's.", rung_rate[-1] < 0.34 * rung_rate[-2])

# %% [markdown]
# On a network as small as this, the lower rungs lose little. What they save is memory. Whether they lose little on yours, a race must tell.
#
# **Adafactor** (Shazeer and Stern 2018) does one thing more. Its rate is relative to the size of the layer: a matrix moves by a share of its own root mean square. So layers of any scale can have one rate. A bias that begins at 0 has no size to take a share of, and is given 0.001 instead: it creeps at first.


# %%
def adafactor_step(make, start):
    """How far one step at rate 0.01 moves a parameter that has this value everywhere (root mean square)."""
    p = nn.Parameter(torch.full((8, 8), start))
    p.grad = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    before = p.detach().clone()
    make([p], lr=0.01).step()
    return (p.detach() - before).square().mean().sqrt().item()


# %%
ours, theirs = (
    [adafactor_step(made, start) for start in (2.0, 0.0)] for made in (Adafactor, torch.optim.Adafactor)
)
claim("A matrix of size 2 moves by 0.02, within a hundredth.", abs(ours[0] - 0.02) < 2e-4)
claim("A parameter that is 0 moves by 0.00001, within a hundredth.", abs(ours[1] - 1e-5) < 1e-7)
claim(
    "PyTorch's Adafactor takes the same steps.",
    all(abs(a / b - 1) < 1e-3 for a, b in zip(ours, theirs, strict=True)),
)

# %% [markdown]
# ## The rule
#
# **Lion** (Chen et al. 2023) is the shortest rule of this lesson, and you will write it. It was found by a search over programs. It blends the new gradient into its average and takes the sign of that:
#
# $$ c = \beta_1 m + (1-\beta_1)\,g, \qquad p \leftarrow p - \eta\,(\operatorname{sign}(c) + \lambda p), \qquad m \leftarrow \beta_2 m + (1-\beta_2)\,g $$
#
# Every weight moves by exactly one rate, up or down, whatever its gradients are. Adam's step in noise is a quarter of that. So Chen et al. (2023) advise rates 3 to 10 times smaller than Adam's.

# %%
lion = walk(METHODS["Lion"], noise).abs()
claim("Each of Lion's 300 steps is 0.01 long.", (lion - 0.01).abs().max() < 1e-9)
theirs = walk(torch.optim.Adam, steep)
claim(
    "If the gradient never changes, PyTorch's Adam takes the same steps.",
    (walk(METHODS["Lion"], steep) - theirs).abs().max() < 1e-6,
)
claim("Adam's are 0.0023 long in the end, as a root of the mean square.", abs(first.adam[-1] - 0.23) < 0.01)

# %% [markdown]
# Here is a bowl without any noise, at a constant rate of 0.01. **Which curve stops falling, and at what distance?**


# %%
def down(name, steps=400):
    """The distance from the bottom of a bowl after each step, from 0.997."""
    p, way = torch.tensor([0.997], dtype=torch.float64), []
    optimizer = METHODS[name]([p], lr=0.01)
    for _ in range(steps):
        p.grad = p.clone()
        optimizer.step()
        way.append(p.abs().item())
    return torch.tensor(way)


ways = {name: down(name) for name in ("SGD", "Adam", "Lion")}
CurvesView(ways, y="distance", first=1, log=True, title="A bowl without noise", at=300)

# %%
claim("Lion is still more than 0.005 away within the last 50 steps.", ways["Lion"][-50:].max() > 0.005)
there = int((ways["Lion"] < 0.01).int().argmax())
claim("It was first below 0.01, and then swung back to more than 0.3.", ways["Lion"][there:].max() > 0.3)
claim("Adam's is below 0.001 there.", ways["Adam"][-50:].max() < 0.001)

# %% [markdown]
# What is made to use every step fully cannot make a small one. Lion first swings far across the bottom, because its average forgets slowly, and then walks to and fro over it until the rate falls. It needs a schedule more than the others do.
#
# ## Muon: rare things
#
# **Muon** (Jordan et al. 2024) looks at a matrix as a whole. A gradient is a matrix, too, and has directions that are strong in it and others that are weak: its singular values say how strong. Muon's step has the same directions, all made about equally strong (lesson 15). Biases, embeddings and the last layer are left to Adam.
#
# The case for it is a matrix that has to remember. $W$ has to answer eight keys with eight values, all at right angles to each other. The $i$-th item comes with a frequency $\propto 1/i^2$, so the first is met 64 times as often as the last. Then the gradient is a sum of eight directions that are as unequal as that.

# %%
rare_guess = predict_choice(
    "09-rare",
    "With Muon the commonest item is known (its loss is below 0.1) after some steps. When is the rarest?",
    ["about then", "at about eight times as many steps", "at about 64 times as many"],
)
rare_guess

# %% [markdown] tags=["teacher"]
# A frequency of 1/64 suggests 64 times as long, and for SGD at a small rate that is right. Ask what a step with equal singular values knows of the frequencies.

# %% [markdown]
# Here is Muon beside SGD at a small rate. **How far apart are the commonest and the rarest item of each?**

# %% tags=["nbval-ignore-output"]
makers = {name: METHODS[name] for name in ("SGD", "Momentum", "Adam")}
makers["Muon"] = lambda params, lr: Muon(params, lr=lr, weight_decay=0)
tried_rates = exponential_rates(0.01, 10, 25)
memories = {name: remember(make, tried_rates, steps=60) for name, make in makers.items()}
muon, slow_sgd = memories["Muon"], remember(METHODS["SGD"], torch.tensor([0.3]), steps=2000)
CurvesView(
    {
        "Muon, commonest": muon.loss[muon.best, :, 0],
        "Muon, rarest": muon.loss[muon.best, :, -1],
        "SGD, commonest": slow_sgd.loss[0, :61, 0],
        "SGD, rarest": slow_sgd.loss[0, :61, -1],
    },
    y="loss of an item",
    title="A memory",
    at=10,
)

# %%
common, rare = muon.learnt()[[0, -1]].tolist()
claim(
    "Muon: the rarest is first below 0.1 within a factor of 1.5 of the commonest.",
    1 / 1.5 < rare / common < 1.5,
)
waits = slow_sgd.learnt()
claim("SGD at a small rate: more than 50 times as late.", waits[-1] > 50 * waits[0])
rare_guess.reveal(
    "about then",
    "All directions of its step are equally strong, so that every item moves equally far, whatever its frequency.",
)

# %% [markdown]
# Wang et al. (2025) find the same balance in a memory like this one, and in language models. Is it a lead as well? That is a question of the best rate of each method, out of 25, and of time. Here is the rarest item at a rate that falls to 0 in 60 steps. **Which curve is the first below 0.1? Which is the lowest at the end?**

# %% tags=["nbval-ignore-output"]
rarest = {name: memory.loss[memory.best, :, -1] for name, memory in memories.items()}
CurvesView(rarest, y="loss of the rarest item", title="A memory")


# %%
def ends(name, steps, seeds=range(1, 6), **more):
    """The loss of all that comes and of the rarest item in the end: medians over other memories."""
    others = [remember(makers[name], tried_rates, steps=steps, seed=seed, **more) for seed in seeds]
    last = torch.stack([memory.loss[memory.best, -1] for memory in others])
    return (last @ others[0].frequency).median().item(), last[:, -1].median().item()


# %%
# This takes about five seconds.
muons, adams = ends("Muon", 60), ends("Adam", 60)
# These two are the same however the memory is turned.
sgds, momenta = (ends(name, 60, [1]) for name in ("SGD", "Momentum"))
claim(
    "60 steps, five other memories: Muon's loss is less than 0.8 of any other's.",
    muons[0] < 0.8 * min(adams[0], sgds[0], momenta[0]),
)
claim("So is its loss of the rarest item.", muons[1] < 0.8 * min(adams[1], sgds[1], momenta[1]))
claim("120 steps: Momentum's is lower than Muon's.", ends("Momentum", 120, [1])[0] < ends("Muon", 120)[0])
plain = ends("SGD", 60, [1], power=1.0)[0]
flat = min(ends(name, 60, [1], power=1.0)[0] for name in ("Momentum", "Adam", "Muon"))
claim(
    "60 steps, frequencies like 1/i: plain SGD's is less than a thousandth of any other's.",
    plain < flat / 1000,
)

# %% [markdown]
# In our 60 steps Muon is ahead. Near the goal it overshoots, as Lion does, for its steps do not get shorter by themselves. In 120 steps Momentum has time for the rare item, too, and the lead is gone.
#
# We also chose the case. With frequencies like $1/i$ the rarest comes an eighth as often as the commonest, and then plain SGD at its best rate beats all the others by far. A balance is not yet a lead.
#
# Where does the balance bring nothing? Let each key and value be a coordinate. Then each item is one entry of $W$, and a size for each entry is all that is needed:

# %%
straight = remember(METHODS["Adam"], tried_rates, turned=False)
curves = straight.loss[straight.best]
claim("Adam learns all eight items at the same time.", (curves - curves[:, :1]).abs().max() < 1e-3)

# %% [markdown]
# And Muon is not free. It makes the directions equal by products of matrices, in five rounds. They cost, for each weight of a square matrix, 30 operations times the width.

# %%
matrix = nn.Parameter(torch.randn(64, 64))
matrix.grad = torch.randn(64, 64)
with FlopCounterMode(display=False) as counter:
    Muon([matrix]).step()
products = counter.get_total_flops() / matrix.numel()
claim("64 × 64: 1,920 operations a weight.", products == 30 * 64)
claim("A gradient of 64 images costs less than a fifth of it.", gradient < products / 5)

# %% [markdown]
# Beside the gradient of many thousand words that is little. On small batches and wide layers it is not. In a benchmark of 2024, AlgoPerf, the winner among tuned methods was Distributed Shampoo, which is made for matrices as well, before Schedule-Free AdamW (Kasimbeg et al. 2025).
#
# **Schedule-Free** (Defazio et al. 2024) does without a falling rate by averaging the weights, and **Prodigy** (Mishchenko and Defazio 2024) finds the rate itself: see lesson 4.
#
# ## How to read a table
#
# A paper has a new method. It is compared with an older one on the digits, over eight seeds each. The older one runs at 0.004, a rate that was good for it elsewhere. The new one runs at the best of nine rates.

# %% tags=["nbval-ignore-output"]
# This takes about five seconds.
paper_rates = exponential_rates(0.001, 0.3, 9)
paper = published(lr=paper_rates)
best = paper.chosen.tolist()
print(
    table(
        [
            ("", "rate", "right"),
            ("Old", "0.004", f"{paper.judged(0, 2):.1%}"),
            ("New", f"{paper_rates[best[1]]:.2g}", f"{paper.judged(1, best[1]):.1%}"),
        ]
    )
)

# %%
lead = paper.judged(1, best[1]) - paper.judged(0, 2)
claim("New is more than 2.5 points ahead.", lead > 0.025)
table_guess = predict_choice(
    "09-table",
    "Now Old gets the best of the nine rates, too. How much of New's lead is left?",
    ["nearly all of it", "about half", "hardly anything"],
)
table_guess

# %% [markdown] tags=["teacher"]
# A good moment to ask what the pupils would have done with this table an hour ago. Those who say “about half” trust that a published gain has something in it.

# %% [markdown]
# **Slide to 0.004, then look for the rate at which Old is best.**

# %% tags=["nbval-ignore-output"]
wrong = dict(zip(["Old", "New"], 1 - paper.right[..., 3:].mean(-1), strict=True))
CurvesView(
    wrong, y="share that is wrong", x="rate", over=paper_rates.tolist(), title="The paper's race", at=0.004
)

# %%
left_over = paper.judged(1, best[1]) - paper.judged(0, best[0])
claim("At its own best rate Old is within 1.5 points of New.", abs(left_over) < 0.015)
table_guess.reveal(
    "hardly anything", "Old and New are both Adam with a falling rate. Only the seeds are others."
)

# %% [markdown]
# Nobody lied. The gain is what a search over nine rates is worth, and it went to one side. In the public race of Modded-NanoGPT (2026) to train a small language model, Muon needed 3,375 steps and a newer form of it, Hyperball, 3,325. After the other rates had been tuned as well, both needed 3,250.
#
# So ask: who tuned the old one, over how many rates, with which schedule? Are the seeds that chose those that judge? How long was the race?
#
# ## Exercise
#
# First three questions.

# %%
ask("09-block", "09-lion-rate", "09-half-memory")

# %% [markdown]
# Write Lion. Look at the order of its three lines.


# %%
def step(p, g, m, lr, betas, decay):
    """The new p and m after a step of Lion from p, where the gradient is g."""
    ### BEGIN SOLUTION
    c = betas[0] * m + (1 - betas[0]) * g
    p = p - lr * (c.sign() + decay * p)
    m = betas[1] * m + (1 - betas[1]) * g
    return p, m
    ### END SOLUTION


check("09-lion", step)

# %% [markdown]
# Once it is right, it runs beside ours and Adam. **Move the rate from 0.1 to 1. Which of them settles on the goal, which hops about it?**

# %%
SurfaceView("quadratic", ["Adam", "Lion", *yours("09-lion", step)], at_lr=0.3)

# %% [markdown]
# Now the table. Write what its authors should have computed: the gain, if both methods get the rate that is best for them. The first `choosers` seeds choose it, and the others judge.


# %%
def gain(old, new, choosers):
    """By how much the new method's loss is lower; old and new are losses (rate, seed)."""
    ### BEGIN SOLUTION
    at_old, at_new = (losses[:, :choosers].mean(1).argmin() for losses in (old, new))
    return old[at_old, choosers:].mean() - new[at_new, choosers:].mean()
    ### END SOLUTION


check("09-table", gain)

# %% [markdown]
# ## In your own words

# %%
explain("09-explain")

# %% [markdown]
# ## What to keep
#
# 1. Methods with fewer sizes than Adam save memory, and on small networks hardly lose; one rate for many weights is enough where these are alike.
# 2. RAdam is Adam with a warm-up and a wild start, Lookahead does what a falling rate does, Lion needs a fall, Muon is for matrices with rare directions.
# 3. A gain over a method that was not tuned is the gain of tuning.

# %%
made_for = {
    "RAdam": ("the first steps", "Adam times r", 2),
    "Lookahead": ("noise", "a falling rate does as much", 3),
    "NovoGrad": ("memory", "within a factor of 2", 1),
    "Adam-mini": ("blocks that differ", "all or nothing", 1),
    "Adafactor": ("memory, and layers of any scale", "within a factor of 2", 0),
    "Ranger": ("the first steps, noise", "a falling rate does as much", 3),
    "Lion": ("memory", "cannot settle by itself", 1),
    "Muon": ("rare directions", "all items at once; a lead in short runs", 1),
}
methods = methods | {"Lookahead": slow, "Muon": Method("Muon", Muon)}
matrices = [shape for shape in shapes if len(shape) == 2]
found = {name: kept(methods[name], matrices) for name in made_for}
kept_here = {name: found[name].direction + found[name].size for name in made_for}
rows = [(n, w, h, f"{kept_here[n]:.2f}") for n, (w, h, _) in made_for.items()]
print(table([("", "made for", "here", "numbers kept"), *rows]))

# %%
as_counted = all(abs(kept_here[name] - count) < 0.06 for name, (_, _, count) in made_for.items())
claim(
    "Kept for each weight of a matrix: 2 by RAdam, 3 by Lookahead around Adam and by Ranger, hardly any by Adafactor, about 1 by the others.",
    as_counted,
)

# %% [markdown]
# **Where libraries disagree.** RAdam divides where ρ > 4 in the paper, and from 5 on in PyTorch, optax and timm: at the default β₂ that is step 5 or step 6. The authors' code skips the first five steps. timm's Lookahead makes its slow weights at the first meeting, so that the first meeting does nothing. NovoGrad's betas are 0.95 and 0.98 in Ginsburg et al. (2019), 0.9 and 0.25 in optax, 0.9 and 0.999 in apex. optax's Adafactor factors only axes of 128 and more, and timm's takes a share of the size only if it chooses the rate itself.
#
# **Sources.** Liu et al. (2020), *On the variance of the adaptive learning rate and beyond*: RAdam. Ma and Yarats (2021), *On the adequacy of untuned warmup for adaptive optimization*. Zhang et al. (2019), *Lookahead optimizer: k steps forward, 1 step back*. Wright (2019): Ranger. Ginsburg et al. (2019): NovoGrad. Zhang et al. (2024), *Adam-mini: use fewer learning rates to gain more*: the blocks. Shazeer and Stern (2018), *Adafactor*. Chen et al. (2023), *Symbolic discovery of optimization algorithms*: Lion. Jordan et al. (2024), *Muon*. Wang et al. (2025), *Muon outperforms Adam in tail-end associative memory learning*. Kasimbeg et al. (2025): the results of AlgoPerf.
