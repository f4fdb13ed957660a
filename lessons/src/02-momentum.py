# %% [markdown]
# # 2 · Why remember?
#
# | | |
# |---|---|
# | **Question** | What does a memory of earlier gradients change, and what does it cost? |
# | **Afterwards you can** | say what momentum adds up and what it cancels; compute the largest and the best rate for a valley; translate a rate from one library's momentum to another's |
# | **Time** | 50 minutes |
# | **You need** | lesson 1 |
# | **Difficulty** | ●●○ |
#
# Lesson 1 ended with a dilemma. One rate serves all directions: the steepest one sets the limit, the gentlest one sets the time. This lesson shows the oldest way out.

# %%
import torch

from lwlr_teach.optim import SGD
from lwlr_teach.problems import best_rate, best_settings, edge, quadratic, terminal_speed
from lwlr_teach.runs import race, sweep, train_ensemble
from lwlr_teach.studies import sweep_momentum
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, predict_number, recall, yours
from lwlr_teach.views import CurvesView, MomentumView, RatesView, SurfaceView

begin("02-momentum")

# %% [markdown]
# ## Recall
#
# Before anything new, some questions from lesson 1.

# %%
recall("02-momentum")

# %% [markdown]
# ## The hiker and the ball
#
# The hiker of lesson 1 was you, and you forget. At every step you feel the slope under your feet and follow it, as if you had just woken up there. In a long, narrow valley you cross from wall to wall. Each time you get a small step along the valley, and you do not notice that the small steps all point the same way.
#
# Now let a heavy ball roll down instead. It has mass, so it keeps a part of its speed. Pushes to the left and to the right cancel each other. Small pushes along the valley add up.
#
# Drivers who remember do the same: after three corrections, left, right, left, they know that the road is straight.
#
# The method is called **momentum**, or the **heavy ball**. One new number, $\beta$, says how much of the speed is kept from step to step. Here is a valley that is a hundred times more curved across than along. First, how long does SGD take?


# %%
def arrival(path):
    """The step from which on a path (steps, 2) is a thousand times closer to the goal than at its start."""
    near = path.norm(dim=-1) < path[0].norm() / 1000
    return len(near) - near.flip(0).int().cumprod(0).sum().item()


valley = quadratic(100)
plain = best_rate(1, 100)  # curvatures 1 and 100
runs = sweep(valley, ["SGD"], lr=[plain], steps=400)
sgd_steps = arrival(runs.paths[0, 0, 0])
claim(
    f"SGD at its best rate, {plain:.4f}: a thousand times closer after {sgd_steps} steps.",
    330 < sgd_steps < 350,
)

# %%
steps_guess = predict_number(
    "02-steps",
    "How many steps does Momentum need at its best rate and its best β?",
    torch.arange(10, 401, 10),
    within=20,
)
steps_guess

# %% [markdown] tags=["teacher"]
# Most guess between 150 and 250: people expect that a good trick saves a third or a half. Let the class compete for the fewest steps in the next picture before the best values are named. About eight minutes.

# %% [markdown]
# Both sliders count now. **Find the rate and the momentum at which Momentum's curve falls fastest.** Then put the momentum to 0.99 and look at the path: what does a ball do that forgets almost nothing?

# %%
SurfaceView(
    valley, ["SGD", "Momentum"], lr=0.001 * torch.arange(1, 41), steps=200, at_lr=0.015, at_momentum=0.5
)

# %% [markdown]
# With little momentum the ball is a hiker. With too much it rolls through the goal, up the other side and back, for a long time: a ball that does not forget cannot stop. The best lies between.

# %%
ball = best_settings(1, 100)  # a formula; the second half of this lesson explains it
runs = sweep(valley, ["Momentum"], lr=[ball.lr], momentum=[ball.momentum, 0.99], steps=2000)
ball_steps, restless = (arrival(path) for path in runs.paths[0, 0, :, 0])

