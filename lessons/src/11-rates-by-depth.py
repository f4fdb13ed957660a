# %% [markdown]
# # 11 · Should early layers move less?
#
# | | |
# |---|---|
# | **Question** | A trained network goes on with a new task. Which of its layers should move, and how fast? |
# | **Afterwards you can** | give each layer a rate by its depth, a schedule of its own, or none; freeze layers and unfreeze them in turn, without a trap; measure which layers have to move; say what all this costs |
# | **Time** | 70 minutes |
# | **You need** | lessons 1 to 4 |
# | **Difficulty** | ●●○ |
#
# The third word of our formula is *scale*: a factor for each layer. In this lesson you choose it by hand, by the depth of the layer.

# %%
import torch
from torch import nn

from lwlr_teach.layerwise import freeze, groups_by_depth, groups_by_name, layer_schedule, train_top
from lwlr_teach.optim import Adam
from lwlr_teach.runs import Recorder, fit, operations
from lwlr_teach.studies import TRANSFERS, compare, pretrain, readouts, target
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, recall
from lwlr_teach.views import CurvesView, InspectorView, TransferView

begin("11-rates-by-depth")

# %% [markdown]
# ## Recall

# %%
recall("11-rates-by-depth")

# %% [markdown]
# ## New songs, or a new clef
#
# A pianist learns new songs. The eyes read the notes as always, and only the hands have something to learn. Another day it is a known song, in a clef that the pianist has never seen. Now the hands know everything, and the eyes must learn.
#
# A network has eyes and hands as well. Its first layers read, its last ones answer. From this picture comes the usual advice for *transfer learning*, which is to go on with a trained network on a new task. The early layers have learned something general, so give them a small rate. The last layers belong to the old task, so give them a large one.
#
# We test it. Twenty small networks have learned the digits 0 to 4, each from a seed of its own. They have four layers: three hidden ones and the last one, which answers.

# %%
known = pretrain(seeds=20)
claim("All of them get more than 90% of the test images of 0 to 4 right.", known.accuracy.min() > 0.9)

# %% [markdown]
# Now they get new songs: the digits **5 to 9**, and of each digit only two, five or twenty examples. The last layer begins anew, because its five answers mean something else now. The hidden layers go on from what they know. These are the arrangements:
#
# - *equal rates*: one rate for all four layers;
# - *smaller early*: each layer has 2.6 times the rate of the layer before it, as Howard and Ruder (2018) advise;
# - *smaller late*: the same, upside down;
# - *last layer only* and *first layer only*: all the others are frozen;
# - *unfrozen from the top*: the last layer begins alone, and the others join it one after the other;
# - *not pretrained*: equal rates, from new random weights in every layer.
#
# In each arrangement each network gets the best of four rates for itself. It is chosen on two hundred images that are neither trained on nor tested on. Otherwise we would compare the rates and not the arrangements. The next cell trains more than a thousand networks.

# %%
# This takes longest in this lesson.
names = ["smaller early", "smaller late", "last layer only", "first layer only", "unfrozen from the top"]
how = {"lr": torch.logspace(-3, -1, 4), "names": names}
new = [compare(known, "new digits", shots=shots, **how) for shots in (2, 5, 20)]

# %%
new_guess = predict_choice(
    "11-new-digits",
    "New digits, five examples of each: which of these three beats equal rates?",
    ["smaller early", "smaller late", "last layer only"],
)
new_guess

# %% [markdown] tags=["teacher"]
# "Smaller early" is what every textbook says, and most will choose it; some choose "last layer only", because with few examples fewer weights should be safer. Let them say why before they look. The surprise carries the lesson.

# %% [markdown]
# Each dot is a seed, and each is compared with equal rates *from the same seed*. To the right of the thick line is better. The square beside a name shows which layers move, with the last layer on top.
#
# Drag the number of examples from 2 to 20. **Which rows stay on the left, and what happens to all rows as examples are added?** (The picture counts the seeds of this machine. The sentences under it say what holds on others, too: hence their "at most" and "at least".)

# %% tags=["nbval-ignore-output"]
TransferView(new, at_shots=2)

# %%
gain = dict(zip(new[1].names, new[1].gain, strict=True))  # with five examples: each is (seed,)
wins = {name: int((values > 0).sum()) for name, values in gain.items()}

