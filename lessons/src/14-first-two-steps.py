# %% [markdown]
# # 14 · Which layer should move first?
#
# | | |
# |---|---|
# | **Question** | Two layers share one budget of learning rates. How should they divide it? |
# | **Afterwards you can** | say what the first step, the second step and the end of training ask of the two rates; compute every step of a linear network; tell what a theorem proves from what it is quoted for |
# | **Time** | 50 minutes |
# | **You need** | lessons 1, 11 and 12 |
# | **Difficulty** | ●●● |
#
# Lessons 11 and 12 gave each layer a rate of its own and looked at what happened. Here is a network so simple that we can know it: after every step, for every pair of rates.

# %%
import torch

from lwlr_teach.layerwise import opposite_norms
from lwlr_teach.problems import (
    closed_form,
    descend,
    digits_task,
    linear_network,
    loss_after,
    losses,
    product_limit,
    unit,
)
from lwlr_teach.runs import Contestant, race
from lwlr_teach.studies import trained_splits
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, recall
from lwlr_teach.views import CurvesView, RaceView, SplitView

begin("14-first-two-steps")

# %% [markdown]
# ## Recall

# %%
recall("14-first-two-steps")

# %% [markdown]
# ## A table, and one metre of wood
#
# You want a larger table. You have wood for one more metre in all: some of it for the length, the rest for the width. The area is a product, so a square table grows most if both sides get the same.
#
# A network with two layers is a product as well. Leave out the ReLU, and it is nothing but that: the input times one matrix, times another. As a network this is useless, for one matrix would do. But *learning* with two is not the same as learning with one, because each matrix gets its gradient through the other.
#
# A study of 2026 asked about the wood (Pang et al. 2026): given a **budget**, the sum of the two rates, which split has the lowest loss? It looked at the first two steps, at 1,000 units in every layer, with random first weights. The budgets are large numbers, 27,000 to 63,000, because this network divides its output by 1,000. What matters is how the budget is split.

# %%
width, budget = 1000, 40_000
shares = torch.linspace(0, 1, 41, dtype=torch.float64)  # of the budget that goes to layer 1
loss = losses(512, shares * budget, (1 - shares) * budget, width=width)  # step, share
print(f"Loss before the first step: {loss[0, 0]:.3f}")

# %%
first_guess = predict_choice(
    "14-first",
    "Budget 40,000, after ONE step: which split has the lowest loss?",
    ["half and half", "everything to one layer", "a quarter and three quarters", "all splits are equal"],
)
first_guess

# %% [markdown] tags=["teacher"]
# The table leads nearly everybody to "half and half". That is intended. Do not correct it before the second step: there they will be right, and the question becomes why the first step is different.

# %% [markdown]
# On the right you see the loss against the share of layer 1. **Drag the share, and find the best and the worst split after step 1.** Leave the step alone for now.

# %%
SplitView(2, at_budget=budget, at_step=1, at_share=0.3, revealed=False)

# %%
one = loss[1]
claim(f"Half and half is the worst of all splits: {one[20]:.4f}.", one.argmax() == 20)
claim(f"Everything to one layer is the best, {one[0]:.4f}, whichever it is.", one.argmin() in (0, 40))
claim("The whole difference is less than a fifth of a percent.", one.max() / one.min() < 1.002)
first_guess.reveal(
    "everything to one layer",
    "What the two steps gain adds up whatever the split; what they do together takes a little back, most if they are equal.",
)

# %% [markdown]
# The table was the wrong picture, and it is worth knowing why. A side of a table has a length and nothing else. A layer has a direction as well, and two random ones have nothing to do with each other.
#
# The first step of layer 1 changes the product in a useful direction; call it the *signal*. So does the first step of layer 2, and the two signals add up. For them only the **sum** of the rates counts.
#
# What both steps make *together* is a third term, first step times first step. Each step also takes a little of the random start away, and the other layer's signal has to pass through that start. So the third term takes back some of the signal. The rest of it points anywhere and is noise. Both grow with the product of the rates, and half and half has the largest product.
#
# It is a small loss. Nobody should split a budget because of this step.

