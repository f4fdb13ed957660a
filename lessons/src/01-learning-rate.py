# %% [markdown]
# # 1 · How big a step?
#
# | | |
# |---|---|
# | **Question** | Which learning rate makes a network learn, and what happens on either side of it? |
# | **Afterwards you can** | tell from a loss curve whether the rate is too small, right, or too large; say why there is a sharp edge, and compute where it lies; tell a spike from an explosion |
# | **Time** | 45 minutes |
# | **You need** | what a gradient is; a little Python. No earlier lesson |
# | **Difficulty** | ●○○ |
#
# Run the cells from top to bottom with <kbd>Shift</kbd>+<kbd>Enter</kbd>. The pictures are alive once their cell has run: drag, or press the arrow keys. Before each of them you are asked what you will see. Lock a guess, even a wild one: a wrong guess that you remember teaches more than a right answer that you read.

# %%
import torch

from lwlr_teach.optim import SGD
from lwlr_teach.problems import digits, quadratic, sharp_and_flat
from lwlr_teach.runs import sweep, train_ensemble
from lwlr_teach.teaching import (
    begin,
    check,
    claim,
    explain,
    predict_choice,
    predict_curve,
    predict_number,
    yours,
)
from lwlr_teach.views import SIX, RatesView, SurfaceView

begin("01-learning-rate")

# %% [markdown]
# ## A walk downhill in fog
#
# You stand on a hillside in thick fog and want to reach the lowest point of the valley. You can feel how steep the ground is under your feet, and in which direction. You cannot see anything else. So you take a step downhill, feel again, take the next step.
#
# A network learns in the same way. The place where it stands is the list of its weights. The height is its loss: how wrong it is. The slope is the gradient. And one number says how far it goes on a slope of a given steepness: the **learning rate**.
#
# Here is the simplest valley there is, seen from above. It is gentle from left to right and ten times more curved from bottom to top. The white ring is the start, the star is the goal, each dot is one step. Press *play*.

# %%
SurfaceView("quadratic", ["SGD"], lr=[0.05], at_step=5)

# %% [markdown]
# That was the rate 0.05. In the next picture the rate has a slider, from 0.005 to 0.25. Small rates are safe. Somewhere the steps become too large for the valley, and the path flies away. Where? (In the steep direction, up and down on the map, the slope is 10 times the distance from the star. What does a step of rate × slope do to that distance?)

# %%
rates = torch.linspace(0.005, 0.25, 50)
edge_guess = predict_number(
    "01-edge", "What is the largest rate at which the path does not fly away?", rates, within=0.02
)
edge_guess

# %% [markdown] tags=["teacher"]
# Most guesses lie between 0.05 and 0.15: people expect that steps become worse little by little. Ask those who guessed 0.25 what would have to be true of the valley. Give about six minutes to this part, with the sliders.

# %% [markdown]
# Now try it: **find the largest rate at which the path does not fly away**, and look at what it does there. Then find **the rate that gets closest to the star in 100 steps**: the number beside SGD is the loss, which is how high above the star it still stands. Is it a small one, the largest one, or one in between?

# %%
SurfaceView("quadratic", ["SGD"], lr=rates, at_lr=0.05)

# %% [markdown]
# You have met the three kinds of rate. Imagine that you drive to a house in a town you do not know.
#
# - **Too small: a traffic jam.** Every metre is in the right direction, and the day ends before you arrive.
# - **Too large: the missed exit.** You are so fast that you pass the house, turn round, and pass it again, further off each time.
# - **In between: just right**, like the porridge that Goldilocks chose. And the best rate is not in the middle. It is close to the one that is too large.

# %%
small, good, edge, large = 0.005, 0.18, 0.2, 0.205
runs = sweep("quadratic", ["SGD"], lr=[small, good, edge, large], steps=100)
start, end = runs.paths[0, :, 0, 0], runs.paths[0, :, 0, -1]
left = (end[:, 0] / start[:, 0]).abs()  # share of the way along the valley that is still ahead
lost = runs.diverged_at[0, :, 0]

claim(f"Rate {small}: after 100 steps {left[0]:.0%} of the way is still ahead.", left[0] > 0.5)
claim(f"Rate {good}: it arrives; less than a millionth is left.", left[1] < 1e-6 and lost[1] == -1)
claim(f"Rate {edge}: it bounces between two walls for ever.", end[2, 1].abs() > 0.99 and lost[2] == -1)
claim(f"Rate {large}: at step {lost[3]} it counts as lost.", lost[3] > 0)

