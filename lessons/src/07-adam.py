# %% [markdown]
# # 7 · Why does everybody start here?
#
# | | |
# |---|---|
# | **Question** | What does Adam do that made it the first choice, and what does it leave to you? |
# | **Afterwards you can** | build Adam from Momentum and RMSProp; say how long its steps are; say what ε does; tell what Adam adapts to and what you still have to find |
# | **Time** | 50 minutes |
# | **You need** | lesson 5; lesson 6 helps |
# | **Difficulty** | ●●○ |
#
# Ask which optimizer to take, and the answer is Adam. It has four numbers, with defaults that hardly anybody changes. This lesson takes it apart, and tests what is said of it.

# %%
import torch

from lwlr_teach.optim import Adam, Method, RMSprop, family
from lwlr_teach.problems import digits_task, ravine
from lwlr_teach.runs import Contestant, exponential_rates, race, sweep, train_ensemble
from lwlr_teach.schedules import Polynomial
from lwlr_teach.studies import train_at_the_edge
from lwlr_teach.teaching import (
    ask,
    begin,
    check,
    claim,
    explain,
    predict_choice,
    predict_number,
    recall,
    yours,
)
from lwlr_teach.views import CurvesView, FamilyView, Microscope, RaceView, RatesView, SurfaceView

begin("07-adam")

# %%
recall("07-adam")

# %% [markdown]
# ## An average over a root
#
# Momentum remembers directions: what points to and fro cancels, what agrees adds up. RMSProp remembers sizes: it divides each gradient by the root of its average square. **Adam** (Kingma and Ba 2015) does both.
#
# It keeps two averages for each weight. The first, $m$, averages gradients over about ten steps ($\beta_1 = 0.9$). The second, $v$, averages their squares over about a thousand ($\beta_2 = 0.999$). The step is the rate times $m/\sqrt v$.
#
# A driver could have two such instruments. One says where the road has been leading lately, the other how rough it is. Where the road keeps its direction you go at full speed, rough or smooth. Where it leads left, right, left, you hardly move.
#
# **Under the microscope at step 30: read Δp for the gradients *constant*, *noisy* and *changing sign*. Which of them gets the whole rate, which hardly any of it?**

# %%
Microscope(["Adam"], lr=0.1, at_step=30)

# %%
steps = {
    kind: abs(Microscope(["Adam"], gradients=kind, lr=0.1, at_step=30).values["Adam"]["Δp"])
    for kind in ("constant", "noisy", "changing sign")
}
said = ", ".join(f"{kind} {length:.3f}" for kind, length in steps.items())
claim(f"The lengths of step 30: {said}.", 0.099 < steps["constant"] < 0.101 and steps["changing sign"] < 0.01)

# %% [markdown]
# So the rate has a plain meaning: it is how far a weight moves in a step while its gradients agree. Multiply the loss by ten, and $m$ and $\sqrt v$ grow alike. That is one reason why everybody starts here. SGD's rate is another number in every problem. Adam's is a distance.
#
# ## Two averages that begin at nothing
#
# Both averages begin at 0. After the first gradient $m$ has a tenth of it, and $v$ a thousandth of its square. Both are too small. So Adam divides $m$ by $1-\beta_1^t$ and $v$ by $1-\beta_2^t$ at step $t$: by the share of the past that they have seen. This is the **bias correction**. Suppose that you forget it.

# %%
first_guess = predict_number(
    "07-uncorrected",
    "Without the correction: how many rates long is the first step?",
    exponential_rates(0.03, 30, 61),
    within=1.4,
    log=True,
)
first_guess

# %% [markdown] tags=["teacher"]
# Most expect a tenth: “m is too small, so the step is too small”. Some say 1. Let them write the two numbers of the text on the board, and take the root.

# %% [markdown]
# Here it is beside Adam, on a constant gradient. **Read both Δp at step 1. Then find the step at which the uncorrected one is longest.**