# %%
second_guess = predict_choice(
    "14-second",
    "The same rates once more: which split is best after the SECOND step?",
    ["still everything to one layer", "half and half", "something between"],
)
second_guess

# %% [markdown] tags=["teacher"]
# Having been burnt, many now say "still one layer". Ask what is different at the second step: each layer's gradient goes through the other one, and that one has learned something.

# %% [markdown]
# **Go back to the picture, set the step to 2, and press *show the best*.** The map on the left grows with each new step: a column for each of them, bright where the loss is low, and a dot at the best split.

# %%
two = loss[2]
claim(f"Half and half is the best now: {two[20]:.3f}.", two.argmin() == 20)
claim(f"Everything to one layer is the worst: {two[0]:.3f}.", two.argmax() in (0, 40))
claim("This time the difference is 5%.", abs(two.max() / two.min() - 1.05) < 0.01)
second_guess.reveal(
    "half and half", "Now each layer learns through the other, and the product of the two rates counts."
)

# %% [markdown]
# Now the table is right. Layer 1's gradient goes through layer 2, and layer 2 has already turned a little towards the target. So the signal of the second step is longer than that of the first, by a factor that grows with the **product** of the rates. If one layer stands still, the other one's signal never grows.
#
# This is what the study proves, for a simplified gradient that you will meet below: equal rates are not best at the first step, and they are at the second. It also says that equal rates remain best from then on.

# %%
later_guess = predict_choice(
    "14-later",
    "The same rates until step 8: which split is best then?",
    ["half and half", "everything to one layer", "about a quarter and three quarters"],
)
later_guess

# %% [markdown] tags=["teacher"]
# "Half and half" is what the study would say, so it is a fair guess. Those who say it should be told that they were in good company.

# %% [markdown]
# **Press play, and watch the dots on the map.** Then go to other budgets. When does the best split leave the middle?

# %%
eight = loss[8]
best = shares[eight.argmin()].item()
best = min(best, 1 - best)  # with two layers both ways round are equally good
claim(f"After step 8 the best split is {best:.2f} to {1 - best:.2f}.", abs(best - 0.25) < 0.03)
claim(
    "Its loss is more than a hundred times lower than that of half and half.", eight[20] > 100 * eight.min()
)
small = losses(64, shares * 10_000, (1 - shares) * 10_000, width=width)
claim("With a budget of 10,000, equal is best at step 8 and no longer at step 64.", small[8].argmin() == 20)
claim("There it is a million times worse than the best.", small[64, 20] > 1e6 * small[64].min())
later_guess.reveal(
    "about a quarter and three quarters",
    "With equal rates both layers do the same at every step, and no two equal steps reach a target that lies behind.",
)

# %% [markdown]
# Equal rates are best only **while the signal still grows**. Why do they lose then?
#
# ## Two hands of a clock
#
# This network falls apart into 1,000 small problems that know nothing of one another. Each is a clock. Layer 1 is one hand, layer 2 another. Both begin at twelve with length 1. The network shows their *product*: the lengths are multiplied, and the angles are added. The target is a hand that points anywhere, about 32 times as long.
#
# With equal rates the two hands do the same at every step, for ever. To show an angle each has to turn by half of it. That is hard for a target near six o'clock. For one at exactly six, neither hand knows which way to turn. They shrink instead, both, to nothing.
#
# With unequal rates the fast hand does most of the turning. For a target at six it shrinks through the middle and comes out on the other side, while the slow one stays at twelve and only grows.
#
# Here are the hands for a target at exactly six, at the budget of 40,000. Above 0 a hand points to twelve, below 0 to six. **Which hand ends at 0, and why can it not get away from there?**