# %% [markdown]
# ## Why the edge is sharp
#
# Between a rate that works well and a rate that explodes there is almost nothing. Many people expect that a rate that is a little too large makes the path "a bit shaky". It does not work like that, and the reason fits in one line.
#
# Look only at the up-and-down direction of the map, where the curvature is $\lambda = 10$. At a distance $y$ from the valley's middle line the slope is $\lambda y$. A step with the rate $\eta$ (the Greek letter eta is its usual name) leads to
#
# $$ y \;\leftarrow\; y - \eta\,\lambda y \;=\; (1 - \eta\lambda)\, y . $$
#
# So each step multiplies the distance by the same number, $1 - \eta\lambda$. Everything follows from its size.
#
# | $\eta\lambda$ | each step multiplies by | you see |
# |---|---|---|
# | 0.05 | 0.95 | creeping |
# | 1 | 0 | there in one step |
# | 1.8 | −0.8 | jumps across the valley, closer each time |
# | 2 | −1 | jumps across for ever |
# | 2.05 | −1.05 | jumps across, further each time: explosion |
#
# The edge is where the factor is −1, at $\eta = 2/\lambda$. Multiplying by −0.99 a thousand times gives almost zero, by −1.01 a huge number. That is why the edge is sharp: a tiny difference in the factor is applied again at every step.
#
# Here $2/\lambda = 0.2$. Let us not believe it but measure it: 201 runs around it, 3,000 steps each.

# %%
fine = torch.linspace(0.19, 0.21, 201, dtype=torch.float64)
runs = sweep("quadratic", ["SGD"], lr=fine, steps=3000)
climbed = runs.losses[0, :, 0, -1] > runs.losses[0, :, 0, 0]
last_good, first_bad = fine[~climbed].max(), fine[climbed].min()
curvature = quadratic().sharpness(runs.starts)[0]

claim(
    f"The largest curvature is {curvature:.0f}, so the edge should be at 2/λ = {2 / curvature:.1f}.",
    curvature == 10,
)
claim(
    f"Measured: after 3,000 steps at {last_good:.4f} the loss is no higher than at first; at {first_bad:.4f} it is.",
    last_good <= 2 / curvature < first_bad,
)
edge_guess.reveal(
    last_good,
    "Up and down a step multiplies the distance by 1 − 10 η; −1, at 0.2, is the last factor that does not grow.",
)

# %% [markdown]
# Along the valley the curvature is only 1. If that were the only direction, every rate up to 2 would do. But there is one rate for all directions, and **the steepest one sets the limit, while the gentlest one sets the time**. A long, narrow valley is hard for this one reason. Lessons 2 and 5 to 7 are about ways out.

# %% [markdown]
# ## The rule
#
# In words: new place = old place − rate × slope. For a list of weights $p$ with the gradient $g$:
#
# $$ p \;\leftarrow\; p - \eta\, g $$
#
# This is the *fixed rate*, and the method is called **SGD**, stochastic gradient descent. Every method in this course is this line with something added in one of four places:
#
# $$ p \;\leftarrow\; p - \text{rate}(t)\cdot \text{scale}(\text{layer})\cdot \text{direction}\big(\,\text{clip}(g)\,\big) $$
#
# In this lesson the rate never changes, the scale is 1, the direction is the gradient, and nothing is clipped. In Python it is one line as well. By hand, by our `SGD` and by PyTorch's, it takes the same five steps:

# %%
surface = quadratic()
by_hand = torch.tensor([surface.start], dtype=torch.float64)
ours, theirs = by_hand.clone(), by_hand.clone()
our_sgd = SGD([ours], lr=0.15)
torch_sgd = torch.optim.SGD([theirs], lr=0.15)
for _ in range(5):
    ours.grad, theirs.grad = surface.grad(ours), surface.grad(theirs)
    our_sgd.step()
    torch_sgd.step()
    by_hand = by_hand - 0.15 * surface.grad(by_hand)

apart = max((ours - by_hand).abs().max(), (ours - theirs).abs().max())
claim("By hand, by our SGD and by PyTorch's SGD: the same point after five steps.", apart < 1e-12)

# %% [markdown]
# ## Six methods, one slider
#
# The same valley, with five more methods. You will meet each of them in a lesson of its own; here only one thing matters: **how each of them answers to the same rate**. The slider is now logarithmic, from 0.001 to 1: each third of it is a factor of ten.
#
# One hint: three of them, Adagrad, RMSprop and Adam, divide the gradient by its own size. So the length of their steps depends on the rate, and hardly on the slope. And Adagrad's size is a sum over all gradients so far, so that its steps become shorter and shorter: it needs a high rate to get anywhere.
#
# "Arrives" means here: within 100 steps, no more than a thousandth of the first loss is left. The first loss is 8.125, so that a number of 0.0081 beside a name has just arrived.

