# %% [markdown]
# # 16 · What does the surface really look like?
#
# | | |
# |---|---|
# | **Question** | The maps of lesson 1 had two directions. A network has thousands. What does its surface look like? |
# | **Afterwards you can** | read a picture of a loss landscape, and ask what it hides; measure how sharp a place is; say where gradient descent comes to rest, and why; say what a warm-up does to the place |
# | **Time** | 40 minutes |
# | **You need** | lessons 1 to 3; lesson 7 helps |
# | **Difficulty** | ●●● |
#
# Since lesson 1 we have walked on maps. Now we look at the ground under a real network, with a lamp that lights two directions at a time.

# %%
import torch

from lwlr_teach.problems import loss_slice, principal_directions, random_directions, sharpness
from lwlr_teach.runs import exponential_rates
from lwlr_teach.studies import cut, few_digits, rescale, train_on_landscape, walks
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, predict_number, recall
from lwlr_teach.views import CurvesView, LandscapeView

begin("16-loss-landscapes")

# %%
recall("16-loss-landscapes")

# %% [markdown]
# ## A lamp in the mountains
#
# Our network is small: one hidden layer of 24 ReLU units that learns 100 digits. All images are seen in every step, so that there is no noise. Three optimizers walk from the same first weights.

# %%
net = few_digits(images=100, hidden=24)
ways = walks(net, {"SGD": 0.2, "Momentum": 0.03, "Adam": 0.005}, steps=150, gain=0.5)
end = [p[-1] for p in ways["SGD"]]
count = sum(p.numel() for p in end)
claim(f"The network has {count:,} weights: so many directions there are from each place.", count == 1810)

# %% [markdown]
# To draw a landscape of 1,810 directions we have to choose two. Then we compute the loss at all places that can be reached along these two: a **slice**. A path that leads elsewhere casts its shadow on the slice, as a hiker casts one on the valley floor.
#
# The usual choice is two *random* directions through the place where a run has ended.

# %%
share_guess = predict_number(
    "16-share",
    "How much of the three paths, in per cent of their variance, lies in two random directions?",
    exponential_rates(0.01, 100, 41),
    within=3,
    log=True,
    unit="%",
)
share_guess

# %% [markdown] tags=["teacher"]
# Guesses are between 10% and 50%: pictures in papers look as if they showed the landscape. Ask what share of a 1,810-dimensional cloud two axes hold. Those who divide get 0.11%.

# %% [markdown]
# Or one takes the two directions in which the paths themselves differ most, their **principal directions**. **Play the steps on the random slice. Then choose the principal directions and look from above: which two paths stay together, and where does the third one go?** Then drag the picture to turn it. Light is low, dark is high; in a dark theme it is the other way round.

# %% tags=["nbval-ignore-output"]
together = [torch.cat(same) for same in zip(*ways.values(), strict=True)]
main, shares = principal_directions(together)
slices = {
    "random directions": cut(net, ways, random_directions(end, torch.Generator().manual_seed(0)), reach=1),
    "principal directions": cut(net, ways, main),
}
LandscapeView(slices, title="Digits network")

# %%
shadow, seen = (slices[name].share for name in slices)
claim("The random slice holds less than 1% of the paths' variance.", shadow < 0.01)
claim("The principal one holds more than 60%.", seen > 0.6)
sgd, momentum, adam = (path[-1] for path in slices["principal directions"].paths.values())
near, far = (sgd - momentum).norm(), (sgd - adam).norm()
claim("Adam's end is more than three times as far from SGD's as Momentum's is.", far > 3 * near)
share_guess.reveal(100 * shadow, "Two directions of 1,810 are about a thousandth of all there are.")

# %% [markdown]
# On random directions the paths seem to stand still. All that they do, they do elsewhere. On the principal ones we see most of it. SGD and Momentum go the same way, at different speeds. Adam, with a rate for each weight, turns aside.
#
# But beware of two things. The loss beside the names is that of the *path*, and the height below its shadow that of the *slice*. And a smooth bend in principal directions is no discovery: a walk that goes nowhere has it as well.

# %%
drunk = [torch.randn(150, count, generator=torch.Generator().manual_seed(0)).cumsum(0)]
by_chance = principal_directions(drunk)[1].sum().item()
claim(
    "150 random steps in 1,810 dimensions: two directions hold more than 60%, too.",
    by_chance > 0.6,
)