claim(
    "Five examples: the last layer alone loses more than 15 points.", gain["last layer only"].median() < -0.15
)
claim("Smaller early wins from at most 4 of the 20 seeds.", wins["smaller early"] <= 4)
claim("Smaller early loses more than 6 points of accuracy.", gain["smaller early"].median() < -0.06)
ahead = int((gain["smaller late"] > gain["smaller early"]).sum())
claim("Smaller late is ahead of smaller early from at least 17 seeds.", ahead >= 17)
claim("Smaller late beats equal rates from more than half of the seeds.", wins["smaller late"] > 10)
claim("Not pretrained beats equal rates from more than half of the seeds, too.", wins["not pretrained"] > 10)
twenty = dict(zip(new[2].names, new[2].gain, strict=True))
near = [values.median().abs() < 0.05 for name, values in twenty.items() if "last" not in name]
claim("With twenty examples all but the last layer alone are less than 5 points from equal rates.", all(near))
still = [(twenty[name] < 0).sum() for name in ("smaller early", "unfrozen from the top")]
claim(
    "Smaller early and unfrozen from the top still lose to equal rates, from at least 13 seeds.",
    min(still) >= 13,
)
new_guess.reveal(
    "smaller late",
    "What the early layers learned of 0 to 4 is in the way of 5 to 9, so that it is they who have to move.",
)

# %% [markdown]
# The usual advice fails, from nearly every seed. And there is worse: a network that knows nothing wins as well. What these networks know about 0 to 4 is in their way. If you only compare arrangements of a pretrained network, you never learn that.
#
# With twenty examples the rows come together at the line. Three still stay on the left from most seeds: smaller early and unfrozen from the top by a point or two, the last layer alone by far. The arrangement matters most when there is little to learn from.

# %% [markdown]
# ## Ask the layers
#
# Where does the picture of the pianist go wrong? It takes for granted that the eyes read songs that they have never seen. That can be measured.
#
# Leave the network as it is, and put a **readout** on one of its layers: a linear classifier that sees what this layer puts out, and nothing else. Alain and Bengio (2017) call it a probe. It is fitted to the same five examples of each digit. We put it on the pixels, on the first, the second and the third hidden layer.

# %%
readout_guess = predict_choice(
    "11-readout",
    "New digits: where does a linear readout get most of them right?",
    ["on the pixels", "on the first hidden layer", "on the third hidden layer"],
)
readout_guess

# %% [markdown] tags=["teacher"]
# Those who think of a network as a ladder of better and better features say "the third". It was better and better for 0 to 4. Ask what these layers were ever rewarded for.

# %%
places = {t: readouts(target(known, t, shots=5)) for t in TRANSFERS}  # (place, seed) each
seen = places["new digits"].median(-1).values

claim("It is best on the pixels, and worse on each layer after them.", (seen.diff() < 0).all())
claim("From the pixels to the third hidden layer it loses more than 8 points.", seen[0] - seen[3] > 0.08)
untrained = readouts(target(known, "new digits", shots=5, keep=False)).median(-1).values
claim(
    "In a network that was not pretrained the third hidden layer is read worse still.", untrained[3] < seen[3]
)
readout_guess.reveal(
    "on the pixels",
    "The pixels hold everything. Each layer that learned to tell 0 to 4 apart shows less of the rest.",
)

# %% [markdown]
# Layer 0 of the picture is the pixels, 1 to 3 are the hidden layers. The second line is the same network with the random weights that it had before it was pretrained.

# %% tags=["nbval-ignore-output"]
CurvesView(
    {"pretrained": seen, "not pretrained": untrained},
    y="share read right, median of 20",
    x="layer",
    title="Readouts",
    at=0,
)

# %% [markdown]
# So these eyes do not read new songs well. The hidden layers have learned to tell 0 to 4 apart, and of 5 to 9 each shows less than the one before. What a layer throws away, **no later layer can bring back**. What it only hides can be found again, but that takes examples. A readout cannot tell the two apart. If the early layers hardly move, the last ones learn from what is left.
#
# The readout does not explain everything. Random layers are read worse still, and yet the network that was not pretrained ends ahead. The readout cannot say why. Ash and Adams (2020) met something like it in large networks: those that go on from earlier data end less well than those that begin anew.
#
# Our network is tiny, and it has seen five classes. Yosinski et al. (2014) took large networks, trained on five hundred classes of photographs, moved them to five hundred other ones, and found that the first layers were general and the later ones less and less so. There the advice has its ground. It is a statement about *those* layers.