# %%
shared_guess = predict_choice(
    "01-shared-rate",
    "Is there a rate at which all six arrive?",
    ["yes, many: a third of the slider or more", "yes, a narrow range", "no, not one"],
)
shared_guess

# %% [markdown] tags=["teacher"]
# "A narrow range" is the usual guess, from the habit of trying 0.01 or 0.001 first. Let the class find each method's best rate and write the six numbers on the board: the spread is the point.

# %% [markdown]
# Put the step to 15 and tick *loss at every rate*. **Where is each curve lowest? Then take the tick away, put the step to 100, and look for a rate at which all six arrive: which two methods make it impossible?** If the picture is too full, click on a name: it stands alone, until you click on it again.

# %%
SurfaceView("quadratic", SIX, momentum=[0.9], at_lr=0.02)

# %% [markdown]
# There is no such rate. SGD and its relatives (Momentum, Nesterov) fly away when the rate is too large, each at its own edge. Adagrad, RMSprop and Adam do not fly away here, because steep ground does not make their steps longer. At a small rate they arrive late, or not at all. Two of the six are enough to exclude each other: Nesterov is lost before Adagrad begins to arrive.
#
# After 15 steps the lowest places of the curves lie far apart. (RMSprop's lies below the picture. At rate 1 its first step leaves the map, because its memory of the gradient's size begins at zero; but it comes back.)
#
# So "0.1" means nothing without the name of the method beside it. And a comparison of methods at one shared rate is a comparison of nothing.

# %%
grid = torch.logspace(-3, 0, 61, dtype=torch.float64)
runs = sweep("quadratic", SIX, lr=grid, momentum=[0.9], steps=100)
arrives = runs.reached_at[:, :, 0, 0] >= 0  # within 100 steps: (method, rate)
lowest = grid[runs.losses[:, :, 0, 0, 15].argmin(1)]

for name, rate in zip(runs.names, lowest, strict=True):
    print(f"{name:9} is lowest at step 15 at the rate {rate:.3g}")
start = runs.losses[0, 0, 0, 0, 0]
claim(f"The first loss is {start:g}, a thousandth of it {start / 1000:.4f}.", start > 8)
claim(f"Rates at which all six arrive: {arrives.all(0).sum()} of 61.", not arrives.all(0).any())
last, first = grid[arrives[2]].max(), grid[arrives[3]].min()
claim(f"Nesterov arrives up to the rate {last:.2f}, Adagrad from {first:.2f} on.", last < first)
claim(
    f"At step 15 the lowest places lie at rates from {lowest.min():.2g} to {lowest.max():.2g}.",
    lowest.max() > 10 * lowest.min(),
)

# %%
claim("Adagrad, RMSprop and Adam fly away at none of them.", (runs.diverged_at[3:] == -1).all())
rms = runs.losses[4, -1, 0, 0]
claim(
    "RMSprop at rate 1: after one step far above its first loss, after 15 far below.",
    rms[1] > 10 * rms[0] > 1e6 * rms[15],
)
shared_guess.reveal(
    "no, not one",
    "Adagrad's steps shrink, so that it needs a high rate; at that one Nesterov has flown away.",
)

# %% [markdown]
# ## Two valleys
#
# This surface has two valleys of equal depth. The left one is narrow, with curvature 50. The right one is wide, with curvature 2. The run starts in the narrow one, almost at its lowest point: the loss there is 0.03. You know the edge of the narrow valley: 2/50. We take a rate well above it. Draw what the loss will do.

# %%
spike_guess = predict_curve(
    "01-spike",
    "From 0.03 in the narrow valley (curvature 50), a wide one (curvature 2) beside it, rate 0.1: draw the loss.",
    x={"range": [0, 30], "title": "step"},
    y={"range": [1e-6, 100], "title": "loss", "log": True},
)
spike_guess

# %% [markdown] tags=["teacher"]
# Nearly everybody draws a line that climbs and leaves the picture. That is what one valley would do. Ask: where does the run land, and what is the edge there?

# %% [markdown]
# Drag the rate up from the left end and find **the rate at which the narrow valley cannot hold the run any longer**. Then watch the loss curve: what happens after the spike?

