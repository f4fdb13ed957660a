# %% [markdown]
# # 15 · Does the best rate survive a wider network?
#
# | | |
# |---|---|
# | **Question** | I tuned the learning rate on a narrow network. Is it still right for a wide one? |
# | **Afterwards you can** | say which layers take too large a step when a network grows, and why; give each layer its rate in muP; say what muP promises and what it does not; say what Muon does to a step |
# | **Time** | 40 minutes |
# | **You need** | lessons 1 to 4. Lesson 7 helps, and is not needed |
# | **Difficulty** | ●●● |
#
# A large network is too costly to be trained at ten different rates. So people tune a small one and carry the rate over. This lesson looks at what happens then.

# %%
import torch
from torch import nn

from lwlr_teach.layerwise import mup_groups, split_for_muon
from lwlr_teach.optim import Adam, Muon, Partition
from lwlr_teach.optim.muon import orthogonalise
from lwlr_teach.studies import activation_changes, train_widths
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, recall
from lwlr_teach.views import WidthView

begin("15-width")

# %% [markdown]
# ## Recall

# %%
recall("15-width")

# %% [markdown]
# ## A rope with more people on it
#
# Eight people pull a rope. At each shout everyone steps back by the same length, and a block at the other end moves. Now put sixty-four people on the rope and keep the shout. Nobody does anything different, and the block flies.
#
# A unit in a network is such a block. It adds up what all units of the layer before it send. If that layer is wider, more weights pull at the unit.
#
# We use Adam. You need to know only one thing about it: it divides each gradient by the gradient's usual size. So every weight moves by about the rate, however small its gradient is.
#
# The network reads the digits of lesson 1, with four hidden layers of equal width. We tune the rate at width 64.

# %%
# This takes about ten seconds.
rates = 2.0 ** torch.arange(-9, -3)
widths = (32, 64, 128, 256)
standard = train_widths("Adam", "standard", lr=rates, widths=widths)

tuned = standard.best_lr[1].item()
claim(f"Of six rates, width 64 is best at {tuned:.4f}.", tuned == 2**-6)

# %%
carry_guess = predict_choice(
    "15-carry",
    "Which rate is best for width 256, four times as wide?",
    ["0.063: four times as large", "0.016: the same", "0.004: a quarter"],
)
carry_guess

# %% [markdown] tags=["teacher"]
# "The same" is the usual answer, because a rate is felt to belong to the data and the method. Some say "larger", since a wide network has the smoother loss. Ask both to say what one unit of the second layer sees when the first becomes wider.

# %% [markdown]
# Each curve is a width, and its large marker is its best rate. The thick line joins them. Put the slider at 0.0156, the rate that we tuned at width 64, and **read what the four widths reach there**. Then find the rate at which width 256 is best.

# %% tags=["nbval-ignore-output"]
WidthView(standard, at_lr=2**-9)

# %% [markdown]
# The line runs to the left: the wider the network, the smaller its best rate. At the tuned rate the wider network is at first better, then worse again. Somebody who only looks at the tuned rate concludes that width 256 is too wide for these data. It is not. It has the wrong rate.

# %%
at_tuned = standard.loss_at(tuned)
own = standard.loss.min(-1).values
best = standard.best_lr

claim("Width 256 is best at a quarter of the rate of width 64.", best[3] == best[1] / 4)
claim("At the tuned rate, width 256 ends with a higher loss than width 128.", at_tuned[3] > at_tuned[2])
claim("Its loss there is more than 1.5 times the one at its own best rate.", at_tuned[3] > 1.5 * own[3])
claim("Each at its own best rate, wider is better every time.", (own.diff() < 0).all())
carry_guess.reveal(
    "0.004: a quarter",
    "The steps of a unit's weights agree, so that four times as many move it four times as far.",
)

# %% [markdown]
# ## Which layer takes too large a step?
#
# Let us measure the block. We take three steps at the tuned rate and ask how far the output of each layer has moved, as a root mean square over units and images. The rows are widths, the columns are the layers, and the last column is what the network says in the end.

# %%
moved = activation_changes("Adam", "standard", lr=tuned, widths=widths)
print("width   first  second  third  fourth  output")
for width, row in zip(widths, moved.tolist(), strict=True):
    print(f"{width:5}  ", "   ".join(f"{value:.1f}" for value in row))
grown = moved[3] / moved[0]