# %%
def hands(share, steps=12):
    """How far the two hands reach towards twelve after each step, when the target is at six."""
    a, b, path = 1.0, 1.0, [(1.0, 1.0)]
    x, y = share * budget / unit(width), (1 - share) * budget / unit(width)
    for _ in range(steps):
        e = -1 - a * b / width**0.5
        a, b = a + x * e * b, b + y * e * a
        path.append((a, b))
    return list(zip(*path, strict=True))


equal, (slow, fast) = hands(0.5)[0], hands(0.25)
drawn = {
    "equal rates, either hand": equal,
    "a quarter: the slow hand": slow,
    "three quarters: the fast hand": fast,
}
CurvesView(drawn, y="towards twelve", title="A target at six", at=2)

# %%
stuck = loss_after(512, budget / 2, budget / 2, width=width)
free = loss_after(512, budget / 4, 3 * budget / 4, width=width)
claim(f"Equal rates end at {stuck:.4f}, one half of 1/1000.", abs(stuck * 2 * width - 1) < 0.01)
claim("At a quarter and three quarters nothing is left.", free < 1e-20)

# %% [markdown]
# The remaining loss has a meaning. On average one random network in two has a target at exactly six o'clock. It loses 1/1000 there, and the mean is 0.0005. This is our own finding, and so is the next one; the study stops before.
#
# The end of training has a condition of its own. Near the target the two layers act like a single one whose rate is the **geometric mean** of the two, √(η₁η₂). So the product of the rates has a limit, and half and half reaches it first. **Set the budget to 70,000 and play.**

# %%
eta = 70_000 / 2
claim("Budget 70,000, half and half: the product is above the limit.", eta * eta > product_limit(width))
claim("It ends in overflow.", loss_after(512, eta, eta, width=width).isinf())
uneven = 0.2 * 70_000, 0.8 * 70_000
claim("One fifth to four fifths: below the limit.", uneven[0] * uneven[1] < product_limit(width))
claim("It arrives.", loss_after(512, *uneven, width=width) < 1e-20)

# %% [markdown]
# Three moments, three conditions: the first step sees the **sum**, the second one the **product**, and the end is limited by the **geometric mean**.
#
# ## The rule
#
# For one clock, with the hands $a$ and $b$ (complex numbers that begin at 1) and the target $v$, a step of gradient descent is
#
# $$ e = v - \delta\,ab, \qquad a \leftarrow a + x\,e\,\bar b, \qquad b \leftarrow b + y\,e\,\bar a, $$
#
# where $x$ and $y$ are the two rates over $h^{3/2}$, $h$ is the width and $\delta = 1/\sqrt h$. Here the target $v$ has length 1, and the network shows $\delta$ times the product, 1/32 of it. Multiplying complex numbers multiplies their lengths and adds their angles. The bar mirrors a hand at the line from twelve to six, so that its angle is taken away again. The loss is the mean of $|e|^2$ over the clocks, and what descends is half of it.
#
# This is not an approximation. Here are two random matrices of width 64 that descend; their own 64 clocks; and `torch.optim.SGD` with two parameter groups.

# %%
network = linear_network(64, seed=1)
rates = 0.4 * unit(64), 0.9 * unit(64)
matrices = descend(network, *rates, steps=6)

w1, w2 = network.weights
v = torch.linalg.eigvals(8 * network.target @ (w1 @ w2).T)  # the targets of the 64 clocks; 8 is √64
a = b = torch.ones_like(v)
clocks = []
for _ in range(7):
    e = v - a * b / 8
    clocks.append(e.abs().square().mean())
    a, b = a + 0.4 * e * b.conj(), b + 0.9 * e * a.conj()
claim(
    "Matrices and clocks: the same loss at every step.", (torch.stack(clocks) - matrices).abs().max() < 1e-12
)

# %%
weights = [w.clone().requires_grad_() for w in network.weights]
groups = [{"params": [w], "lr": lr} for w, lr in zip(weights, rates, strict=True)]
optimizer = torch.optim.SGD(groups)
for _ in range(6):
    error = (weights[0] @ weights[1] / 64 - network.target).square().sum()
    optimizer.zero_grad()
    (error / 2).backward()
    optimizer.step()