# %% [markdown]
# ## The other way round
#
# Now the new clef. The task stays, 0 to 4, and the last layer is kept. But the images are **inverted**: black is white. There is a first layer that undoes this exactly: you only have to turn its weights round and shift its biases. Lee et al. (2023) found that a network meets blurred or noisy images best if only its first layers move.

# %%
inverted_guess = predict_choice(
    "11-inverted",
    "Inverted images, five examples of each digit: which of these three beats equal rates from most seeds?",
    ["first layer only", "smaller late", "smaller early"],
)
inverted_guess

# %% [markdown] tags=["teacher"]
# Now the careful ones say "first layer only": the change is at the input, and a perfect first layer exists. That it exists does not mean that twenty-five images point to it. Others have just learned "smaller late" and repeat it. Both are good reasons, so ask for them.

# %%
inverted = compare(known, "inverted", shots=5, **how)

# %% [markdown]
# Both transfers, with five examples of each digit. **Switch between the two: which rows change sides?** Then compare smaller early with smaller late.

# %% tags=["nbval-ignore-output"]
TransferView([new[1], inverted], transfer="inverted")

# %%
gain = dict(zip(inverted.names, inverted.gain, strict=True))
wins = {name: int((values > 0).sum()) for name, values in gain.items()}
ahead = int((gain["smaller early"] > gain["smaller late"]).sum())

claim("Before the first step fewer than 10% are right: worse than a guess.", inverted.before.median() < 0.1)
claim("Smaller early beats equal rates from more than half of the seeds.", wins["smaller early"] > 10)
claim("Smaller early beats smaller late from at least 14 of the 20.", ahead >= 14)
claim("Unfrozen from the top beats equal rates from at least 13.", wins["unfrozen from the top"] >= 13)
claim(
    "The last layer alone is not 5 points behind equal rates any more.",
    gain["last layer only"].median() > -0.05,
)
claim("The first layer alone beats equal rates from at most 6.", wins["first layer only"] <= 6)
claim("Not pretrained beats equal rates from more than half of the seeds.", wins["not pretrained"] > 10)
by_heart = inverted.train_accuracy[inverted.names.index("first layer only")].median()
claim("Yet the first layer alone learns its training images, all of them, from most seeds.", by_heart > 0.95)
inverted_guess.reveal(
    "smaller early",
    "The early layers still tell these images apart, and twenty-five of them are too few to do better.",
)

# %% [markdown]
# Three rows have come over from the left: smaller early, unfrozen from the top and the last layer alone, which has come the furthest. All three spare the early layers. Smaller late and the first layer alone have gone the other way. So the advice holds, and for a task where the pianist says that it should not: the clef is new, so the eyes should learn. (But the network that was not pretrained does about as well: there was little to transfer here too.) And the first layer alone? There is one first layer that turns every image right again. But twenty-five images do not point to it: many others get these twenty-five right and the test images wrong. Lee et al. (2023) had another network, other changes to the images and other amounts of data; what held there does not hold here.
#
# Ask the layers again, and you see why the early ones may rest. There are two more tasks in the picture, of which more below: *mirrored* images, and images whose columns are *shuffled*. **On which of the tasks is the third hidden layer read better than the pixels?**

# %% tags=["nbval-ignore-output"]
heights = {transfer: up.median(-1).values for transfer, up in places.items()}
CurvesView(heights, y="share read right, median of 20", x="layer", title="Readouts", at=3)

# %% [markdown]
# In numbers, seed by seed:

# %%
better = {transfer: int((up[-1] > up[0]).sum()) for transfer, up in places.items()}

claim(
    "Inverted: the third hidden layer is read better than the pixels, from at least 15 seeds.",
    better["inverted"] >= 15,
)
claim(
    "New digits, mirrored, shuffled columns: it is so from at most 9.",
    max(better[transfer] for transfer in TRANSFERS if transfer != "inverted") <= 9,
)

# %% [markdown]
# Only one of the four rises: the inverted images. An inverted 3 still looks different from an inverted 0 when it comes out at the top. Only the names are wrong, and names are given by the last layer. So the early layers may rest. The readout would have said so before any training. It asks the right question, which is not "how deep is this layer?" but **"what does it still say about my task?"**
#
# A rule that was found on two tasks should be tested on others. On the mirrored and the shuffled images the readout is worse at the top than on the pixels. So smaller rates early should lose.

# %%
lost = {}
for transfer in ("mirrored", "shuffled"):
    tested = compare(known, transfer, shots=5, **how | {"names": ["smaller early"]})
    lost[transfer] = int((tested.gain[tested.names.index("smaller early")] < 0).sum())