claim("From width 32 to 256 the first layer moves about as far as before.", 0.7 < grown[0] < 1.4)
claim("All the others move at least 1.5 times as far, and the output most of all.", grown[1:].min() > 1.5)
claim("The output moves more than 3 times as far.", grown[4] > 3 and grown.argmax() == 4)

# %% [markdown]
# The first layer is fed by 64 pixels, at every width. The others are fed by a layer that grows. Call $m$ the growth: how many times wider than the base.
#
# Why is this no problem before the first step? The first weights are random. Some pull up, some pull down, and a sum of $m$ times as many random terms is only $\sqrt m$ times as large. So the usual first weights shrink by $\sqrt m$, and all is well. But a *step* is not random. All weights of a unit move so that the loss falls: they agree, like people on a rope. A sum of $m$ times as many terms that agree is $m$ times as large.
#
# **Random terms add up like $\sqrt m$, agreeing terms like $m$.** This is the whole secret of this lesson.

# %% [markdown]
# ## The rule
#
# Yang and Hu (2021) worked out what each layer needs so that every layer moves as far at any width. It is called *muP*, the maximal update parametrisation. In the words of this course it is a `scale` for each layer, together with other first weights for the last one:
#
# | weights | first standard deviation | rate under Adam | rate under SGD |
# |---|---|---|---|
# | first layer, biases of layers that grow | as at the base | $\eta$ | $\eta\, m$ |
# | hidden layers | divided by $\sqrt m$, as usual | $\eta / m$ | $\eta$ |
# | last layer | divided by $m$ | $\eta / m$ | $\eta / m$ |
#
# At the base width $m$ is 1, and nothing changes. Tune $\eta$ there, once. SGD has a column of its own because its step is as long as the gradient, and gradients become smaller in wide layers by themselves.
#
# `mup_groups` compares a network with the same network at the base width and returns parameter groups. They are for any optimizer, torch's too. It sets rates and nothing else: to divide the first weights of the last layer by another $\sqrt m$ is left to you.


# %%
def network(width):
    """A network with one hidden matrix, from 64 pixels to 10 digits."""
    return nn.Sequential(
        nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )


wide = network(256)
groups = mup_groups(wide, base=network(64), lr=tuned)
theirs = torch.optim.Adam(groups)
given = {group["name"]: group["lr"] / tuned for group in theirs.param_groups}
print({name: share for name, share in given.items() if name.endswith("weight")})

m = 256 / 64
by_hand = {"0.weight": 1, "2.weight": 1 / m, "4.weight": 1 / m}
claim("By hand and by mup_groups: the same rates.", all(given[name] == by_hand[name] for name in by_hand))

# %% [markdown]
# The same test as before, now in muP with width 64 as the base. Every layer moves about as far at every width. This is called a *coordinate check*. It takes seconds, and it finds nearly every mistake in a muP of your own.

# %%
moved = activation_changes("Adam", "muP", lr=tuned, widths=widths, base=64)
print("width   first  second  third  fourth  output")
for width, row in zip(widths, moved.tolist(), strict=True):
    print(f"{width:5}  ", "   ".join(f"{value:.1f}" for value in row))
grown = moved[3] / moved[1]

claim("From width 64 to 256 no layer moves more than 1.3 times as far.", grown.max() < 1.3)

# %% [markdown]
# ## Does the best rate stand?
#
# We train all widths again, in muP. The curves of the view are chosen with the buttons: *standard* or *muP*.
#
# Before you look: muP was made so that a rate can be carried over. To search for a rate anew at width 256 costs more. Which of the two networks is the better one?

# %%
better_guess = predict_choice(
    "15-better",
    "Width 256, each at its own best rate: which has the lower loss?",
    ["muP", "standard", "equal, to a tenth"],
)
better_guess

# %% [markdown] tags=["teacher"]
# Nearly all say "muP": whatever is recommended must be better. The answer is "standard", and the class should say what muP was for. Careful with generalising: this is a small network, trained for 40 steps.

# %% tags=["nbval-ignore-output"]
# This takes about ten seconds.
mup = train_widths("Adam", "muP", lr=rates, widths=widths, base=64)
WidthView([standard, mup], at_lr=tuned, run="muP")

# %% [markdown]
# **Switch between the two and watch the thick line, and the loss at 0.0156 in the list.** In muP the line is vertical: the best rate stands where it was tuned, while the width grows eight times. And at this rate each wider network is better than the one before.