# %%
def uncorrected(grad, state, step):
    m = 0.9 * state["m"] + 0.1 * grad
    v = 0.999 * state["v"] + 0.001 * grad**2
    return m / (v.sqrt() + 1e-8), {"m": m, "v": v}


Microscope(["Adam", uncorrected], lr=0.1)

# %%
p = torch.zeros(3, dtype=torch.float64)
p.grad = torch.tensor([1e-3, 1.0, 1e3], dtype=torch.float64)
Adam([p], lr=0.1).step()
claim("Adam: first gradients of 0.001, 1 and 1,000, first steps of one rate.", (p + 0.1).abs().max() < 1e-5)

state, raw = dict.fromkeys("mv", torch.zeros(1)), []
for t in range(1, 101):
    direction, state = uncorrected(torch.ones(1), state, t)
    raw.append(direction.item())
longest = max(raw)
claim(
    f"Uncorrected: the first step is {raw[0]:.2f} rates long, step {raw.index(longest) + 1} is {longest:.2f}.",
    abs(raw[0] - 0.1 / 0.001**0.5) < 1e-3 and raw.index(longest) == 11,
)
claim(f"After 100 steps it has gone {sum(raw):.0f} rates, where Adam has gone 100.", 460 < sum(raw) < 470)
first_guess.reveal(
    raw[0], "The root of a thousandth is a thirtieth: the number below the line is the one that lacks more."
)

# %% [markdown]
# So the correction makes the first steps *shorter*. Without it they would be the longest of the run, just when least is known.
#
# ## After a silence
#
# You may read that a step of Adam is never longer than the rate. Take a weight that has had the gradient 0 for ten thousand steps. Then a single gradient of 1 arrives.

# %%
silence_guess = predict_choice(
    "07-silence",
    "How long is the step at that gradient?",
    ["a tenth of the rate, for m averages over ten steps", "the rate", "about three times the rate"],
)
silence_guess

# %% [markdown] tags=["teacher"]
# “The rate” is the usual answer: that is what the correction is for. Ask what t is by now, and what the correction is then.

# %% [markdown]
# The same silence is broken in three ways: by one gradient, by ten equal ones, and by gradients of which each is a ninth larger than the last. **Which of the three has the longest step, and does any of them stay within one rate?**

# %%
after = torch.zeros(60, 3, dtype=torch.float64)
after[0, 0] = 1
after[:10, 1] = 1
after[:, 2] = (10 / 9) ** torch.arange(60)
p = torch.zeros(3, dtype=torch.float64)
adam, places = Adam([p], lr=1.0), []
for p.grad in torch.cat([torch.zeros(10_000, 3, dtype=torch.float64), after]):
    adam.step()
    places.append(p.clone())
lengths = -torch.stack(places).diff(dim=0)[-60:]
names = ["one gradient", "ten equal ones", "growing ones"]
curves = dict(zip(names, lengths.T, strict=True)) | {"the rate": torch.ones(60)}
CurvesView(curves, y="step, in rates", first=1, title="After a silence", at=1)

# %%
one, ten, growing = lengths.amax(0).tolist()
bound = 0.1 / 0.001**0.5 / (1 - 0.9**2 / 0.999) ** 0.5
claim(f"One gradient: {one:.2f} rates, as (1 − β₁)/√(1 − β₂) says.", abs(one - 0.1 / 0.001**0.5) < 1e-3)
claim(f"Ten equal ones: up to {ten:.1f}. Growing ones: up to {growing:.2f}.", 6.4 < ten < 6.6)
claim(f"The most that any gradients can do is {bound:.2f}.", abs(growing / bound - 1) < 0.001)
silence_guess.reveal(
    "about three times the rate",
    "A silence takes both averages back to 0, as at the start. But the correction counts from the start of the run, and has gone.",
)

