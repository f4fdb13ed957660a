# %% [markdown]
# # 13 · What if the batch is huge?
#
# | | |
# |---|---|
# | **Question** | With more machines a step can see more samples. When does that save steps, and what becomes of the rate? |
# | **Afterwards you can** | say where larger batches stop paying; measure that place; scale a rate and say where the rule breaks; write LAMB; gather a large batch from small ones |
# | **Time** | 45 minutes |
# | **You need** | lesson 12 |
# | **Difficulty** | ●●● |
#
# You are given sixteen machines. Each can work on a part of the batch, so a batch sixteen times as large takes hardly longer than one did before. Is training sixteen times as fast now?

# %%
import torch
from torch import nn

from lwlr_teach.optim import LAMB
from lwlr_teach.problems import signals
from lwlr_teach.runs import exponential_rates, launch
from lwlr_teach.studies import (
    fit_critical,
    measured,
    noise_on_the_way,
    quadratic_steps,
    scaling,
    shared_run,
)
from lwlr_teach.teaching import ask, begin, check, claim, explain, predict_choice, predict_number, recall
from lwlr_teach.views import CurvesView

begin("13-lamb-large-batch")

# %%
recall("13-lamb-large-batch")

# %% [markdown]
# ## More hands
#
# Ask one passer-by for the way, and the answer may be wrong. Ask four, and their average is better. Ask four hundred, and it is hardly better than that of a hundred: by now you know the way, and asking does not make it shorter.
#
# A batch is such a question. Each sample's gradient is the true one plus noise, and the mean of $B$ samples has a $B$-th of the noise's variance. The samples can be asked at the same time, on as many machines as there are. The steps have to be taken one after another.
#
# So we count steps. The task is MNIST-1D (Greydanus 2020): ten curves, stretched, moved and buried in noise, 40 numbers each. We can make as many as we like. A network with two layers of 32 is to come to a loss of 1.2 on samples that it has never seen. **Two of these three are the same digit. What do they have in common?**

# %%
data = signals(train=4**7)
four_a, four_b = data.x_train[data.y_train == 4][:2]
some = {"a 4": four_a, "another 4": four_b, "a 0": data.x_train[data.y_train == 0][0]}
CurvesView(some, y="value", x="place", title="MNIST-1D", at=0)

# %% [markdown]
# One shape, moved, stretched and noisy: the deep dip of both 4s is in another place each time. To find a shape wherever it stands is the whole task.
#
# All runs of this lesson were made beforehand, since they take about twenty minutes: four methods, six sizes of batch, five or seven rates, three seeds. (`python -m lwlr_teach.studies.large_batch` makes them anew.) At each size a method has its own best rate. Here is Momentum with two of the sizes:

# %%
runs = measured()
momentum, lars, adam, lamb = (runs[name, 0] for name in ("Momentum", "LARS", "Adam", "LAMB"))
batches = torch.tensor(momentum.batches, dtype=torch.float64)
steps = dict(zip(momentum.batches, momentum.best_steps.tolist(), strict=True))
claim(f"Batches of 64: {steps[64]:.0f} steps. Batches of 256: {steps[256]:.0f}.", steps[64] > 2 * steps[256])

# %%
all_guess = predict_number(
    "13-all",
    "Momentum with all 16,384 samples in each step, 64 times 256: how many steps?",
    exponential_rates(3, 300, 81),
    within=1.4,
    log=True,
)
all_guess

# %% [markdown] tags=["teacher"]
# Most divide: 163 / 64 is about 3 steps, and they give it some more. Ask how many steps gradient descent would need that knew the true gradient. It has to walk the way, too.

# %% [markdown]
# **Move the slider from size to size. Where does four times the batch save most, and where hardly anything?** The second curve is a formula, to which we come.

# %%
least, critical = fit_critical(batches, momentum.best_steps)
curves = {"Momentum": momentum.best_steps, "formula": least * (1 + critical / batches)}
CurvesView(curves, y="steps", x="batch", over=batches.tolist(), log=True, title="To the target", at=16)

# %%
gains = momentum.best_steps[:-1] / momentum.best_steps[1:]
claim(f"From 16 to 64 the steps become {gains[0]:.1f} times fewer.", gains[0] > 2.5)
claim(f"From 4,096 to 16,384: {gains[-1]:.1f} times.", 0.9 < gains[-1] < 1.15)
claim(f"The formula has {least:.0f} steps at least, and a critical batch of {critical:.0f}.", critical > 100)
apart = (curves["Momentum"] / curves["formula"] - 1).abs().max()
claim("It is within 20% everywhere.", apart < 0.2)
all_guess.reveal(steps[16384], "With so many samples the noise is gone, but the way is as long as it was.")