found = (weights[0] @ weights[1] / 64 - network.target).square().sum()
claim("And PyTorch, with two parameter groups: the same.", abs(found - matrices[6]) < 1e-10)

# %% [markdown]
# ## What the study proves, and for what
#
# The study does not use this recursion. It leaves the network's own output out of the gradient: $e = v$. This *surrogate* is good while the network shows little, and its losses after one and two steps can be written down, as a mean over all random networks. With $p = \eta_1 + \eta_2$, $q = \eta_1\eta_2$ and $g = 1 + q/h^3$ they are
#
# $$ L_1 = \Big(\frac{p}{h^2} - 1\Big)^2 + \frac1h + \frac{q^2}{h^7} + \frac{2q}{h^5}, \qquad L_2 = \Big(\frac{2p}{h^2}\,g - 1\Big)^2 + \frac{g^4}{h} + \frac{16\,q^2}{h^7} + \frac{8\,q\,g^2}{h^5}. $$
#
# You can read the two steps off the first bracket, which holds the signal. In $L_1$ it is $p$, the sum. In $L_2$ it is $2p$, lengthened by $g$, and $g$ grows with the product. Everything else is noise.

# %%
p, q, h = 40_000.0, 20_000.0**2, 1000.0
g = 1 + q / h**3
by_hand = [
    (p / h**2 - 1) ** 2 + 1 / h + q**2 / h**7 + 2 * q / h**5,
    (2 * p * g / h**2 - 1) ** 2 + g**4 / h + 16 * q**2 / h**7 + 8 * q * g**2 / h**5,
]
ours = [closed_form(step, p / 2, p / 2, width=width).item() for step in (1, 2)]
recursion = losses(2, p / 2, p / 2, width=width, dynamics="surrogate").tolist()[1:]
for name, found in [("by hand", by_hand), ("by the recursion with e = v", recursion)]:
    apart = max(abs(a - b) for a, b in zip(ours, found, strict=True))
    claim(f"Our function and {name}: the same.", apart < 1e-12)

drawn = [descend(linear_network(64, seed=s), *rates, steps=2, dynamics="surrogate")[2] for s in range(20)]
mean, proven = torch.stack(drawn).mean(), closed_form(2, *rates, width=64)
claim(f"Twenty random networks: {mean:.3f}; the formula: {proven:.3f}.", abs(mean - proven) < 0.002)

# %% [markdown]
# How far is the surrogate from descent itself? With the width the distance falls like $1/h$.

# %%
for step in (1, 2):
    off = []
    for h in (250, 1000, 4000):
        eta = 0.63 * unit(h)  # half of 40,000 at width 1,000
        off.append(loss_after(step, eta, eta, width=h) - closed_form(step, eta, eta, width=h))
    print(f"Step {step}: too low by", ", ".join(f"{value:.4f}" for value in off))
    claim("From 1,000 to 4,000 it falls to about a quarter.", 0.2 < off[2] / off[1] < 0.3)
ends, middle = (closed_form(1, share * p, (1 - share) * p, width=width) for share in (0, 0.5))
kept = (middle - ends) / (one[20] - one[0])
claim(f"At step 1 it keeps {kept:.1f} of the difference between the splits.", abs(kept - 0.1) < 0.02)

# %% [markdown]
# It gets the sign right at step 1, and only a tenth of the size: it has the noise, and not the signal that is taken back. Does that matter? The surrogate says that equal rates are best at the second step from a budget of about $h$ on, here 1,000. We ask both.


# %%
def equal_is_best(dynamics, budget):
    """Whether half and half has the lowest loss of all splits after the second step."""
    found = loss_after(2, shares * budget, (1 - shares) * budget, width=width, dynamics=dynamics)
    return found.argmin().item() == 20


tried = [500, 1_100, 2_000, 6_000, 6_300, 27_000, 63_000]
says = {way: [equal_is_best(way, total) for total in tried] for way in ("surrogate", "exact")}
print("budget  surrogate  true descent")
for row in zip(tried, *says.values(), strict=True):
    print("{:6}  {!s:9}  {}".format(*row))