# %%
two_valleys = sharp_and_flat(sharp=50, flat=2)
SurfaceView(two_valleys, ["SGD"], lr=torch.logspace(-2, 0.1, 211), at_lr=0.1)

# %% [markdown]
# The rule $2/\lambda$ holds in each valley on its own: 2/50 = 0.04 on the left, 2/2 = 1 on the right. With a rate between the two the run is thrown out of the narrow valley. The loss shoots up for a few steps. Then the wide valley catches it and it comes to rest.
#
# In real networks the same thing is seen: with a large rate training leaves the sharp regions and settles where the curvature fits the rate (Lewkowycz et al. 2020, Cohen et al. 2021; lesson 16, still to come). So **a single spike is no reason to stop a run**. An explosion, in a valley, is a loss that climbs and does not come back.

# %%
runs = sweep(two_valleys, ["SGD"], lr=[0.03, 0.1, 1.1], steps=100)
first, highest, last = runs.losses[0, :, 0, 0], runs.losses[0, :, 0].amax(-1), runs.losses[0, :, 0, -1]

claim(f"The first loss is {first[1]:.2f}.", abs(first[1] - 0.03) < 0.005)
claim("Rate 0.03: stays in the narrow valley and never climbs.", highest[0] == first[0] and last[0] < 1e-6)
claim(
    f"Rate 0.1: the loss climbs to {highest[1] / first[1]:.0f} times its first value; after 100 steps it is below a millionth.",
    highest[1] > 100 * first[1] and last[1] < 1e-6,
)
claim("Rate 1.1: no valley can hold it.", runs.diverged_at[0, 2, 0] > 0)
spike_guess.reveal(
    runs.losses[0, 1, 0, :31], "0.1 is above the narrow valley's edge, 0.04, and below the wide one's, 1."
)

# %% [markdown]
# ## A real network
#
# Now a network that reads handwritten digits. Its loss is a landscape over as many directions as it has weights, and nobody tells us its curvature. What is left of the picture?
#
# We train it with six methods, at 61 rates, from three random beginnings each, side by side.

# %%
# This takes about ten seconds.
data = digits()
weights = (64 * 32 + 32) + (32 * 10 + 10)  # 64 pixels, 32 hidden units, 10 digits
digit_rates = torch.logspace(-4, 1, 61, dtype=torch.float64)
digits_runs = train_ensemble(SIX, lr=digit_rates, seeds=3, steps=300, hidden=(32,), data=data)

images = f"{len(data.x_train):,} images to learn from, {len(data.x_test)} others to be tested on"
claim(f"{images}, {data.x_train.shape[1]} pixels each.", data.x_train.shape[1] == 64)
claim(
    f"{digits_runs.train_loss.numel():,} networks with {weights:,} weights each.",
    digits_runs.train_loss.shape == (6, 61, 3),
)

# %% [markdown]
# SGD is at its best at a rate of about 1. In the valley the edge was a little beyond the best rate. And here?

# %%
hopeless_guess = predict_choice(
    "01-hopeless",
    "From which rate on is SGD no better than guessing?",
    ["somewhere from 1 to 3", "somewhere from 3 to 10", "nowhere up to 10, where the slider ends"],
)
hopeless_guess

# %% [markdown] tags=["teacher"]
# "From 3 to 10" is the common guess. The best rate and the first hopeless one differ by little more than a factor of two, as in the valley at the beginning; point back to it. Between the two, from about 1.5 on, it is chance whether a run survives.

# %% [markdown]
# Each strip is one method. On the left is the loss after training, in the middle the share of test images that the network gets right, both against the rate. The band is the range of the three beginnings; the small triangle marks the best rate. On the right is the training itself, at the rate where the slider stands.
#
# **Find the rate from which on SGD only guesses, which is 10% right.** Click on *SGD* to see its strip alone and large, and again to see all six. Look at the training curve, too: does the loss explode, or does it do something else?

# %% tags=["nbval-ignore-output"]
RatesView(digits_runs, at_lr=0.01)

# %% [markdown]
# The same three regions: a long traffic jam on the left, then a comfortable slope, then the best rate. And for SGD, Momentum and Nesterov the same sharp edge: right behind the best rate there is nothing. Adagrad, RMSprop and Adam fall off more gradually.
#
# One thing is new. Beyond the edge the loss of SGD does not run to infinity. It sits still at 2.3. That is $\ln 10$, the loss of somebody who gives each of the ten digits the same chance. Its giant steps have thrown the weights so far that the hidden units are **dead**: such a unit puts out 0 where its input is negative, and now that is so for every image. What is 0 everywhere has no slope, so no later step wakes it. A network without units can only guess.
#
# So **a curve that is flat from the beginning can mean a rate that is far too large**. One that is far too small is flat at about the same height: put the slider to its left end. If you see a flat curve, try a smaller rate as well before you raise it.