# %% [markdown]
# Antognini and Sohl-Dickstein (2018) proved it for every long random walk.
#
# ## How sharp is it here?
#
# A slice shows what you chose. There is one number that chooses for itself: the curvature in the *most* curved of all directions, the **sharpness** λ. In lesson 1 it decided everything: gradient descent holds while the rate η is below 2/λ. Turned round, each rate has an **edge**: it holds where the sharpness is below 2/η. On those maps λ was given. A network's λ depends on where you are.
#
# We train from the same first weights at the rate 0.12, between those of SGD and of Momentum above. Where does that run begin, and where is its edge?

# %%
start, edge = net.sharpness(net.first(gain=0.5)).item(), 2 / 0.12
claim(
    f"The run begins at a sharpness of {start:.0f}. The edge of the rate 0.12 is at {edge:.0f}.", start < edge
)

# %%
edge_guess = predict_choice(
    "16-edge",
    "Where does the sharpness go while gradient descent trains at this rate?",
    [
        "down: it looks for flat places",
        "it stays where it is",
        "up to the edge, and stays there",
        "up beyond the edge, and the run is lost",
    ],
)
edge_guess

# %% [markdown] tags=["teacher"]
# Good students say “down”, for they have heard that training finds flat minima, or the last one, for they have understood lesson 1. Let both argue before the reveal.

# %% [markdown]
# Each curve is a rate, the median of three seeds. **Read rate × sharpness at the last step: which of the four are at 2? From which side did each of them come?**

# %% tags=["nbval-ignore-output"]
# This takes about eight seconds.
runs = train_on_landscape([0.03, 0.06, 0.12, 0.24], net=net, seeds=3, steps=300, gain=0.5)
rows = runs.product.median(1).values
curves = {f"rate {lr:g}": row for lr, row in zip(runs.lr.tolist(), rows, strict=True)}
CurvesView(
    curves | {"the edge": torch.full((31,), 2.0)}, y="rate × sharpness", x="tenth step", title="Descent"
)

# %%
first, last = runs.sharpness.median(1).values[:, 0], runs.sharpness[..., -10:].mean(-1).median(1).values
ends = runs.product[..., -10:].mean(-1).median(1).values
claim("At 0.03 and 0.06 the sharpness grows by more than two thirds.", (last[:2] > 5 / 3 * first[:2]).all())
claim("In 300 steps it does not come to their edges.", (ends[:2] < 1.8).all())
claim("At 0.12 and 0.24 rate × sharpness ends at 2, within 20%.", ((ends[2:] - 2).abs() < 0.4).all())

# %%
claim("At 0.24 the place is less than two thirds as sharp as at 0.12.", last[3] < last[2] * 2 / 3)
begins = runs.product[..., 0].median(1).values
claim("0.12 has come up to its edge, 0.24 has come down to it.", begins[2] < 2 < begins[3])
rises = (runs.loss.diff(dim=-1) > 0).any(-1)
claim(
    "The loss never rises at 0.03. At 0.24 it does, from every seed.", rises[3].all() and not rises[0].any()
)
edge_guess.reveal(
    "up to the edge, and stays there",
    "Training sharpens the place until it is at the edge. Beyond it the jumping from wall to wall drives the run to where it is flatter.",
)

# %% [markdown]
# This is the **edge of stability** (Cohen et al. 2021). It turns lesson 1 around: there the surface decided which rate is possible. Here *the rate decides on which surface the run ends*, once it is large enough to reach its edge. Of two such rates the larger one leads to a flatter place. And a loss that rises now and then is no sign of a rate that is too large: at the edge it is the normal state.
#
# ## What a slice hides
#
# Take the place where SGD has ended, and multiply the first layer by 10. Divide the second layer's weights by 10. A ReLU lets a factor through: for every image the network says exactly what it said before.

# %%
other = rescale(end, 10)
claim("Both networks have the same loss.", (net.loss(other) - net.loss(end)).abs() < 1e-9)
scale_guess = predict_choice(
    "16-rescaled",
    "The same function. What has happened to the sharpness?",
    ["nothing: it is the same function", "more than five times as large", "less than a fifth"],
)
scale_guess

# %% [markdown] tags=["teacher"]
# “Nothing” is a sound idea of what flatness ought to be. Dinh et al. (2017) made this example to show that it is not so. Ask what a step of 0.01 means for a weight of 0.1, and for one of 0.01.