claim(
    f"Momentum at rate {ball.lr:.3f} and β = {ball.momentum:.2f}: {ball_steps} steps.",
    ball_steps < sgd_steps / 5,
)
claim(f"With β = 0.99 it is restless for more than a thousand: {restless}.", restless > 1000)
steps_guess.reveal(
    ball_steps,
    "Steps across the valley cancel, steps along it add up: about √100 = 10 times fewer, less what the ball swings.",
)

# %% [markdown]
# ## A larger edge, and a smaller one
#
# The best rate that you found is larger than SGD's edge, 2/100. How can that be?
#
# There is a second kind of momentum. **Nesterov's** method does not use the slope where the ball is. It looks a little ahead, to where the ball's speed is about to carry it, and corrects the speed by the slope there. It is often said to be the more stable of the two.

# %%
edge_guess = predict_choice(
    "02-edges",
    "Momentum 0.9. In which order do the edges come, from the largest rate that still works to the smallest?",
    [
        "Nesterov, heavy ball, SGD",
        "heavy ball, Nesterov, SGD",
        "heavy ball, SGD, Nesterov",
        "all three are equal",
    ],
)
edge_guess

# %% [markdown] tags=["teacher"]
# "Nesterov first" is the usual guess: it is described as careful, and careful sounds like stable. Near the edge that is wrong: every step lands on the other wall, so what lies ahead is the other wall, and looking there lengthens the step. Let them draw it.

# %% [markdown]
# The next picture is a map of all settings at once. To the right the rate grows, upwards the momentum. Each little cell is a run, and its colour says how many steps bring the goal ten times closer: yellow is fast. The line and the star are not measured. They are theory, and you will see in a moment where they come from.
#
# The valley here has the curvature 1 in its steepest direction, whatever its shape. So SGD's edge is always at 2.
#
# **Put the momentum to 0.9 and find the edge, for the heavy ball and for Nesterov.** You can also drag on the map itself.

# %%
all_runs = sweep_momentum()
MomentumView(all_runs, at_lr=1.9, at_momentum=0.0)

# %% [markdown]
# On the edge the run jumps from wall to wall for ever, always equally far. So its slopes are $g, -g, g, -g$, and the two kinds of memory do different things with them.
#
# - **The heavy ball** keeps $g - \beta g + \beta^2 g - \dots = g/(1+\beta)$. The old slopes shorten the step, so the edge lies $1+\beta$ times further out.
# - **Nesterov** steps by the newest slope plus $\beta$ times that memory: $g + \beta g/(1+\beta)$. Looking ahead lengthens the step, because ahead is the other wall. Its edge lies further in.
#
# | method | edge | with β = 0.9 and λ = 1 |
# |---|---|---|
# | SGD | $2/\lambda$ | 2 |
# | heavy ball | $(2+2\beta)/\lambda$ | 3.8 |
# | Nesterov | $(2+2\beta)/((1+2\beta)\lambda)$ | 1.357 |
#
# We measure it again, 1% on either side of each edge.

# %%
edges = {"Momentum": edge(1, 0.9), "Nesterov": edge(1, 0.9, nesterov=True)}
bowl = quadratic(1)
for name, at in edges.items():
    runs = sweep(bowl, [name], lr=[0.99 * at, 1.01 * at], momentum=[0.9], steps=2000)
    below, above = runs.losses[0, :, 0, 0, -1] / runs.losses[0, :, 0, 0, 0]
    claim(
        f"{name}: the edge should be at {at:.3f}. Measured: it lies within 1% of that.",
        below < 1e-3 and above > 1e3,
    )
ball_edge, ahead_edge = edges.values()
claim(
    f"The order is heavy ball ({ball_edge:.1f}), SGD ({edge(1):.0f}), Nesterov ({ahead_edge:.3f}).",
    ball_edge > edge(1) > ahead_edge,
)

# %%
edge_guess.reveal(
    "heavy ball, SGD, Nesterov",
    "From wall to wall the slopes cancel in the ball's memory; to look ahead is to look at the other wall.",
)