# %% [markdown]
# Do not take our word for it. Your machine repeats three of the sizes, with three rates each.

# %% tags=["nbval-ignore-output"]
# This takes about ten seconds.
rates = {64: [2**-5, 2**-4, 2**-3], 256: [2**-4, 2**-3, 2**-2], 1024: [2**-3, 2**-2, 2**-1]}
again = scaling("Momentum", rates, patience=1.0, data=data)
print({b: round(s) for b, s in zip(again.batches, again.best_steps.tolist(), strict=True)})

# %%
first, second = (again.best_steps[:-1] / again.best_steps[1:]).tolist()
claim("From 64 to 256 the steps fall to less than 60%.", first > 1 / 0.6)
claim(
    "All three are within 40% of ours.",
    (again.best_steps / momentum.best_steps[1:4]).log().abs().max() < 0.34,
)

# %% [markdown]
# ## The critical batch
#
# The formula comes from a single step (McCandlish et al. 2018). With the gradient $g$, the curvature $H$ and a sample's noise (the covariance $\Sigma$ of its gradient; tr adds up the variances of all weights), a step at the rate $\eta$ gains, on average,
#
# $$ \eta\,|g|^2 - \tfrac12\eta^2\Big(g^\top H g + \frac{\operatorname{tr}(H\Sigma)}{B}\Big) $$
#
# At the best η this is the most that can be gained, divided by $1 + B_{\text{crit}}/B$. If every step gains so much less, it takes so many more of them:
#
# $$ \text{steps} = \text{steps}_{\min}\Big(1 + \frac{B_{\text{crit}}}{B}\Big), \qquad B_{\text{crit}} = \frac{\operatorname{tr}(H\Sigma)}{g^\top H g} \approx \frac{\operatorname{tr}\Sigma}{|g|^2} $$
#
# The last form holds if the curvature is the same in all directions. **Far below the critical batch, twice the batch halves the steps. Far above, it saves nothing.** At the critical batch itself you take twice the least number of steps.
#
# From one step to a whole run is a leap: the gradient gets shorter on the way. On a noisy quadratic the expected loss can be worked out exactly, with no dice. **Compare the exact line with the formula. Is there a size where they part?**

# %%
sizes = torch.tensor([4.0**k for k in range(9)], dtype=torch.float64)
exact = quadratic_steps(sizes)
fewest, turning = fit_critical(sizes, exact)
both = {"exact": exact, "formula": fewest * (1 + turning / sizes)}
CurvesView(both, y="steps", x="batch", over=sizes.tolist(), log=True, title="A noisy quadratic", at=256)

# %%
claim(
    "Exact and formula: never more than 5% apart.", (both["exact"] / both["formula"] - 1).abs().max() < 0.05
)
louder = fit_critical(sizes, quadratic_steps(sizes, noise=2.0))[1] / turning
claim("Twice the noise: twice the critical batch, within 10%.", abs(louder - 2) < 0.2)

# %% [markdown]
# So on a quadratic the leap holds. On the network we can look at the noise directly: the gradients of single samples, and how far they scatter about their mean. **What does $\operatorname{tr}\Sigma/|g|^2$ do while the loss falls from 2.2 to 1.2, and where is the critical batch that the steps told us?**

# %% tags=["nbval-ignore-output"]
# This takes about eight seconds.
marks, scales = noise_on_the_way(2.2, target=1.2)
seen = {"noise scale": scales, "critical batch, from the steps": torch.full_like(scales, critical)}
CurvesView(
    seen,
    y="samples",
    first=1,
    x="part of the way from loss 2.2 to 1.2",
    log=True,
    title="Noise against gradient",
    at=1,
)

# %%
claim("It is larger later than at the beginning.", scales[1:].max() > 1.3 * scales[0])
middle = scales.median().item()
claim(
    "Its median on the way is within a factor of three of the critical batch.", 1 / 3 < middle / critical < 3
)

# %% [markdown]
# So one measurement at one place tells the order of the critical batch, without a single long run. It is no fixed number: on the whole the gradient gets shorter faster than the noise does, and later in training larger batches pay than at first.
#
# ## What it costs
#
# Beyond the critical batch you pay in samples what you save in steps. And machines have to talk: after each step they add up their gradients. Let a sample cost 1, and the talk as much as 20 samples. On $n$ machines a step then takes $B/n + 20$, on a single one $B$. **Which batch is the fastest on 1, on 16 and on 256 machines?**