# %% [markdown]
# Here are slices along one random direction. *Plain*: the direction is as long as all the weights together. *Filter*: each unit's part of the direction is as long as the unit's own weights. The middle, 20, is the place itself. **Hide the two filter curves: which network lies in the narrower valley? Then show only these two: can you tell them apart?** (If you see only one, look at what the readout says of either.)


# %%
def along(params, way):
    one = random_directions(params, torch.Generator().manual_seed(0), count=1, normalise=way)
    return loss_slice(net.loss, params, one, torch.linspace(-1, 1, 41))


valleys = {
    f"{name}, {words}": along(params, way)
    for way, words in [("network", "plain"), ("filter", "filter")]
    for name, params in [("as trained", end), ("rescaled", other)]
}
CurvesView(valleys, y="loss", x="place", log=True, title="Two networks, one function", at=22)

# %%
plain, plain_other, filtered, filtered_other = valleys.values()
flat, steep = net.sharpness(end).item(), net.sharpness(other).item()
claim(f"The sharpness was {flat:.0f}. Rescaled, it is {steep:.0f}.", steep > 5 * flat)
long = [torch.cat([p.flatten() for p in params]).norm() for params in (end, other)]
claim(f"The weights together are {long[1] / long[0]:.0f} times as long.", long[1] > 5 * long[0])
claim(
    "The plain slices: at the ends the rescaled loss is over 100 times as high.",
    plain_other[0] > 100 * plain[0],
)
claim("The filter slices are the same.", (filtered_other / filtered - 1).abs().max() < 1e-6)
scale_guess.reveal(
    "more than five times as large",
    "The second layer's weights are now small and its inputs large, so that the same step changes ten times as much.",
)

# %% [markdown]
# Two pictures of the same function: one says *gorge*, the other says that nothing has changed. A part of the gorge is only the ruler: the plain slice is as long as all the weights, and those of the rescaled network are longer. The sharpness needs no ruler, and it has grown as well. Which is right? It depends on what you ask. If you ask about the *function*, filters are right: their steps are measured in the units' own size. If you ask about the next *step* of gradient descent, the sharpness is right. Its edge is at a rate of 2/λ:


# %%
def after_one_step(params, lr=0.05):
    params = [p.clone().requires_grad_() for p in params]
    grads = torch.autograd.grad(net.loss(params), params)
    return net.loss([p - lr * g for p, g in zip(params, grads, strict=True)]).item()


# %%
before = net.loss(end).item()
claim(f"The edges are at the rates {2 / flat:.2f} and {2 / steep:.3f}.", 2 / steep < 0.05 < 2 / flat)
claim("A step at 0.05 lowers the loss of the network as trained.", after_one_step(end) < before)
claim("From the rescaled one it leads uphill.", after_one_step(other) > before)

# %% [markdown]
# And a random slice hides even more. At the very same place, how curved is it along a random filter direction, and how curved in the sharpest one?

# %%
one = random_directions(end, torch.Generator().manual_seed(0), count=1)
below, here, above = loss_slice(net.loss, end, one, [-0.01, 0.0, 0.01])
length = torch.cat([d.flatten() for d in one]).norm()
bend = (below - 2 * here + above) / (0.01 * length) ** 2
claim("The random direction is less than a tenth as curved as the sharpest.", bend.abs() < flat / 10)

# %% [markdown]
# The wall that limits the rate is hardly ever in the picture. So a smooth picture does not say that a large rate is safe.
#
# ## A warm-up is a walk to a flatter place
#
# The usual first weights are larger than ours were up to here, and the ground below them is sharper. At a rate of 0.4 the edge is at 2/0.4, that is at 5. We try this rate at once, and after a warm-up of 100 steps (lesson 3b). **Which of the two ends lower?**

# %% tags=["nbval-ignore-output"]
# This takes about eight seconds.
at_once, slowly = (
    train_on_landscape([0.4], net=net, seeds=5, steps=300, warm_up=steps) for steps in (0, 100)
)
both = {"at once": at_once, "after a warm-up": slowly}
losses = {name: run.loss[0].median(0).values for name, run in both.items()}
CurvesView(losses, y="loss", x="tenth step", log=True, title="A rate of 0.4")

# %% [markdown]
# Why? While the rate warms up its edge comes down, from far above. **Slide from left to right: where does the edge meet the sharpness (the picture counts in tens of steps), and what does the sharpness do from there on?**

# %% tags=["nbval-ignore-output"]
walk = {
    "sharpness, warm-up": slowly.sharpness[0].median(0).values,
    "the edge, warm-up": 2 / slowly.rate[0],
    "sharpness at once": at_once.sharpness[0].median(0).values,
}
CurvesView(walk, y="sharpness", x="tenth step", log=True, title="A rate of 0.4", at=3)