# %%
claim("In muP all four widths are best at the same rate.", (mup.best_lr == tuned).all())
claim("At this rate wider is better every time.", (mup.loss_at(tuned).diff() < 0).all())
claim(
    "At width 256 the carried rate gives a loss at least a quarter lower than in standard.",
    mup.loss_at(tuned)[3] < 0.75 * standard.loss_at(tuned)[3],
)
claim(
    "But the standard network, tuned anew at width 256, ends at least a tenth lower than muP.",
    own[3] < 0.9 * mup.loss[3].min(),
)
better_guess.reveal("standard", "muP promises that the rate carries over, and not that the loss is lower.")

# %% [markdown]
# So muP keeps its promise, and its promise is not the lowest loss. It says that the *best rate of the base stays good*. It carries over all of the base's proportions, those that nobody tuned as well, such as the size of the first weights in the last layer. If you can afford a new search at full width, you may find something better, as here. If you train one very large network, you cannot.

# %% [markdown]
# ## A real test: a width that nobody tuned
#
# Width 512 is what muP is for. We do not search. We carry the rate of width 64 over, and train it once, in both parametrisations.

# %%
blind = {way: train_widths("Adam", way, lr=[tuned], widths=[512], seeds=3) for way in ("standard", "muP")}
loss = {way: run.loss.item() for way, run in blind.items()}
right = {way: run.test_accuracy.mean().item() for way, run in blind.items()}

claim("The carried rate: muP ends with at least a tenth less loss.", loss["muP"] < 0.9 * loss["standard"])
claim("It gets more of the test images right.", right["muP"] - right["standard"] > 0)

# %% [markdown]
# ## Other directions: SGD and Muon
#
# The rope belongs to Adam, where every weight takes a step of the same length. What about other directions?
#
# **SGD** takes a step as long as the gradient. **Muon** (Jordan et al. 2024) was made for matrices. It takes the average gradient, which is a matrix, and replaces it by one with nearly the same directions and with all singular values near 1. A singular value says how much a matrix stretches a vector. So a step of Muon changes what a layer does to any vector by about the rate, however large the matrix is.
#
# The replacement is not exact. Five rounds of a polynomial, chosen for speed, bring the singular values into a band around 1.

# %%
generator = torch.Generator().manual_seed(0)
left, right_side = (torch.linalg.qr(torch.randn(64, 64, generator=generator)).Q for _ in range(2))
gradient = left @ torch.diag(torch.logspace(-1, 0, 64)) @ right_side  # singular values from 0.1 to 1
stretched = torch.linalg.svdvals(orthogonalise(gradient, (3.4445, -4.775, 2.0315), steps=5, eps=1e-7).float())

claim(
    "Singular values after Muon: from about 0.7 to about 1.1, not all 1.",
    0.6 < stretched.min() < 0.8 and 1.05 < stretched.max() < 1.25,
)

# %% [markdown]
# All of this is computed in bfloat16, a number format of two to three digits. So two implementations of Muon agree no better than that.

# %%
ours, theirs = gradient.clone(), gradient.clone()
our_muon, torch_muon = Muon([ours], lr=0.02), torch.optim.Muon([nn.Parameter(theirs)], lr=0.02)
theirs = torch_muon.param_groups[0]["params"][0]
for _ in range(5):
    ours.grad, theirs.grad = torch.sin(3 * ours), torch.sin(3 * theirs.detach())
    our_muon.step()
    torch_muon.step()
claim(
    "Ours and PyTorch's Muon: five steps later less than a twentieth of the way apart.",
    (ours - theirs).norm() < (ours - gradient).norm() / 20,
)
default = torch.optim.Muon([nn.Parameter(gradient)]).defaults["lr"]
claim(f"PyTorch's own default rate is {default}.", default == 0.001)

# %% [markdown]
# Muon is for the matrices between hidden layers. Everything else is left to Adam. `split_for_muon` says which parameters are whose, and `Partition` makes one optimizer of the two.

# %%
hidden, others = split_for_muon(wide)
optimizer = Partition(Muon(hidden, lr=0.02), Adam(others, lr=tuned))
print("Muon:", *(name for name, _ in hidden))
print("Adam:", *(name for name, _ in others))

# %% [markdown]
# The network that we train has three such matrices. Adam's rate stays at 0.0156. We sweep Muon's rate, in **standard** parametrisation: no muP anywhere.
#
# From width 64 to 256 the best rate of Adam fell by a factor of four. So this time neighbouring rates are a factor of four apart. Muon's losses differ from seed to seed: of two rates that are only a factor of two apart, it can be chance which one is best.