# %%
talk = 20
times = {"1 machine": momentum.best_steps * batches}
times |= {f"{n} machines": momentum.best_steps * ((batches / n).clamp(min=1) + talk) for n in (16, 256)}
CurvesView(
    times, y="time", x="batch", over=batches.tolist(), log=True, title="Steps × time of a step", at=256
)

# %%
best = {name: int(batches[t.argmin()]) for name, t in times.items()}
claim(f"Fastest batch: {best}.", list(best.values()) == sorted(best.values()) and best["1 machine"] == 16)
alone = times["1 machine"].min()
faster = {n: (alone / times[f"{n} machines"].min()).item() for n in (16, 256)}
claim(
    f"16 machines are {faster[16]:.1f} times as fast as one, 256 machines {faster[256]:.0f} times.",
    faster[16] < 8,
)

# %% [markdown]
# No. Sixteen machines are not sixteen times as fast, though each of them has work to do.
#
# ## Do they go the same way?
#
# Each machine holds a copy of the network and works on its own rows of the batch. Then all gradients are averaged, and every machine takes the same step. Your computer can play the machines: `launch` starts processes that work like that, by PyTorch's `torchrun`, which also starts them on real machines. A batch of 250 cannot be shared out evenly among four. **Do one, two and four processes see the same losses?**

# %%
# This takes about fifteen seconds.
shared = {n: launch(shared_run, 250, processes=n)[0] for n in (1, 2, 4)}

# %%
for n in (2, 4):
    apart = (shared[n] - shared[1]).abs().max()
    claim(f"{n} processes: the same 20 losses as one, to six digits.", apart < 1e-6)

# %% [markdown]
# They do, because the parts are weighted by their rows. Whoever averages the means of unequal parts trains on another loss; an exercise below asks for the right one. So several machines are no method of their own. They are a way to afford a batch, and what it is worth you have seen.
#
# ## What becomes of the rate
#
# Four small steps at the rate η lead through nearly the same place. One step with their four batches in one goes as far if its rate is 4η. This is the **linear rule** (Goyal et al. 2017): the rate grows like the batch. Adam divides by the size of the gradient, noise included. Four times the batch halves the noise, so its steps towards the goal are twice as long by themselves, and the rate need only double. That is the **square-root rule** (Malladi et al. 2022). You et al. (2020) use it for LAMB.

# %%
rule_guess = predict_choice(
    "13-rule",
    "Momentum: the best rate at 16, times four for each four times the batch. Up to which batch does it need at most 10% more steps than the best rate there?",
    ["only to 64", "to about the critical batch, 256", "to the end, 16,384"],
)
rule_guess

# %% [markdown] tags=["teacher"]
# Ask what "nearly the same place" needs: that four steps do not lead far. And what a step at 1,024 times the rate would do: lesson 1's edge does not ask for the batch.

# %% [markdown]
# **Here are the best rates. Up to where does Momentum climb with the steeper line, and which line is closer to Adam?** (The grid has factors of two, so no more can be read.)

# %%
start_m, start_a = momentum.best_lr[0], adam.best_lr[0]
best_rates = {"Momentum": momentum.best_lr, "linear": start_m * batches / 16}
best_rates |= {"Adam": adam.best_lr, "square root": start_a * (batches / 16) ** 0.5}
CurvesView(best_rates, y="best rate", x="batch", over=batches.tolist(), log=True, title="Best rates", at=256)

# %%
linear, root = momentum.by_rule(1), momentum.by_rule(0.5)
lost = momentum.best_steps
claim("Momentum, linear: at 64 and 256 within 10% of the best steps.", (linear[1:3] < 1.1 * lost[1:3]).all())
claim("At 1,024 it does not arrive within 1.5 times the best steps.", linear[3].isinf())
claim(
    "Momentum, square root: it arrives everywhere, with up to half as many steps again.",
    (root < 1.5 * lost).all(),
)
claim("Adam, linear: at 64 already it does not arrive.", adam.by_rule(1)[1].isinf())
adams = adam.by_rule(0.5) / adam.best_steps
claim(
    "Adam, square root: within 40% up to 256, and not at 1,024.", (adams[:3] < 1.4).all() and adams[3].isinf()
)
rule_guess.reveal(
    "to about the critical batch, 256",
    "Below it the rate is limited by noise, which a larger batch lowers. Above it little noise is left, and the best rate grows more slowly than the batch.",
)