claim("The surrogate says equal from 1,100 on.", says["surrogate"] == [False] + [True] * 6)
claim(
    "Descent itself says so from 6,300 on, and not yet at 6,000.", says["exact"] == [False] * 4 + [True] * 3
)

# %% [markdown]
# So the theorem is right about the surrogate, and the surrogate's threshold is not that of gradient descent: that one lies at about six times the width. This is our own measurement. At the budgets of the study's figures both agree. **Choose "surrogate" in the picture above, at a budget of 4,000 and step 2**, and switch back. Then try the Gaussian start, which has no recursion and is trained with matrices: at small budgets the story is the same, at large ones it is not.
#
# The study has three layers too (Pang et al. 2026): the last one stands still, and the budgets are 30 to 100. The story is the same.

# %%
SplitView(3, at_budget=60, at_step=8, at_share=0.5)

# %%
three = losses(4, shares * 60, (1 - shares) * 60, width=width, layers=3)
print([f"step {step}: {shares[three[step].argmin()]:.2f}" for step in (1, 2, 3, 4)])
claim("Best at the first step: one end.", three[1].argmin() in (0, 40))
claim("At the second and the third: the middle.", three[2].argmin() == three[3].argmin() == 20)
claim("At the fourth: neither.", 0 < three[4].argmin() < 20)

# %% [markdown]
# ## Does it carry over to a real network?
#
# Now the same question for networks that no formula describes: four and eight linear layers, a network with ReLU, and one that reads real digits. Five seeds each. The first layer's share is varied, and the other layers divide the rest equally.

# %%
carry_guess = predict_choice(
    "14-carry",
    "The digits, a ReLU network with one hidden layer, a small budget: at step 1, and at step 48?",
    [
        "all to the first layer, then nearly equal",
        "equal from the start",
        "all to the last layer, then nearly equal",
    ],
)
carry_guess

# %% [markdown] tags=["teacher"]
# What came before helps only half-way: with random square layers both ends were alike. Ask those who name an end why it is that one. The first layer has more weights here, but we have not tested whether that is the reason.

# %% tags=["nbval-ignore-output"]
four, eight = (trained_splits(name, [0.95], steps=8) for name in ("four layers", "eight layers"))
relu = trained_splits("ReLU", [1.58], steps=16)
real = trained_splits("digits", [0.3, 1.0, 3.0], steps=48)
SplitView(real, at_budget=0.3, at_step=48, at_share=0.5, title="Digits")

# %% [markdown]
# The loss is the one on 300 training images, and each dot is the best split of one seed. **Look at the three budgets. In which of them does the order of the linear networks come back: first an end, then the middle?**

# %%
claim("Four linear layers: an end is best at step 1 from every seed.", (four.each[0, 0] == 1).all())
second = [((found.each[0, 1] - found.equal).abs() < 0.05).all() for found in (four, eight)]
claim("Four and eight: equal is best at step 2 from every seed.", all(second))
later = (eight.each[0, 7] - eight.equal).abs().min()
claim("Eight, at step 8: far from equal, from every seed.", later > 0.5)
spread = relu.each[0, 0]
claim("ReLU: at step 1 the seeds disagree, from one end to the other.", spread.max() - spread.min() > 0.9)
early, late = real.each[0, 0], real.each[0, -1]
claim("Digits at 0.3: all to the first layer at step 1, from every seed.", (early == 1).all())
claim("At step 48: 0.5 to 0.8 from every seed.", (late >= 0.5).all() and (late <= 0.8).all())
carry_guess.reveal(
    "all to the first layer, then nearly equal",
    "As in the linear network the order turns round once the signal is there. That the first layer begins is the digits' own.",
)

# %% [markdown]
# In the deep linear networks the order comes back as it was. In the ReLU network the first step has no order at all. On the digits it comes back at the two smaller budgets, with differences. The middle wins not at the *second* step but at a later one, and the smaller the budget, the later. And at a budget of 3, too large for half and half, the share of the first layer has to be small almost from the start.
#
# How much is it worth? We take the budget of 1.0 and ask at each step what equal rates cost.