# %%
muon_guess = predict_choice(
    "15-muon",
    "From width 64 to 256, what does the best rate of Muon do?",
    ["falls, as with Adam", "stands", "rises"],
)
muon_guess

# %% [markdown] tags=["teacher"]
# Those who took the rope to heart say "falls". Let them read the paragraph on singular values again: Muon's step is measured as a matrix, not weight by weight. Do not oversell it: rates a factor of four apart show a fall like Adam's, and would not show a small one. With eight seeds, rates a factor of two apart and 40 steps, width 64 could not tell Muon's best rate from the next larger one.

# %% tags=["nbval-ignore-output"]
# This takes about ten seconds.
fours = 4.0 ** torch.arange(4)
muon = train_widths("Muon", lr=fours / 128, widths=widths[1:])
WidthView(muon, at_lr=1 / 8)

# %% [markdown]
# Muon's best rate stands, without any rule for it. Now **SGD**, which has rates of its own. Does its best rate fall?

# %% tags=["nbval-ignore-output"]
sgd = train_widths("SGD", lr=fours / 64, widths=widths[1:])
WidthView(sgd, at_lr=1 / 4)

# %% [markdown]
# SGD's does not fall either. Theory says that SGD's rates have to change with the width as well (that is its column in the table). At these widths and with so few steps its best rate hardly shows it. Do not take "the best rate falls with width" for a law of nature: it is a statement about a method, a network and a budget.

# %%
claim("Muon is best at the same rate at all three widths.", (muon.best_lr == muon.best_lr[0]).all())
beside = muon.loss[:, [1, 3]].min(-1).values  # the next smaller and the next larger rate
claim(
    "A quarter or four times that rate: at least a tenth more loss.", (beside > 1.1 * muon.loss[:, 2]).all()
)
claim("SGD is best at the same rate at all three, too.", (sgd.best_lr == sgd.best_lr[0]).all())
claim(
    "At every width Muon with Adam ends lower than Adam alone, and SGD ends higher.",
    (muon.loss.min(-1).values < own[1:]).all() and (sgd.loss.min(-1).values > own[1:]).all(),
)
muon_guess.reveal(
    "stands", "Muon makes every step of a matrix equally strong in all directions, whatever its width."
)

# %% [markdown]
# ## Exercise
#
# Two functions. Ask of each layer: *over how many inputs does one of its units sum, and does that number grow?* Under each check there are hints, and a solution.


# %%
def layer_rate(layer, lr, base, width):
    """The rate under Adam in muP of the "first", a "hidden" or the "last" layer; lr is best at width base."""
    ### BEGIN SOLUTION
    return lr if layer == "first" else lr * base / width
    ### END SOLUTION


check("15-layer-rate", layer_rate)


# %%
def first_std(layer, std, base, width):
    """The standard deviation in muP of the first weights of a layer that starts with std at width base."""
    ### BEGIN SOLUTION
    m = width / base
    return {"first": std, "hidden": std / m**0.5, "last": std / m}[layer]
    ### END SOLUTION


check("15-first-std", first_std)

# %% [markdown]
# ## In your own words

# %%
explain("15-explain")

# %% [markdown]
# ## What to keep
#
# 1. Under Adam a wider layer takes a larger step at the same rate, because random first weights add up like √m and the steps of one unit's weights like m.
# 2. muP divides the rate of every layer that is fed by a growing layer by m, and the best rate of a narrow network then stays good for a wide one.
# 3. That is a promise about the rate and not about the loss: here a standard network with a rate searched anew was better, and Muon needed no rule at all.
#
# **Where libraries disagree.** The `mup` package keeps a larger first weight in the last layer and divides what goes into it by m; under Adam its rate then stays at η. That is the same network, written in another way. PyTorch's `Muon` decays weights unless told otherwise, and its author's rate of 0.02 is not PyTorch's default of 0.001. Its option `"match_rms_adamw"` makes the step longer in larger matrices, so that Adam's rates can be reused.
#
# **Sources.** Yang and Hu (2021), *Feature learning in infinite-width neural networks*: where muP comes from. Yang et al. (2021), *Tuning large neural networks via zero-shot hyperparameter transfer*: the table, the coordinate check, the `mup` package. Jordan et al. (2024), *Muon: an optimizer for hidden layers in neural networks*. Kingma and Ba (2015), *Adam*.