# %% [markdown]
# So Nesterov's caution has a price. It also has a use: with too much momentum it comes to rest sooner.

# %%
runs = sweep(valley, ["Momentum", "Nesterov"], lr=[0.01], momentum=[0.99], steps=2000)
swinging, calmer = (arrival(path) for path in runs.paths[:, 0, 0, 0])
claim(
    f"β = 0.99, rate 0.01: the heavy ball needs {swinging} steps, Nesterov {calmer}.", calmer < 0.7 * swinging
)

# %% [markdown]
# ## The best rate and the best momentum
#
# A valley can be narrower or rounder. The number for that is the **condition number** $\kappa$: the largest curvature divided by the smallest. A round bowl has 1. So far we had 100. Real networks have far larger ones.
#
# For SGD the best rate is $2/(\lambda_1+\lambda_n)$, in the middle between too slow for the gentlest direction and too fast for the steepest. Each step then shrinks the distance by the factor $(\kappa-1)/(\kappa+1)$.

# %%
condition_guess = predict_choice(
    "02-condition",
    "κ grows from 10 to 1000. How many times as many steps does the heavy ball need, at its best settings?",
    ["100 times, as SGD does", "about 10 times", "about twice", "as many as before"],
)
condition_guess

# %% [markdown] tags=["teacher"]
# "100 times, as SGD does" and "about twice" are both common. The root is hard to guess and easy to see: have them read the steps at the star for the three condition numbers and divide.

# %% [markdown]
# **For each of the three condition numbers press *go to the fastest*, and note how many steps bring the ball ten times closer.** Then compare with the best that SGD can do, on the lowest row of the map: put the momentum to 0 and look for the rate.

# %%
MomentumView(all_runs, at_condition=10, at_lr=2.3, at_momentum=0.275)

# %% [markdown]
# In the long run a step multiplies the distance in each direction by one number. Without momentum that number was $1-\eta\lambda$. With momentum there are two cases: the ball swings, or it creeps.
#
# **It swings** if it has much momentum. Then each step shrinks the distance by $\sqrt\beta$, whatever the rate and the curvature. So less momentum is faster.
#
# **It creeps** if it has too little, and it creeps first where the valley is gentlest. A larger rate helps against that. But the rate has an edge, where the steepest direction explodes.
#
# So take the largest rate that the steepest direction allows, and the least momentum at which the gentlest one does not creep. There both are equally fast, and that is the optimum (Polyak 1964):
#
# $$ \eta = \Big(\frac{2}{\sqrt{\lambda_1}+\sqrt{\lambda_n}}\Big)^2, \qquad \beta = \Big(\frac{\sqrt\kappa-1}{\sqrt\kappa+1}\Big)^2, \qquad \text{factor} = \frac{\sqrt\kappa-1}{\sqrt\kappa+1} $$
#
# Compare the factor with SGD's: $\kappa$ has become $\sqrt\kappa$. (Exactly at the star a run is a little slower than the factor says, and the dots of the lower picture leave the line: between swinging and creeping the distance shrinks like $n\cdot\text{factor}^n$, and the $n$ takes its time to be forgotten.)

# %%
needed = []
for kappa in (10, 100, 1000):
    ball, plain = best_settings(1, kappa), best_rate(1, kappa)
    runs = sweep(
        quadratic(kappa),
        ["SGD", "Momentum"],
        lr=[plain, ball.lr],
        momentum=[ball.momentum],
        steps=4000,
    )
    pair = arrival(runs.paths[0, 0, 0, 0]), arrival(runs.paths[1, 1, 0, 0])
    needed.append(pair)
    claim(f"κ = {kappa}: SGD {pair[0]} steps, the heavy ball {pair[1]}.", pair[1] < pair[0])