# %%
middle = (real.shares - 0.5).abs().argmin()
gain = real.losses[1, :, middle] / real.losses[1].amin(-1)  # step
claim("At no step does equal cost more than a tenth over the best.", gain.max() < 1.1)
last = real.losses[1, -1]
claim("A bad split does: after step 48 the worst costs over 3 times the best.", last.max() > 3 * last.min())

# %% [markdown]
# The study also gives a recipe: at every step, divide the budget by the norms of the weights, each layer in proportion to the *other* layer's norm. We race it against equal rates and against two fixed splits, each at its own best rate, judged on test images.

# %% tags=["nbval-ignore-output"]
task = digits_task(seeds=10, steps=200, hidden=(32,), valid=300)
entered = [
    Contestant("SGD", name="equal"),
    Contestant("SGD", layers=opposite_norms, name="norm-driven"),
    Contestant("SGD", layers=(1.6, 0.4), name="more to the first"),
    Contestant("SGD", layers=(0.4, 1.6), name="more to the last"),
]
result = race(entered, lr=torch.logspace(-1.5, 0.5, 9), task=task, checkpoints=10)
RaceView(result, title="Who gets how much", at_budget=200)

# %%
table = result.table()
best, last = table.places[0].accuracy, table.places[-1].accuracy
claim("After 200 steps all four are within 3 points of each other.", best - last < 0.03)

# %% [markdown]
# Nobody wins: not the recipe, not equal rates, and not splits of four to one.
#
# So is it more than a nuance? For the first step it is not. Late in the linear networks it was worth factors of a hundred and more. On the digits, at one fixed budget, equal rates cost less than a tenth and a bad split three times the loss; where each split had a budget of its own, it cost nothing that we could see. What stays is the way of looking: a layer learns *through* the others, so its rate means something else at the first step than at the tenth and at the end.

# %% [markdown]
# ## Exercise
#
# One step of a clock whose hands cannot turn: real numbers, and the target is 1 or −1. And the study's recipe. Under each check there are hints, and a solution.


# %%
def moved(a, b, v, rate, delta):
    """Where the number a of one layer is after a step; b is the other layer's, delta * a * b is shown."""
    ### BEGIN SOLUTION
    return a + rate * (v - delta * a * b) * b
    ### END SOLUTION


check("14-step", moved)


# %%
def divide(budget, w1, w2):
    """The rates of two layers: they add up to budget, each in proportion to the norm of the OTHER's weights."""
    ### BEGIN SOLUTION
    share = (w2.norm() / (w1.norm() + w2.norm())).item()
    return budget * share, budget * (1 - share)
    ### END SOLUTION


check("14-divide", divide)

# %% [markdown]
# ## In your own words

# %%
explain("14-explain")

# %% [markdown]
# ## What to keep
#
# 1. Two random linear layers that share a budget want it unequal at the first step, equal while the signal grows, and unequal again near the end.
# 2. The first step sees the sum of the rates, the second one their product, and the end is limited by their geometric mean.
# 3. A theorem about a surrogate is no more than that, for here descent itself needed six times the budget; and two steps are only two steps, for what was said of all later ones held for a few.
#
# **Where implementations disagree.** The study's own plotting scripts drop the small last term of $L_1$; our formula has it. "Budget" is the sum of all trained layers' rates in this lesson and in the study. With four layers three are trained, so that "equal" is a third and not a half.
#
# **Sources.** Pang et al. (2026), arXiv 2606.00340: budgets, widths, closed forms and the recipe, taken from the authors' code and from an independent reproduction, not from the paper's text. Saxe, McClelland and Ganguli (2014), *Exact solutions to the nonlinear dynamics of learning in deep linear neural networks*: why linear networks are worth a look. Mezzadri (2007), *How to generate random matrices from the classical compact groups*.