# %%
begins, warm = slowly.sharpness[0, :, 0].median(), slowly.sharpness[0, :, 10].median()
lost, kept = at_once.loss[0, :, -1].median(), slowly.loss[0, :, -1].median()
claim("Both begin at more than four times the edge of the full rate.", begins > 4 * 5)
met = slowly.sharpness[0, :, 2].median()
claim("A third of that is gone before the edge comes down to it.", met < 0.7 * begins)
claim("When the warm-up is over, the place is less than half as sharp.", warm < begins / 2)

over = walk["sharpness, warm-up"][3:11] / walk["the edge, warm-up"][3:11]
claim(
    "From step 30 to the end of the warm-up it is above the edge, at up to about twice.",
    over.min() > 1 and 1.5 < over.max() < 2.7,
)

# %%
claim(
    "At once: the loss climbs above where it began.",
    at_once.highest.median() > 1.3 * at_once.loss[0, :, 0].median(),
)
claim("It ends more than three times as high as after the warm-up.", lost > 3 * kept)

# %% [markdown]
# From weights as large as these the first steps make the place flatter in any case. Then the edge of the warm-up is there, and from then on the sharpness follows it down. It stays above, at up to about twice the edge. So the run jumps a little in every step, and each jump leads to where it is a little flatter. Without a warm-up the run is thrown out in its first steps. The picture has every tenth step, so that its curve begins high and is low at the next point: the climb lies between them. It does not explode: it lands where the ground is flat enough, at first even flatter. This is called a *catapult* (Lewkowycz et al. 2020). But it has landed in a poor place, and the loss stays high. In the end both are at the same edge: the one has walked there, the other was thrown. That a warm-up works in this way was found in large networks by Gilmer et al. (2021).
#
# ## The rule
#
# **Filter normalisation** (Li et al. 2018). For each unit $j$, with weights $w_j$ and a random $d_j$; biases do not move:
#
# $$ d_j \leftarrow d_j\,\frac{\lVert w_j\rVert}{\lVert d_j\rVert} $$
#
# **Sharpness.** The Hessian $H$ holds the curvatures of all pairs of weights: for 1,810 weights three million numbers. We never write it down. $Hv$ alone costs about two gradients, and *power iteration* needs nothing else:
#
# $$ v \leftarrow \frac{Hv}{\lVert Hv\rVert}, \qquad \lambda = v \cdot Hv $$
#
# Each time, that part of $v$ grows most that lies in the most curved direction. In the end it is all that is left. Ours, the method of Lanczos, makes better use of the same products. A smaller network, for which PyTorch can write the whole Hessian:

# %%
tiny = few_digits(images=20, hidden=3)
params = tiny.first()
shapes, sizes = [p.shape for p in params], [p.numel() for p in params]


def of_row(row):
    return tiny.loss([part.reshape(s) for part, s in zip(row.split(sizes), shapes, strict=True)])


whole = torch.autograd.functional.hessian(of_row, torch.cat([p.flatten() for p in params]))
largest = torch.linalg.eigvalsh(whole)[-1]
claim(
    "PyTorch's whole Hessian and ours: the same sharpness.",
    (sharpness(tiny.loss, params) / largest - 1).abs() < 1e-6,
)