sgd_grows, ball_grows = (last / first for first, last in zip(needed[0], needed[-1], strict=True))
claim(
    f"From κ = 10 to 1000: SGD {sgd_grows:.0f} times as many, the heavy ball {ball_grows:.0f} times.",
    ball_grows < 15,
)
# %%
condition_guess.reveal("about 10 times", "κ grows a hundredfold, and the steps grow with its root.")

# %% [markdown]
# All this is exact for a quadratic. A network is not one, and nobody knows its curvatures. What carries over is the shape of the map: more momentum wants a matching rate, and the best of both lies near an edge.

# %% [markdown]
# ## The rule
#
# In words: the memory keeps $\beta$ of itself and takes in the new slope; the step goes along the memory. This memory is called the **buffer** $b$. In the line of the four words only the *direction* has changed.
#
# $$ b \;\leftarrow\; \beta\, b + g, \qquad p \;\leftarrow\; p - \eta\, b \quad\text{(heavy ball)}, \qquad p \;\leftarrow\; p - \eta\,(g + \beta\, b) \quad\text{(Nesterov)} $$

# %%
by_hand = torch.tensor([valley.start], dtype=torch.float64)
ours, theirs, buffer = by_hand.clone(), by_hand.clone(), torch.zeros_like(by_hand)
our_sgd = SGD([ours], lr=0.01, momentum=0.9, nesterov=True)
torch_sgd = torch.optim.SGD([theirs], lr=0.01, momentum=0.9, nesterov=True)
for _ in range(5):
    ours.grad, theirs.grad = valley.grad(ours), valley.grad(theirs)
    our_sgd.step()
    torch_sgd.step()
    slope = valley.grad(by_hand)
    buffer = 0.9 * buffer + slope
    by_hand = by_hand - 0.01 * (slope + 0.9 * buffer)

apart = max((ours - by_hand).abs().max(), (ours - theirs).abs().max())
claim("Nesterov by hand, by our SGD and by PyTorch's: the same point after five steps.", apart < 1e-12)

# %% [markdown]
# ### Momentum is not only smoothing
#
# Many people say that "momentum smooths the gradient". A smoothed gradient would be as long as the gradient. The buffer is not: on a steady slope it grows to $g + \beta g + \beta^2 g + \dots = g/(1-\beta)$, the terminal speed of the ball. With $\beta = 0.9$ that is ten slopes.
#
# So to switch momentum on and leave the rate alone is, on a steady slope, to take a rate ten times as large. Some libraries offer **dampening**, which lets only a part of the slope into the buffer. With a dampening equal to $\beta$ the buffer is an average, and its speed is that of plain SGD. The same word "momentum 0.9" then means a tenth of the step.
#
# Here is how far each of them goes in each step, on a steady slope of 1. The rate is 0.05, and after 60 steps it falls to a tenth. **Read off the three speeds at step 59.**


# %%
def step_lengths(drop_at, steps, **settings):
    """How far SGD goes in each step on a steady slope of 1; the rate 0.05 falls to a tenth on the way."""
    p = torch.zeros(1, dtype=torch.float64)
    optimizer, lengths = SGD([p], lr=0.05, **settings), []
    for t in range(steps):
        optimizer.param_groups[0]["lr"] = 0.05 if t < drop_at else 0.005
        before, p.grad = p.clone(), torch.ones_like(p)
        optimizer.step()
        lengths.append((before - p).item())
    return lengths


lengths = {
    "no momentum": step_lengths(60, 90),
    "momentum 0.9": step_lengths(60, 90, momentum=0.9),
    "dampening 0.9 as well": step_lengths(60, 90, momentum=0.9, dampening=0.9),
}
CurvesView(lengths, y="length of the step", title="On a steady slope", at=59)

# %%
for settings in (dict(), dict(momentum=0.9), dict(momentum=0.9, dampening=0.9)):
    speed = step_lengths(100, 100, **settings)[-1] / 0.05
    said = ", ".join(f"{name} {value}" for name, value in settings.items()) or "no momentum"
    claim(
        f"{said}: at last {speed:.1f} times rate · slope.",
        abs(speed - terminal_speed(**({"momentum": 0} | settings))) < 1e-3,
    )