# %%
names, lrs = digits_runs.names, digits_runs.lr
right = digits_runs.test_accuracy.median(-1).values
loss = digits_runs.train_loss.median(-1).values
sgd, adam = names.index("SGD"), names.index("Adam")
at = {rate: (lrs - rate).abs().argmin().item() for rate in (0.01, 1.0, 2.15)}
best = [lrs[i].item() for i in loss.nan_to_num(nan=torch.inf).argmin(1)]

claim("SGD at rate 1 gets more than 90% right.", right[sgd, at[1.0]] > 0.9)
guesses = lrs[(right[sgd] < 0.15) & (lrs > 1)]
claim(
    "From some rate between 1 and 3 on SGD gets about 10% right: guessing.",
    guesses.min() < 3 and right[sgd, lrs > 3].max() < 0.15,
)
claim(f"At rate 2.2 its loss is {loss[sgd, at[2.15]]:.1f} = ln 10.", abs(loss[sgd, at[2.15]] - 2.303) < 0.03)
late = digits_runs.batch_losses[sgd, at[2.15], :, -200:]
claim("It has stood there for 200 steps: the median of their losses is above 2.2.", late.median() > 2.2)
claim(
    "At rate 0.01 SGD is still in the jam, with less than 75% right, where Adam has more than 95%.",
    right[sgd, at[0.01]] < 0.75 and right[adam, at[0.01]] > 0.95,
)
hopeless_guess.reveal(
    "somewhere from 1 to 3",
    "Steps that are too long throw the weights so far that the units are 0 for every image, and stay so.",
)

# %%
claim("SGD's best rate is more than ten times Adam's.", best[sgd] > 10 * best[adam])
claim("At its own best rate each of the six gets at least 95% right.", (right.max(1).values > 0.95).all())

# %% [markdown]
# So there are two stories about the same two methods. Somebody who tries SGD and Adam at 0.01 reports that Adam is far better. Somebody who gives each its own best rate finds them close. Lesson 4 shows how to compare fairly.

# %% [markdown]
# ## Exercise
#
# Two functions, one line each. `check` says what it thinks; run it as often as you like. Under each check there are hints, and a solution.


# %%
def step(p, g, lr):
    """The new place after one step of SGD from p, where the gradient is g."""
    ### BEGIN SOLUTION
    return p - lr * g
    ### END SOLUTION


check("01-step", step)

# %% [markdown]
# Once `check` says that it is right, your function comes alive: the next cell lets your browser run it, beside ours. Both go the same way, and yours covers ours: untick yours, and ours comes to light. Drag the rate past the edge. Drag the start.

# %%
SurfaceView("ravine", ["SGD", *yours("01-step", step)], at_lr=0.03)


# %%
def edge(curvatures):
    """The rate beyond which SGD explodes in a valley with these curvatures (a tensor)."""
    ### BEGIN SOLUTION
    return 2 / curvatures.max()
    ### END SOLUTION


check("01-edge", edge)

# %% [markdown]
# ## In your own words

# %%
explain("01-explain")

# %% [markdown]
# ## What to keep
#
# 1. The learning rate multiplies the slope: too small is a traffic jam, too large a missed exit, and the best one is near the edge and not in the middle.
# 2. The edge is sharp, because every step multiplies by the same factor, and it lies at 2/λ, where λ is the largest curvature.
# 3. A spike that comes back is not a divergence; a curve that is flat from the start can mean a rate far too large.
#
# **Where libraries disagree.** About plain SGD they do not: everyone computes $p - \eta g$. They disagree about the number. PyTorch's `SGD` starts at 0.001 if you give none, Keras's at 0.01. For the network above both are in the traffic jam.
#
# **Sources.** Robbins and Monro (1951), *A stochastic approximation method*: the rule. Goh (2017), *Why momentum really works* (Distill): the factor 1 − ηλ. Lewkowycz et al. (2020), *The large learning rate phase of deep learning: the catapult mechanism*: the spike. Cohen et al. (2021), *Gradient descent on neural networks typically occurs at the edge of stability*: curvature that fits the rate. Alpaydin and Kaynak (1998), *Optical recognition of handwritten digits*: the images, as they come with scikit-learn.