# %% [markdown]
# At 256 the best rate is half of what the linear rule asks for, but there a factor of two hardly costs steps. At 1,024 the rule fails: it ends where the noise ends. Beyond the critical batch the best rate grows more slowly, and a rule that goes on as before throws the run away. For Momentum the square root is the careful rule: it costs steps in the middle, and it never fails.
#
# Goyal et al. (2017) used the linear rule together with a warm-up. So we repeated everything with twenty steps of warm-up.

# %%
warm, warm_adam = runs["Momentum", 20], runs["Adam", 20]
claim("Momentum with warm-up: the linear rule still fails at 1,024.", warm.by_rule(1)[3].isinf())
ruled = warm_adam.by_rule(0.5) / warm_adam.best_steps
claim(
    "Adam with warm-up: the square root arrives up to 4,096, within 25% of the best steps.",
    ruled.max() < 1.25,
)
times_larger = warm_adam.best_lr[4] / adam.best_lr[4]
claim(f"Its best rate there is {times_larger:.0f} times the one without.", times_larger >= 2)
more = torch.cat([w.best_steps - run.best_steps[:5] for w, run in ((warm, momentum), (warm_adam, adam))])
claim("At the best rates, no size needs fewer steps with the warm-up.", (more > 0).all())

# %% [markdown]
# For Momentum a warm-up does not rescue the rule. For Adam it does: what a large rate failed on must have been the first steps, of which lesson 3b said that they are the longest. Yet it saved no steps, neither here nor there. It makes a rule safe.
#
# ## The rule
#
# For very large batches You, Gitman and Ginsburg (2017) made LARS (lesson 12). You et al. (2020) did the same to Adam: **LAMB**. Adam's direction, with the decay $\lambda$ in it, is made as long as the layer's weights:
#
# $$ r = \frac{\hat m}{\sqrt{\hat v}+\varepsilon} + \lambda p, \qquad p \leftarrow p - \eta\,\frac{\lVert p\rVert}{\lVert r\rVert}\,r $$
#
# Where one of the norms is zero, the ratio is 1. PyTorch has no LAMB. But it has Adam: let it take a step at the rate 1, and the way that it went is the direction.