# %% [markdown]
# ### Inside or outside
#
# There is a second convention to know. PyTorch multiplies by the rate when it moves: the rate stands *outside* the buffer. Keras, and the form of Sutskever et al. (2013), put the rate *inside*: $b \leftarrow \beta b + \eta g$, then $p \leftarrow p - b$. While the rate is constant both take the same steps. When a schedule lowers it (lesson 3), the speed that was gathered at the old rate lives on inside the buffer.
#
# The same slope and the same fall of the rate, with momentum 0.9. **How long does the old speed live on?** Walk the step on from 60.

# %%
outside = step_lengths(60, 90, momentum=0.9)
inside, speed = [], 0.0
for t in range(90):
    speed = 0.9 * speed + (0.05 if t < 60 else 0.005)
    inside.append(speed)

CurvesView({"outside": outside, "inside": inside}, y="length of the step", title="The rate falls", at=60)

# %%
claim(
    "Before the drop both take the same steps.",
    max(abs(a - b) for a, b in zip(outside[:60], inside[:60], strict=True)) < 1e-12,
)
claim(
    f"The step before the drop: {outside[59]:.2f}. Outside, the next one is {outside[60]:.2f}.",
    outside[60] < 0.06,
)
claim(
    f"Inside, the next one is {inside[60]:.3f}, and the tenth is still {inside[69]:.3f}.",
    inside[69] > 4 * outside[69],
)

# %% [markdown]
# ## A real network
#
# The digits again, the network of lesson 1, and three methods: SGD, Momentum and Nesterov, both with $\beta = 0.9$. Each at 41 rates, from three random beginnings.

# %%
digit_rates = torch.logspace(-3, 1, 41, dtype=torch.float64)
digits_runs = train_ensemble(["SGD", "Momentum", "Nesterov"], lr=digit_rates, seeds=3, steps=300)
loss = digits_runs.train_loss.median(-1).values.nan_to_num(nan=torch.inf)
tenth = (digit_rates - 0.1).abs().argmin()
claim(f"SGD at rate 0.1 ends with the loss {loss[0, tenth]:.2f}.", 0.2 < loss[0, tenth] < 0.3)

# %%
work_guess = predict_number(
    "02-same-work",
    "At which rate does Momentum end with that same loss?",
    torch.logspace(-3, 0, 31, dtype=torch.float64),
    within=1.5,
    log=True,
)
work_guess

# %% [markdown] tags=["teacher"]
# The usual guess is 0.1, "perhaps a little less". Whoever answers 0.01 has understood the terminal speed. Then ask why the *best* rates are not a factor of ten apart: SGD would like more than its edge allows.

# %% [markdown]
# **Move the slider to 0.01 and compare the three. Then look for the best rate of each**: the small triangles.

# %% tags=["nbval-ignore-output"]
RatesView(digits_runs, at_lr=0.01)

# %%
same = (loss[1, :25] - loss[0, tenth]).abs().argmin()
far = [loss[1, i] / loss[0, i + 10] for i in range(10, 18)]  # ten positions of the slider are a factor of ten
claim(
    f"Momentum has that loss at rate {digit_rates[same]:.2f}: a tenth, which is 1 − β.",
    0.007 < digit_rates[same] < 0.014,
)
claim(
    "At every rate from 0.01 to 0.05 Momentum ends within 10% of SGD at ten times that rate.",
    all(0.9 < f < 1.1 for f in far),
)
work_guess.reveal(digit_rates[same], "On a steady slope the buffer holds 1/(1 − 0.9) = 10 slopes.")

# %% [markdown]
# In the traffic jam momentum does nothing but raise the rate by $1/(1-\beta)$. Whoever compares SGD and Momentum at the rate 0.01 compares SGD at 0.01 with, in effect, SGD at 0.1. So the honest race gives each its own best rate. The rates are chosen on images that were held back, and the test images judge.