claim(
    "Smaller early loses from more than half of the seeds, on both.",
    min(lost.values()) > 10,
)

# %% [markdown]
# Four tasks do not make a law. And one thing is unfair in all of them: we chose the rates with two hundred images that were held back. With five examples of each class you do not have those.

# %% [markdown]
# ## Learning by heart
#
# Few examples, many weights: the network can learn them by heart. *Over-fitting* in the picture is the training accuracy less the test accuracy. *Test loss* grows with every mistake, and more with one that the network is sure of. **Look at both on the inverted images: which arrangement is highest in each?** (That one gets its training images right, as was measured above.)

# %% tags=["nbval-ignore-output"]
TransferView([new[1], inverted], transfer="inverted", measure="test loss")

# %%
rows = {name: i for i, name in enumerate(inverted.names)}
whole = [i for name, i in rows.items() if "only" not in name]  # every layer moves
learned = [c.train_accuracy[whole].median(-1).values.min() for c in (new[1], inverted)]
gap = [c.gap[rows["equal rates"]].median() for c in new]
loss = inverted.test_loss.median(-1).values

claim("Where every layer moves, more than 90% of the training images are right.", min(learned) > 0.9)
claim("New digits, equal rates: a gap of more than 25 points with two examples.", gap[0] > 0.25)
claim("With twenty it is less than 12.", gap[2] < 0.12)
claim(
    "Inverted: equal rates have at least 1.2 times the test loss of smaller early.",
    loss[rows["equal rates"]] > 1.2 * loss[rows["smaller early"]],
)
claim(
    "The first layer alone, which learned its training images by heart, has the highest of all.",
    loss.argmax() == rows["first layer only"],
)
widest = inverted.gap.median(-1).values.argmax()
claim("It also has the widest gap between training and test accuracy.", widest == rows["first layer only"])
behind = inverted.gain.median(-1).values.argmin()
claim("On the test images it is also the furthest behind equal rates.", behind == rows["first layer only"])

# %% [markdown]
# When nearly all training images are right, the gap is only the test accuracy turned round, and tells you little that is new. The first layer alone is the clearest case: it has fitted twenty-five images in a way of its own, and is the furthest behind on the others. Equal rates have the higher test loss than smaller early, where the layers that may rest do rest. More examples are the best remedy: with twenty the gap is less than half of what it is with two.

# %% [markdown]
# ## A schedule for each layer
#
# A scale may change while the network trains. *Unfrozen from the top* is such a schedule. Another one is FreezeOut (Brock et al. 2017), which was made to save time: each layer's rate falls to zero along a cosine, the first layer's early, the last one's at the end. What has stopped needs no gradient any more. In the picture it is called *stopped from below*, and its fair rival is one cosine for all layers. The thick line is equal rates that do not fall. **Are the two rows further from it, and from each other, than their seeds are scattered?**

# %%
how["names"] = ["one cosine", "stopped from below"]
falling = compare(known, "new digits", shots=5, **how)

# %% tags=["nbval-ignore-output"]
TransferView(falling)

# %%
median = dict(zip(falling.names, falling.gain.median(-1).values, strict=True))
moving = [f(step) > 0.0001 for f in falling.moves["stopped from below"] for step in range(falling.steps)]

claim(
    "Stopped from below, a quarter of the layers' steps need no gradient.", sum(moving) == 0.75 * len(moving)
)
claim(
    "New digits: one cosine and stopped from below are less than 4 points from equal rates.",
    max(median[name].abs() for name in how["names"]) < 0.04,
)

# %% [markdown]
# We should expect a price, because the layers that FreezeOut stops first are the ones that this task needs most. But the three are too close together for twenty seeds to put them in order. So here FreezeOut saves work at little cost, if any. On your own task you have to measure it.

# %% [markdown]
# ## The rule
#
# With $L$ layers, the rate $\eta$ for the last one and a factor $\xi$, layer $l$ gets
#
# $$ \eta_l \;=\; \eta\, \xi^{\,L-l} . $$
#
# $\xi < 1$ is smaller early, $\xi > 1$ is smaller late, $\xi = 1$ is equal. In code these are **parameter groups**, a list of dictionaries, which every optimizer of PyTorch takes. `groups_by_depth` writes them, `groups_by_name` gives a rate to whatever you name.

# %%
goal = target(known, "new digits", shots=5)
x, y = (part[0] for part in goal.examples)
model, twin = goal.module(), goal.module()