# %% [markdown]
# A silence is a second beginning, and nothing corrects it. Rare words meet it every day. The bound follows from the inequality of Cauchy and Schwarz.
#
# ## What ε is for
#
# The divisor is $\sqrt{v}+\varepsilon$ with $\varepsilon = 10^{-8}$. “That is only there so that nobody divides by 0.” So let us make it larger, and see.
#
# Below, *between* is Adam with an ε of your choice. Its step is multiplied by $1+\varepsilon$, so that a large ε does not make it short. **Move ε from one end to the other. Whose path does it take at either end, and where does it change over?**


# %%
def momentum(grad, state, step):
    m = 0.9 * state["m"] + 0.1 * grad
    return m / (1 - 0.9**step), {"m": m}


def between(grad, state, step, *, epsilon=1e-8):
    m_hat, new = momentum(grad, state, step)
    v = 0.999 * state["v"] + 0.001 * grad**2
    root = (v / (1 - 0.999**step)).sqrt()
    return (1 + epsilon) * m_hat / (root + epsilon), new | {"v": v}


valley, start = ravine(50, degrees=0), (-2.2, -0.8)
epsilons = [10.0**k for k in range(-8, 6)]
SurfaceView(
    valley, ["Adam", between, momentum], momentum=[0.9], epsilon=epsilons, start=start, at_lr=0.04, at_step=80
)

# %%
runs = sweep(
    valley, ["Adam", between, momentum], lr=[0.04], epsilon=[1e-8, 1e5], steps=100, starts=[start]
).paths
adam_path, (small, large), by_momentum = runs[0, 0, 0, 0], runs[1, 0, :, 0], runs[2, 0, 0, 0]
claim("ε = 10⁻⁸: between is where Adam is.", (small - adam_path).abs().max() < 1e-5)
claim("ε = 10⁵: it is where momentum is, within 0.05.", (large - by_momentum).abs().max() < 0.05)
gentle, steep = valley.grad(torch.tensor([start], dtype=torch.float64)).abs().squeeze().tolist()
claim(f"At the start the gradients have the sizes {gentle:.1f} and {steep:.0f}.", steep > 10 * gentle)

# %% [markdown]
# Once ε is far larger than every root, the divisor is ε for all weights: they share one rate again, $\eta/\varepsilon$, and what is left is momentum. It changes over gradually, where ε comes to the size of the gradients. So ε is a size, in the gradient's own unit, and whoever multiplies the loss by ten has to multiply it, too.
#
# A common piece of advice is to raise ε from $10^{-8}$ to $10^{-6}$. Here are the digits with both, and with a large one. **Compare the three training curves at a rate of 0.01. Then look for the rate at which ε = 1 does as well.**

# %% tags=["nbval-ignore-output"]
# This takes about five seconds.
task = digits_task(seeds=8, steps=300, batch_size=16)
with_eps = [
    Method(f"ε = {text}", Adam, {"eps": eps}) for text, eps in [("10⁻⁸", 1e-8), ("10⁻⁶", 1e-6), ("1", 1.0)]
]
trained = train_ensemble(with_eps, lr=exponential_rates(0.001, 3, 8), task=task)
RatesView(trained, at_lr=0.01)

# %%
usual, raised, large = trained.train_loss.median(-1).values  # (ε, rate)
claim(
    "From 10⁻⁸ to 10⁻⁶ the loss at a rate of 0.01 changes by less than 10%.",
    abs(raised[2] / usual[2] - 1) < 0.1,
)
times = trained.lr[large.argmin()] / trained.lr[usual.argmin()]
claim("With ε = 1 the best rate is more than five times as large.", times > 5)
half = torch.zeros(1, dtype=torch.float16)
claim("In float16 the number 10⁻⁸ is 0, and 10⁻⁶ is not.", half + 1e-8 == 0 and half + 1e-6 > 0)
half.grad = torch.zeros_like(half)
torch.optim.Adam([half]).step()
claim("So PyTorch's Adam turns a float16 weight with the gradient 0 into 0/0: no number.", half.isnan())