# %%
def network():
    """One hidden layer, with PyTorch's own first weights."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(40, 32), nn.ReLU(), nn.Linear(32, 10))


ours, theirs = network(), network()
our_lamb = LAMB(ours.parameters(), lr=0.02, weight_decay=0.1)
their_adam = torch.optim.Adam(theirs.parameters(), lr=1.0, eps=1e-6)

# %%
shares = []
for x, y in zip(data.x_train.split(256)[:5], data.y_train.split(256)[:5], strict=True):
    for model, optimizer in ((ours, our_lamb), (theirs, their_adam)):
        before = [p.detach().clone() for p in model.parameters()]
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    for p, q in zip(theirs.parameters(), before, strict=True):
        r = (q - p.detach()) + 0.1 * q
        p.data = q - 0.02 * q.norm() / r.norm() * r
        shares.append((p.detach() - q).norm() / q.norm())
apart = max((p - q).abs().max() for p, q in zip(ours.parameters(), theirs.parameters(), strict=True))
claim("Our LAMB, and PyTorch's Adam with the last line by hand: the same weights.", apart < 1e-5)
claim("Each layer, at each step: 0.02 of itself.", max(abs(share - 0.02) for share in shares) < 1e-5)

# %% [markdown]
# ## A real race
#
# LARS and LAMB are famous for large batches: You et al. (2020) trained BERT with batches of about 32,000, in 76 minutes in place of three days. What do they do here, each of the four with its own best rate at each size?

# %%
race_guess = predict_choice(
    "13-race",
    "All samples in each step: LARS and LAMB beside Momentum and Adam?",
    ["less than half their steps", "all four within a factor of 1.5", "more than twice their steps"],
)
race_guess

# %% [markdown] tags=["teacher"]
# The titles of the papers suggest the first answer. Ask what a trust ratio does to the noise, and what it does to the length of the way.

# %% [markdown]
# **Go to the largest batch, then to the smallest. Whose curve falls the most, and who is lowest?**

# %%
four = {run.method: run.best_steps for run in (momentum, lars, adam, lamb)}
CurvesView(
    four, y="steps", x="batch", over=batches.tolist(), log=True, title="Each at its best rate", at=16384
)

# %%
ends = torch.stack([curve[-1] for curve in four.values()])
claim("All samples: the four are within a factor of 1.5.", ends.max() < 1.5 * ends.min())
claim("LARS needs fewer steps there than Momentum.", four["LARS"][-1] < 0.9 * four["Momentum"][-1])
claim("Adam is lowest at every size.", all((four["Adam"] <= curve).all() for curve in four.values()))
slow = torch.stack([four["LARS"][0] / four["Momentum"][0], four["LAMB"][0] / four["Adam"][0]])
claim("With batches of 16 both need more than 1.6 times the steps of their parents.", slow.min() > 1.6)
race_guess.reveal(
    "all four within a factor of 1.5",
    "A trust ratio takes away neither noise nor distance. It makes the layers' rates fit one another, and in this network they fit already.",
)

# %% [markdown]
# LARS and LAMB fall the most, because they begin so high: with small batches their steps cannot get shorter by themselves, and noise throws them about (lesson 12). A curve that falls longer is not a method that is faster. (With three seeds a lead of a few per cent is chance, as that of Adam over Momentum at 16.)
#
# Nado et al. (2021) came to the same in the large: with their settings well chosen, Momentum and Adam reached what LARS and LAMB had been praised for, at the same batch sizes. What the papers showed is still true: such batches can be trained with. LAMB is one way, and where layers' ratios differ much (lesson 12) it may be the easiest.
#
# ## Exercise

# %%
ask("13-small-batch", "13-norm-of-what")

# %% [markdown]
# Write LAMB for one layer.


# %%
def step(p, g, m, v, t, lr, betas, eps, decay):
    """The new p, m and v after step t of LAMB for a layer p, where the gradient is g."""
    ### BEGIN SOLUTION
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    m_hat = m / (1 - betas[0] ** t)
    v_hat = v / (1 - betas[1] ** t)
    r = m_hat / (v_hat.sqrt() + eps) + decay * p
    ratio = 1.0
    if p.norm() > 0 and r.norm() > 0:
        ratio = p.norm() / r.norm()
    return p - lr * ratio * r, m, v
    ### END SOLUTION


check("13-lamb", step)

# %% [markdown]
# Without sixteen machines, and without the memory for a large batch, you can still have its gradient: go through it in micro-batches, and take one step at the end. The last one is often smaller than the others.


# %%
def whole_gradient(grads, sizes):
    """The mean gradient over all samples, from the mean gradients of micro-batches of these sizes."""
    ### BEGIN SOLUTION
    total = torch.zeros_like(grads[0])
    for g, size in zip(grads, sizes, strict=True):
        total = total + size * g
    return total / sum(sizes)
    ### END SOLUTION


check("13-accumulate", whole_gradient)

# %%
ask("13-scheduler")

# %% [markdown]
# ## In your own words

# %%
explain("13-explain")

# %% [markdown]
# ## What to keep
#
# 1. Below the critical batch twice the batch halves the steps, above it nothing is saved, and the noise of single gradients against their mean tells about where it is.
# 2. The rate may grow with the batch, linearly for Momentum and like the square root for Adam, up to about the critical batch; a warm-up carried Adam's rule further, and saved no steps.
# 3. LAMB makes Adam's step a fixed share of each layer's weights, which here saved no steps at any batch.
#
# **Where libraries disagree.** optax has the decay inside the norm, as the paper and this package; Keras has it outside. timm and apex clip all gradients to a norm of 1 first, and adapt only where there is decay. pytorch_optimizer limits ‖p‖ to 10, leaves out the corrections, as an early version of the paper did, and takes the decay out of the ratio.
#
# **Sources.** McCandlish, Kaplan and Amodei (2018), *An empirical model of large-batch training*: the formula, and the noise scale. Shallue et al. (2019), *Measuring the effects of data parallelism on neural network training*: steps against the batch for many networks. Zhang et al. (2019), *Which algorithmic choices matter at which batch sizes?*: the noisy quadratic. Goyal et al. (2017), *Accurate, large minibatch SGD*: the linear rule. Malladi et al. (2022), *On the SDEs and scaling rules for adaptive gradient algorithms*: the square root. You, Gitman and Ginsburg (2017): LARS. You et al. (2020), *Large batch optimization for deep learning: training BERT in 76 minutes*: LAMB. Nado et al. (2021), *A large batch optimizer reality check*. Greydanus (2020), *Scaling down deep learning*: MNIST-1D.