ours = Adam(groups_by_depth(model, lr=0.01, factor=1 / 2.6))
layers = [twin.hidden1, twin.hidden2, twin.hidden3, twin.out]
by_hand = [{"params": layer.parameters(), "lr": 0.01 / 2.6 ** (3 - i)} for i, layer in enumerate(layers)]
theirs = torch.optim.Adam(by_hand)
fit(model, ours, [(x, y)], steps=20)
fit(twin, theirs, [(x, y)], steps=20)

apart = max((p - q).abs().max() for p, q in zip(model.parameters(), twin.parameters(), strict=True))
claim("Our groups and Adam, PyTorch's by hand: the same weights after 20 steps.", apart < 1e-4)
named = {group["name"]: group["lr"] for group in groups_by_name(model, lr=0.001, rates={"out": 0.01})}
claim(
    "groups_by_name: the last layer has ten times the rate of the others.",
    named["out"] == 10 * named["hidden1"],
)

# %% [markdown]
# A schedule for each layer is `layer_schedule(optimizer, {"hidden1": f})`, where `f(step)` is a factor. In plain torch it is a `LambdaLR` with a list of functions, one for each group.

# %% [markdown]
# ## A real module, frozen and thawed
#
# There are two ways to hold a layer still. Give it the **rate 0**, or tell autograd that it needs **no gradient**. In the picture of the arrangements the two look the same.
#
# Take SGD with momentum 0.9, which you know from lesson 2. The three hidden layers stand still for 60 steps, in the first way and in the second. Then all layers go on together at one rate.

# %%
thaw_guess = predict_choice(
    "11-thaw",
    "The first step after the thaw: how long is it with rate 0, compared with no gradient?",
    ["a tenth as long", "equally long", "ten times as long"],
)
thaw_guess

# %% [markdown] tags=["teacher"]
# "Equally long" is nearly unanimous: a layer that did not move is a layer that did not move. Remind them of lesson 2: the buffer adds up gradients, and at momentum 0.9 a steady gradient fills it to ten times its own length. Those who say that have understood lesson 2.

# %%
hidden = ["hidden1", "hidden2", "hidden3"]


def thawed(way):
    """Hold the hidden layers for 60 steps, then train all for 40: the recording, and the size of the memory."""
    model = goal.module()
    sgd = torch.optim.SGD(groups_by_depth(model, lr=0.02, factor=1), momentum=0.9)
    recorder = Recorder(model, sgd, every=1)
    schedule = None
    if way == "rate 0":
        schedule = layer_schedule(sgd, dict.fromkeys(hidden, lambda step: float(step >= 60)))
    else:
        freeze(model, *hidden)  # in plain torch: model.hidden1.requires_grad_(False), and so on
    fit(model, sgd, [(x, y)], steps=60, schedule=schedule, recorder=recorder)
    memory = sum(state["momentum_buffer"].numel() for state in sgd.state.values())
    train_top(model, 4)  # all four layers; with 1, 2, 3 it is gradual unfreezing
    fit(model, sgd, [(x, y)], steps=40, schedule=schedule, recorder=recorder)
    return recorder.recording, memory


(zero, full), (frozen, small) = thawed("rate 0"), thawed("no gradient")

# %% [markdown]
# Grey is 0, a step that was not made; hatched is no number at all. **Walk the step across 60, and compare the hidden layers of the two runs there.** Then choose *gradient* from the list: which run has computed gradients that nobody used, and which has none?

# %%
InspectorView([zero, frozen], names=("rate 0", "no gradient"), quantity="update_norm", at_step=60)

# %%
length = zero["update_norm"][:3, 60] / frozen["update_norm"][:3, 60]

claim(
    "With rate 0 the first steps of all hidden layers are 8 to 12 times as long.",
    ((length > 8) & (length < 12)).all(),
)
claim(
    "Before that, the last layer walked the same way in both.",
    zero["update_norm"][3, :60].allclose(frozen["update_norm"][3, :60], rtol=1e-3),
)
claim(
    "At rate 0 momentum keeps a number for every weight of the network.",
    full == sum(p.numel() for p in model.parameters()),
)
claim("Without a gradient it keeps less than a tenth of that.", small < full / 10)
thaw_guess.reveal(
    "ten times as long",
    "Rate 0 stops the step and not the memory: sixty gradients have filled the buffer to 1/(1 − 0.9) = 10 of them.",
)