# %% [markdown]
# The advice makes no difference here that could be told from chance. In half precision it makes all the difference. And a large ε wants momentum's rates.
#
# ## What it adapts to
#
# An *adaptive* rate: adapted to what? Take the simplest, RMSProp with a single average $\nu$ for the whole network. It is gradient descent with a rate of its own, $\eta/\sqrt\nu$. Gradient descent has an edge (lesson 1): it works while the rate times the largest curvature is below 2. That curvature is called the **sharpness** of the network. We measure it at every step, and multiply.
#
# To have no noise, each step sees all of 100 digits. **Slide along the curve. Which number does it come to, and is it often above it?**

# %% tags=["nbval-ignore-output"]
# This takes about six seconds.
edge = train_at_the_edge([0.01, 0.03, 0.1], seeds=2)
CurvesView(
    {"own rate × sharpness": edge.product[1, 0], "average over 50 steps": edge.average()[1, 0]},
    y="own rate × sharpness",
    first=1,
    title="RMSProp with one average, rate 0.03",
    at=250,
)

# %%
settled = edge.product[..., -200:].mean(-1)
claim("At 0.01, 0.03 and 0.1 the last 200 steps average 2, within 15%.", (settled - 2).abs().max() < 0.3)
ends = [values[..., -200:].mean((1, 2)) for values in (edge.own_rate, edge.sharpness)]
grown, flatter = (end[2] / end[0] for end in ends)
claim("From 0.01 to 0.1, ten times the rate, the own rate grows less than fourfold.", 1.5 < grown < 4)
claim("The network ends in a place that is more than a third flatter.", flatter < 2 / 3)

# %% [markdown]
# Below 2 training goes well, and the product grows. Above 2 the run jumps from wall to wall, a little further each time. The gradients grow, $\nu$ grows, the own rate falls, and the jumping drives the network to where it is flatter. So it comes back to 2, from both sides. Cohen et al. (2025) found this by looking at the average over time and not at single steps.
#
# Adam, with a rate for each weight, comes to an edge of its own: the curvature that its own rates see settles at $38/\eta$ (Cohen et al. 2022).
#
# So, where there is no noise, an adaptive rate adapts to the *edge*: as fast as is possible without exploding. It does not adapt to the goal, and nothing in it knows when to slow down.
#
# ## A game with one number
#
# “Adam always converges where the problem is convex.” Here is a game with one number between −1 and 1. Once in three steps the gradient is 3, else it is −1. Together that is +1 in three steps, so the number should go down, to −1.
#
# Let Adam have a short memory: $\beta_1 = 0$ and $\beta_2 = 0.1$. Its rate falls like $1/\sqrt t$.

# %%
game_guess = predict_choice(
    "07-game", "Where does Adam end?", ["at −1, the best place", "near 0", "at +1, the worst place"]
)
game_guess

# %% [markdown] tags=["teacher"]
# Many trust the falling rate and say −1. Ask how long the step is at a gradient of 3, and how long at −1, when each is divided by its own size. Then count.

# %% [markdown]
# **AMSGrad** (Reddi, Kale and Kumar 2018) divides by the root of the largest $v$ so far. **Hide all but one curve at a time: which end where they should?**


# %%
def play(betas, steps=1000, **settings):
    """The number after each step of the game, for each β₂."""
    x, places = torch.zeros_like(betas), []
    optimizer = Adam([x], lr=0.5, betas=(0.0, betas), **settings)
    for t in range(1, steps + 1):
        x.grad = torch.full_like(x, 3.0 if t % 3 == 1 else -1.0)
        optimizer.param_groups[0]["lr"] = 0.5 / t**0.5
        optimizer.step()
        x.clamp_(-1, 1)
        places.append(x.clone())
    return torch.stack(places, 1)


short, long = play(torch.tensor([0.1, 0.999], dtype=torch.float64))
(largest,) = play(torch.tensor([0.1], dtype=torch.float64), amsgrad=True)
games = {"Adam, β₂ = 0.1": short, "AMSGrad, β₂ = 0.1": largest, "Adam, β₂ = 0.999": long}
CurvesView(games, y="the number", first=1, title="The game", at=100)