# %%
drawn = torch.randn(1, 64, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
ours = random_directions(params, torch.Generator().manual_seed(1), count=1)[0]
by_hand = drawn * params[0].norm(dim=0) / drawn.norm(dim=1, keepdim=True)
claim("By hand and by random_directions: the same direction.", (ours - by_hand).abs().max() < 1e-9)

# %% [markdown]
# And the walk is that of `torch.optim`:

# %%
params = [p.requires_grad_() for p in net.first(gain=0.5)]
theirs = torch.optim.SGD(params, lr=0.2)
for _ in range(10):
    theirs.zero_grad()
    net.loss(params).backward()
    theirs.step()
apart = max((p - way[10]).abs().max() for p, way in zip(params, ways["SGD"], strict=True))
claim("Ten steps of PyTorch's SGD and of ours: the same place.", apart < 1e-9)

# %% [markdown]
# ## Real data: is flatter better?
#
# “Small batches find flat minima, and flat minima generalise” (Keskar et al. 2017). We can test both halves. The same network, rate and number of steps, with all images in a step, with 16, and with 4. Each step draws its images anew, so that all are seen sooner or later; but as the number of steps is the same, the run with 4 reads a twenty-fifth as many. We measure the sharpness over all images, and read the digits that nobody trained on. **Read down the first two columns: do they tell the same story?** The last one says how well each has learned the 100 images.

# %% tags=["nbval-ignore-output"]
# This takes about eight seconds.
by_batch = {
    n: train_on_landscape([0.1], net=net, seeds=5, steps=400, every=50, batch_size=n, gain=0.5)
    for n in (100, 16, 4)
}
sharp = {n: run.sharpness[0, :, -3:].mean().item() for n, run in by_batch.items()}
tests = {n: net.accuracy(run.params) for n, run in by_batch.items()}
right = {n: seeds.mean().item() for n, seeds in tests.items()}
trained = {n: run.loss[0, :, -1].median().item() for n, run in by_batch.items()}
print("batch  sharpness  test images right, lowest and highest seed  training loss")
for n, seeds in tests.items():
    print(
        f"{n:5}  {sharp[n]:9.0f}  {right[n]:17.0%}, {seeds.min():.0%} and {seeds.max():.0%}  {trained[n]:.4f}"
    )

# %%
claim(
    "With batches of 4 the place is less than three quarters as sharp as with all.",
    sharp[4] < 0.75 * sharp[100],
)
claim("With 16 it lies between.", sharp[4] < sharp[16] < sharp[100])
claim(
    "On the test images they are less than 6 points apart.", max(right.values()) - min(right.values()) < 0.06
)
claim(
    "The flattest one is not ahead, or by less than 2 points.", right[4] < max(right[16], right[100]) + 0.02
)

# %% [markdown]
# The first half holds: noise keeps a run out of narrow places. The second half does not, here. On a small problem the sharpness says how large a step may be, and next to nothing about new images. Nor is the test a clean one: runs with small batches have read fewer images, and the last column says whether they have also learned less. On large networks the two are sometimes found together. After what rescaling does to the number, nobody should expect a law.
#
# ## Exercise
#
# First the filters. Weights are (in, out), so that a unit's weights are a column.


# %%
def normalised(d, w):
    """The direction d for the weights w, each column as long as the column of w."""
    ### BEGIN SOLUTION
    return d * w.norm(dim=0) / d.norm(dim=0)
    ### END SOLUTION


check("16-filter", normalised)

# %% [markdown]
# Then the sharpness. The Hessian here is small enough to be a matrix, so that $Hv$ is `hessian @ v`.


# %%
def sharpest(hessian, v, steps):
    """The curvature that is largest in size, by so many steps of power iteration from v."""
    ### BEGIN SOLUTION
    for _ in range(steps):
        v = hessian @ v
        v = v / v.norm()
    return v @ (hessian @ v)
    ### END SOLUTION


check("16-sharpness", sharpest)

# %% [markdown]
# ## In your own words

# %%
explain("16-explain")

# %% [markdown]
# ## What to keep
#
# 1. A slice shows the directions that somebody chose, and two random ones show next to nothing of a path.
# 2. With full batches gradient descent is drawn to the edge, where the rate times the sharpness is 2, so that a rate which gets there decides how flat the end is.
# 3. Sharp and flat depend on the units in which a step is measured: they tell you which rate is possible, and little about new images.
#
# **Where libraries disagree.** The code of Li et al. (2018) leaves biases and normalisation layers where they are, as ours does; others move them. A filter is a column where weights are (in, out), and a row in `torch.nn.Linear`, which stores (out, in). Power iteration finds the curvature that is largest in *size*, also a negative one, and Lanczos the largest. Some call λ itself the sharpness, others how much the loss rises within a ball.
#
# **Sources.** Li, Xu, Taylor, Studer and Goldstein (2018), *Visualizing the loss landscape of neural nets*. Antognini and Sohl-Dickstein (2018), *PCA of high dimensional random walks with comparison to neural network training*. Cohen, Kaur, Li, Kolter and Talwalkar (2021), *Gradient descent on neural networks typically occurs at the edge of stability*. Dinh, Pascanu, Bengio and Bengio (2017), *Sharp minima can generalize for deep nets*. Lewkowycz et al. (2020), *The large learning rate phase of deep learning: the catapult mechanism*. Gilmer et al. (2021), *A loss curvature perspective on training instability in deep learning*. Keskar et al. (2017), *On large-batch training for deep learning*.