# %%
fair = race(digits_runs.names, lr=torch.logspace(-2, 0.5, 21), seeds=5, steps=300, checkpoints=1).table()
right = {place.name: place.accuracy for place in fair.places}
rate = {place.name: place.best for place in fair.places}
lowest = loss.min(1).values  # training loss, each at its own best rate

claim("At its own best rate each gets at least 94% of the test images right.", min(right.values()) > 0.94)
claim(
    "No two of them are more than two percentage points apart.",
    max(right.values()) - min(right.values()) < 0.02,
)
claim(
    "The training loss of Momentum and Nesterov is less than a third of SGD's.",
    3 * lowest[1:].max() < lowest[0],
)
claim("Their best rates are smaller than SGD's.", max(rate["Momentum"], rate["Nesterov"]) < rate["SGD"])
claim("But not ten times smaller.", 10 * min(rate["Momentum"], rate["Nesterov"]) > rate["SGD"])

# %% [markdown]
# Two things are worth a second look. On the test images the three are close. And the best rates are not a factor of ten apart, as $1-\beta$ would have it. A likely reason: SGD would like to go faster, but its edge stops it. The ball cancels the swings across the valley, and its edge lies further out.

# %% [markdown]
# ## Exercise
#
# Two functions. The first is the heavy ball itself, with the rate outside the buffer, and the rate changes on the way. Under each check there are hints, and a solution.


# %%
def walk(p, grads, rates, momentum):
    """The place after one step from p for each gradient in grads, each with its own rate in rates."""
    ### BEGIN SOLUTION
    buffer = torch.zeros_like(p)
    for g, lr in zip(grads, rates, strict=True):
        buffer = momentum * buffer + g
        p = p - lr * buffer
    return p
    ### END SOLUTION


check("02-walk", walk)

# %% [markdown]
# Once it is right, your heavy ball rolls in your browser, beside ours. Both go the same way, and yours covers ours: untick yours, and ours comes to light. Look for a rate and a momentum that bring it to the star.

# %%
SurfaceView("ravine", ["Momentum", *yours("02-walk", walk)], at_lr=0.01, at_momentum=0.5)


# %%
def best(curvatures):
    """The heavy ball's best rate and best momentum (in this order) for these curvatures (a tensor)."""
    ### BEGIN SOLUTION
    low, high = curvatures.min().sqrt(), curvatures.max().sqrt()
    return (2 / (low + high)) ** 2, ((high - low) / (high + low)) ** 2
    ### END SOLUTION


check("02-best", best)

# %% [markdown]
# ## In your own words

# %%
explain("02-explain")

# %% [markdown]
# ## What to keep
#
# 1. Momentum adds up what the slopes agree on and cancels what they disagree on, so that a narrow valley costs steps in proportion to √κ and not to κ.
# 2. On a steady slope it multiplies the rate by 1/(1 − β), so a comparison at one shared rate is unfair by a factor of up to ten.
# 3. The heavy ball tolerates larger rates than SGD, up to (2 + 2β)/λ, and Nesterov smaller ones.
#
# **Where libraries disagree.** PyTorch and optax's `sgd` keep the rate outside the buffer; Keras, and optax's `rmsprop` and `lars`, keep it inside. PyTorch's `dampening` leaves the first gradient undamped, and its Nesterov allows none. Some papers write the buffer as an average, so that their rates are 1/(1 − β) times as large as PyTorch's.
#
# **Sources.** Polyak (1964), *Some methods of speeding up the convergence of iteration methods*: the heavy ball and its best settings. Nesterov (1983), *A method of solving a convex programming problem with convergence rate O(1/k²)*: looking ahead. Sutskever et al. (2013), *On the importance of initialization and momentum in deep learning*: Nesterov's method for networks. Goh (2017), *Why momentum really works* (Distill): the picture of rate and momentum. Lessard, Recht and Packard (2016), *Analysis and design of optimization algorithms via integral quadratic constraints*: Nesterov's best settings for a quadratic.