# %%
claim("Adam with β₂ = 0.1 ends above 0.9, near the worst place.", short[-100:].min() > 0.9)
claim("AMSGrad ends below −0.9.", largest[-100:].max() < -0.9)
claim("So does Adam with the usual β₂.", long[-100:].max() < -0.9)
game_guess.reveal(
    "at +1, the worst place",
    "Divided by its own size, the 3 makes a step hardly longer than the −1 does. And there are two of those.",
)

# %% [markdown]
# What fails is a memory shorter than the time between important gradients. With 0.999 Adam remembers a thousand steps, and a gradient that comes every third one is not forgotten. Reddi et al. (2018) prove that for every $\beta_2$ below 1 there is such a game, whose large gradient is rarer and larger than our 3. It is a warning about rare and large gradients. It is no reason to expect more of AMSGrad on a network.
#
# ## A real network, fairly raced
#
# The digits again, in batches of only 16, so that the gradients are noisy. Momentum, RMSProp and Adam run with constant rates. Momentum and Adam also run with a rate that falls linearly to 0 (lesson 3). Each has its own best rate, chosen by three seeds and judged by five others.

# %%
schedule_guess = predict_choice(
    "07-schedule",
    "Adam constant or Adam falling: which ends with the lower loss?",
    ["the constant one: Adam lowers its own rates", "no difference beyond chance", "the falling one"],
)
schedule_guess

# %% [markdown] tags=["teacher"]
# “Adam needs no schedule” is widely believed. Ask what m/√v is when the loss is nearly at its lowest and only noise is left: does the noise become smaller?

# %% [markdown]
# **Give all of them the same rate, 0.001, which is Adam's default. How many points does Adam give away?**

# %% tags=["nbval-ignore-output"]
# This takes about ten seconds.
falling = Polynomial(300)
contestants = [
    "Momentum",
    "RMSprop",
    "Adam",
    Contestant("Momentum", falling, name="Momentum, falling"),
    Contestant("Adam", falling, name="Adam, falling"),
]
setting = dict(seeds=8, steps=300, batch_size=16, valid=300)
rates = exponential_rates(0.001, 1, 10)
runs = race(contestants, lr=rates, task=digits_task(**setting), checkpoints=1)
RaceView(runs)


# %%
def judged(runs):
    """The loss of the judges at each rate, median: (contestant, rate); and the best rate's index for each."""
    return runs.valid_loss[:, :, 3:, -1].median(-1).values, runs.best[:, -1]


loss, best = judged(runs)
own = loss.gather(1, best[:, None]).squeeze(1)
tenfold = (best + 3).clamp(max=9)

# %%
right = [runs.table()[name].accuracy for name in ("Momentum", "RMSprop", "Adam")]
claim(
    "Constant rates: the three are less than four points apart on the test images.",
    max(right) - min(right) < 0.04,
)
claim("A falling rate lowers Adam's loss.", own[4] < own[2])
claim("It lowers Momentum's, too.", own[3] < own[0])
claim("Adam's best rate is larger if it falls.", best[4] > best[2])
claim(
    "At the default 0.001 Adam's loss is more than twice as high as at its best rate.",
    loss[2, 0] > 2 * own[2],
)
claim("At ten times its best rate, too, it is clearly higher.", loss[2, tenfold[2]] > 1.4 * own[2])
claim("For Momentum ten times is more than twice the loss.", loss[0, tenfold[0]] > 2 * own[0])
worse = loss[[0, 2], tenfold[[0, 2]]] / own[[0, 2]]
claim("It loses more by that than Adam does.", worse[0] > worse[1])
schedule_guess.reveal(
    "the falling one",
    "Noise is divided by its own size. While there is noise, Adam's steps stay long, and only a schedule shortens them.",
)