# %% [markdown]
# Rate 0 stops the step and nothing else. Gradients are still computed, and the momentum still remembers them. Sixty steps later it has a full buffer, and the moment the rate comes back it throws all of it at the layer. `freeze` and `train_top` set `requires_grad`: then autograd computes no gradient, and the optimizer passes over what has none.

# %% [markdown]
# ## What it costs
#
# Layer-wise rates are said to need slightly more computation. Each weight is multiplied by a rate in any case, so the arithmetic is the same. But PyTorch's optimizers can handle all tensors of a group in one call (`foreach`), and many groups mean many calls. A part of Adam's calls is for single tensors in any case: each tensor has its own count of steps, which is read alone, twice in a step. Take thirteen layers, in one group or in thirteen. **What do you expect: how many times as many calls does Adam make, and how much of that is left in a whole training step?**


# %%
def calls(grouped, foreach):
    """How many operations Adam's step starts, and a whole training step: with a group a layer, or one group."""
    blocks = [part for _ in range(12) for part in (nn.Linear(64, 64), nn.ReLU())]
    model = nn.Sequential(*blocks, nn.Linear(64, 5))
    params = groups_by_depth(model, lr=0.001, factor=0.9) if grouped else model.parameters()
    adam = torch.optim.Adam(params, lr=0.001, foreach=foreach)

    def train():
        adam.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        adam.step()

    train()
    return torch.tensor([operations(adam.step), operations(train)])


loop, together = (calls(True, foreach) / calls(False, foreach) for foreach in (False, True))
claim("Tensor by tensor: as many with thirteen groups as with one.", loop[0] == 1)
claim(f"A group in one call: {together[0]:.1f} times as many.", together[0] > 2)
claim(f"In the whole training step: {together[1]:.1f} times as many.", together[1] < 1.6)
one, thirteen = (calls(grouped, True)[0] for grouped in (False, True))
single = one - (thirteen - one) / 12  # a call for a group is made once, or thirteen times: twelve more
claim("With one group, more than half of Adam's calls are for single tensors.", single > one / 2)

# %% [markdown]
# That is the "slightly". Why not thirteen times? The calls for a group are made thirteen times, but those that read the counts are as many as before, and they are the larger part. How much time it takes depends on the machine: where tensors are small, a step is mostly calls. So let layers that share a rate share a group.

# %% [markdown]
# ## Exercise
#
# The rule, and the schedule of gradual unfreezing. Under each check there are hints, and a solution.


# %%
def rate_of(depth, layers, lr, factor):
    """The rate of the layer at this depth, if the last one has lr. The first layer has depth 0."""
    ### BEGIN SOLUTION
    return lr * factor ** (layers - 1 - depth)
    ### END SOLUTION


check("11-rate-of", rate_of)

# %% [markdown]
# And how many layers are trained at a step, when they join from the top, one after the other.


# %%
def awake(step, steps, layers):
    """How many layers from the top are trained. The steps fall into as many equal parts as there are layers:
    in the first part it is one layer, in the last all of them."""
    ### BEGIN SOLUTION
    return min(layers, 1 + step * layers // steps)
    ### END SOLUTION


check("11-awake", awake)

# %% [markdown]
# ## In your own words

# %%
explain("11-explain")

# %% [markdown]
# ## What to keep
#
# 1. Whether early layers should move less depends on what their outputs still say about the new task, and a readout on each layer measures that before any training.
# 2. Try the network that was not pretrained as well, because a comparison of arrangements cannot tell you that there was nothing to transfer.
# 3. Freeze with `requires_grad` and not with the rate 0, or the optimizer remembers what the layer never did.
#
# **Where libraries disagree.** fastai's `slice(lr)` gives all groups but the last a tenth of the rate, and `slice(low, high)` spreads the rates evenly on a logarithmic axis. In Keras `trainable = False` also makes batch norm use its stored averages; in PyTorch `requires_grad` leaves them running, and `eval()` stops them. PyTorch's `zero_grad` sets gradients to `None`; with `set_to_none=False` they are zero, and momentum and weight decay still move the layer.
#
# **Sources.** Howard and Ruder (2018), *Universal language model fine-tuning for text classification*: rates by depth and gradual unfreezing. Yosinski et al. (2014), *How transferable are features in deep neural networks?* Ash and Adams (2020), *On warm-starting neural network training*. Lee et al. (2023), *Surgical fine-tuning improves adaptation to distribution shifts*. Alain and Bengio (2017), *Understanding intermediate layers using linear classifier probes*. Brock et al. (2017), *FreezeOut: accelerate training by progressively freezing layers*.