# %% [markdown]
# At equal care neither optimizer is ahead of the other. What helped was the schedule, and it helped both. The default 0.001 is far too small for so short a run. So Adam finds the *scale* of its rate, and you have to find its size.
#
# Why does everybody start here, then? Because its number travels. It is a distance, and does not depend on the unit of the loss. And a rate that is ten times too large costs Adam less than it costs Momentum. It is a good place to start, and no place to stop.
#
# It is also said to work well together with **batch normalisation**, which gives the inputs of each unit the mean 0 and the size 1 over the batch. With it:

# %% tags=["nbval-ignore-output"]
# This takes about eight seconds.
normalised = race(contestants[:3], lr=rates, task=digits_task(**setting, batch_norm=True), checkpoints=1)
print(normalised.table())

# %%
with_norm, its_best = judged(normalised)
own_with_norm = with_norm.gather(1, its_best[:, None]).squeeze(1)
claim("Normalised, each of the three ends with a lower loss.", (own_with_norm < own[:3]).all())
claim("At a rate of 0.2 Adam's loss is less than half as high.", with_norm[2, 7] < loss[2, 7] / 2)
claim("The default 0.001 still gives more than twice the best loss.", with_norm[2, 0] > 2 * own_with_norm[2])

# %% [markdown]
# True, then, and just as true of the other two. Normalisation forgives a rate that is too large.
#
# ## The rule
#
# For each weight by itself, with $m = v = 0$ at first and $t = 1$ at the first step:
#
# $$ m \leftarrow \beta_1 m + (1-\beta_1)\,g, \qquad v \leftarrow \beta_2 v + (1-\beta_2)\,g^2 $$
#
# $$ \hat m = \frac{m}{1-\beta_1^t}, \qquad \hat v = \frac{v}{1-\beta_2^t}, \qquad p \leftarrow p - \eta\,\frac{\hat m}{\sqrt{\hat v}+\varepsilon} $$


# %%
def walk(make, times=1.0, steps=50, **settings):
    """The way down the valley with an optimizer, with the loss multiplied."""
    p, way = torch.tensor([start], dtype=torch.float64), []
    optimizer = make([p], lr=0.1, **settings)
    for _ in range(steps):
        p.grad = times * valley.grad(p)
        optimizer.step()
        way.append(p.squeeze().clone())
    return torch.stack(way)


by_hand, m, v, way = torch.tensor([start], dtype=torch.float64), 0.0, 0.0, []
for t in range(1, 51):
    g = valley.grad(by_hand)
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    by_hand = by_hand - 0.1 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    way.append(by_hand.squeeze())

# %%
ours = walk(Adam)
apart = max((torch.stack(way) - ours).abs().max(), (walk(torch.optim.Adam) - ours).abs().max())
claim("By hand, by PyTorch's and by ours: the same 50 places.", apart < 1e-9)
claim("Loss × 10: the same places.", (walk(Adam, 10.0) - ours).abs().max() < 1e-6)
with_eps_too = walk(Adam, 10.0, eps=10.0) - walk(Adam, eps=1.0)
claim("With a large ε: the same places if ε is multiplied, too.", with_eps_too.abs().max() < 1e-6)
no_memory = walk(Adam, steps=1, betas=(0.0, 0.999))[0] - torch.tensor(start)
rms = walk(RMSprop, steps=1, alpha=0.999)[0] - torch.tensor(start)
claim(
    "With β₁ = 0 the first step is RMSProp's, but for the correction √(1 − β₂).",
    (no_memory / rms - 0.001**0.5).abs().max() < 1e-6,
)

# %% [markdown]
# ## The family
#
# Here is where Adam comes from. Each card is a rule as it runs in this course, line by line, with $d$ for the direction. A line with + is in none of the rules above it, whatever names they use. **Click on the cards from top to bottom: which one line makes RMSProp of Adagrad? Which line has Adam taken over as it was?**

# %%
FamilyView(chosen="RMSprop")

# %%
new = {member.name: member.new for member in family()}
print("RMSprop:", *new["RMSprop"])
counts = [len(new[name]) for name in ("RMSprop", "AMSGrad", "Adam")]
claim("One line makes RMSProp of Adagrad, two make AMSGrad of Adam.", counts[:2] == [1, 2])
claim("Of Adam's five lines four are in neither parent.", counts[2] == 4)

# %% [markdown]
# RMSProp puts an average in the place of a sum. Adam takes this average over, under the name of $v$, and nothing else as it was: in the place of Momentum's sum it has an average, too. Then come the corrections, and a last line in which $\hat m$ stands where RMSProp had $g$.
#
# ## Exercise
#
# Which rule is this?

# %%
ask("07-which-sum", "07-beta-zero", "07-large-eps")

# %% [markdown]
# Now you build Adam, from its end to its beginning. First only the last line is missing. All three functions have the same name, and take and return the same.


# %%
def step(p, g, m, v, t, lr, betas, eps):
    """The new p, m and v after step t of Adam."""
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    m_hat = m / (1 - betas[0] ** t)
    v_hat = v / (1 - betas[1] ** t)
    ### BEGIN SOLUTION
    return p - lr * m_hat / (v_hat.sqrt() + eps), m, v
    ### END SOLUTION


check("07-last-line", step)

# %% [markdown]
# Now the corrections are missing, too.


# %%
def step(p, g, m, v, t, lr, betas, eps):
    """The new p, m and v after step t of Adam."""
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    ### BEGIN SOLUTION
    m_hat = m / (1 - betas[0] ** t)
    v_hat = v / (1 - betas[1] ** t)
    return p - lr * m_hat / (v_hat.sqrt() + eps), m, v
    ### END SOLUTION


check("07-correction", step)

# %% [markdown]
# And all of it, without looking.


# %%
def step(p, g, m, v, t, lr, betas, eps):
    """The new p, m and v after step t of Adam from p, where the gradient is g."""
    ### BEGIN SOLUTION
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    m_hat = m / (1 - betas[0] ** t)
    v_hat = v / (1 - betas[1] ** t)
    return p - lr * m_hat / (v_hat.sqrt() + eps), m, v
    ### END SOLUTION


check("07-adam", step)

# %% [markdown]
# Once it is right, it runs in your browser, and trains the digits. Both go the same way, and yours covers ours: untick yours, and ours comes to light.

# %%
SurfaceView("beale", ["Adam", *yours("07-adam", step)], at_lr=0.1)

# %% tags=["nbval-ignore-output"]
mine = train_ensemble(["Adam", *yours("07-adam", step)], lr=exponential_rates(0.001, 0.1, 5), task=task)
RatesView(mine, at_lr=0.01)

# %% [markdown]
# ## In your own words

# %%
explain("07-explain")

# %% [markdown]
# ## What to keep
#
# 1. Adam is Momentum's average over RMSProp's root, both corrected for their beginning, so that its rate is about how far a weight moves in a step.
# 2. It adapts to the scale of the gradients and to the edge of stability, and neither tells it how large the rate should be or when it should fall.
# 3. Its steps can be longer than the rate after a silence, a large ε turns it into momentum, and a short memory can lead it the wrong way.
#
# **Where libraries disagree.** PyTorch adds ε to the root of the corrected $v$. Keras adds it to the root of the uncorrected one, and takes $10^{-7}$, so that it counts for more in the first steps. optax has a second ε inside the root, `eps_root`. In AMSGrad PyTorch and Keras take the maximum before the correction, optax after it.
#
# **Sources.** Kingma and Ba (2015), *Adam: A method for stochastic optimization*: the rule, the correction, and the step after a silence. Reddi, Kale and Kumar (2018), *On the convergence of Adam and beyond*: the game, and AMSGrad. Cohen, Damian, Talwalkar, Kolter and Lee (2025), *Understanding optimization in deep learning with central flows*, and Cohen et al. (2022), *Adaptive gradient methods at the edge of stability*: what adaptive methods adapt to. Ioffe and Szegedy (2015), *Batch normalization*: normalised networks.
