# %% [markdown]
# # 5 · What if features are rare?
#
# | | |
# |---|---|
# | **Question** | One weight gets a gradient at every step, another once in a hundred. Can one rate suit both? |
# | **Afterwards you can** | write Adagrad's step; say what it does to a common and to a rare word; tell where it is fast, where it is not, and why its steps get shorter |
# | **Time** | 40 minutes |
# | **You need** | lessons 1 and 3; lesson 4 helps |
# | **Difficulty** | ●●○ |
#
# So far there was one rate for everything. It could change with time, but at each moment it was the same for every weight. From here on each weight has a rate of its own. **Adagrad** is the first method that does this, and the simplest.

# %%
import torch
from torch.nn import EmbeddingBag
from torch.nn.functional import cross_entropy

from lwlr_teach.optim import SGD, Adagrad
from lwlr_teach.problems import ravine, sentences, sentences_task
from lwlr_teach.runs import Contestant, Minibatches, exponential_rates, race, sweep
from lwlr_teach.schedules import InverseSqrt
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, predict_number, recall, yours
from lwlr_teach.views import CurvesView, Microscope, SurfaceView

begin("05-adagrad")

# %%
recall("05-adagrad")

# %% [markdown]
# ## Words that hardly ever come
#
# You learn a language from its books. Some words are on every page. Others come once in a book. If you change your mind about a word only a little each time you meet it, you know the common ones after a chapter, and the rare ones never. If you change it a lot, you learn the rare ones, and every page throws you about in what you believed of the common ones.
#
# A sensible reader does both: studies a new word hard, and passes lightly over one that was met a hundred times.
#
# Here is such a book: sentences of this course. A model has to say from which part each one comes, the part *One rate for everything* or the part *A rate for every layer*. It knows only which words occur. Each word has a weight for either part, and a sentence goes to the part with the larger sum.

# %%
text = sentences()
parts = ["one rate for everything", "a rate for every layer"]
for i in (3, 5, 8):
    print(f"{parts[text.y_train[i]]}: {text.texts[i]}")

seen = text.x_train.sum(0)  # in how many of the sentences each word occurs
rare, common = seen < 5, seen >= 50

# %%
claim(
    f"{len(text.x_train)} sentences to learn from, {len(text.x_test)} others to be tested on.", len(seen) > 1
)
claim(
    f"They have {len(seen):,} words. {rare.sum()} occur in fewer than five sentences, {common.sum()} in 50 or more.",
    rare.sum() > 0.6 * len(seen),
)
with_rare = (text.x_test[:, rare].sum(1) > 0).float().mean()
claim("Three of four test sentences have at least one of the rare words.", 0.7 < with_rare < 0.8)
in_batch = [(x.sum(0) > 0).float().mean() for x, _ in Minibatches(text.x_train, text.y_train, 32)]
claim(
    "In a batch of 32 sentences fewer than a fifth of the words occur. All others have the gradient 0.",
    max(in_batch) < 0.2,
)

# %% [markdown]
# Almost all words are rare, and it takes nearly all sentences to be without one. Data of this kind are called **sparse**: words, products in a shop, users, places. Their features are 0 almost always.
#
# ## A rate that counts meetings
#
# Adagrad (Duchi, Hazan and Singer 2011) keeps for each weight the sum of its squared gradients so far. The weight's own rate is the rate that you typed, divided by the root of that sum. Steep so far, or often met: short steps. Gentle or new: long ones.
#
# Take two weights. One has the gradient 1 at every step. The other has it at every tenth step only, and 0 in between. At step 30 both have the gradient 1, and the second one meets its word for the third time.

# %%
silence_guess = predict_choice(
    "05-silence-guess",
    "How long is the rare one's step at step 30, compared with the other's?",
    ["as long: it is the same step 30", "about three times as long", "about ten times as long"],
)
silence_guess

# %% [markdown] tags=["teacher"]
# "As long" is what people say who think of a schedule: time has passed for both. "Ten times" forgets the root. Let them write the two sums on the board, 3 and 30, before the picture.

# %% [markdown]
# Under the microscope you see every line of the rule and what it computes. Here is the rare weight. **Walk through a silence and on to the next gradient, and watch the sum. What does a silence do to it?** Then go to step 30 and read Δp. Choose *constant* for the other weight, and read it again.

# %%
Microscope(["Adagrad"], gradients="sparse", lr=0.1)

# %%
p = torch.zeros(2, dtype=torch.float64)
adagrad, places = Adagrad([p], lr=0.1), [p.clone()]
for t in range(1, 31):
    p.grad = torch.tensor([1.0, float(t % 10 == 0)], dtype=torch.float64)
    adagrad.step()
    places.append(p.clone())
often, seldom = (places[29] - places[30]).tolist()

claim(f"At step 30 the step is {often:.3f} for the common one, 0.1/√30.", abs(often - 0.1 / 30**0.5) < 1e-9)
claim(f"For the rare one it is {seldom:.3f}, 0.1/√3.", abs(seldom - 0.1 / 3**0.5) < 1e-9)
claim("In a silence nothing changes, neither the place nor the sum.", places[21][1] == places[29][1])
silence_guess.reveal(
    "about three times as long",
    "The sum counts meetings and not steps: 3 against 30, and the root of ten is 3.2.",
)

# %% [markdown]
# So a schedule counts time, and Adagrad counts what a weight has lived through. Two things follow. The first step of a weight is the whole rate, however small its gradient. And a word that comes late in the run is studied as hard as if the run had just begun.
#
# Now the real words, with the rate 0.1 and batches of 32 sentences. "The" is in every second sentence, "valley" in a few, "hiker" and "comfort" in hardly any. A curve begins where its word comes for the first time. **Which word comes late, and at which rate does it begin? Order the four by their rates at the end.**


# %%
def train(optimizer, weights, seed=0):
    """Eight times through the sentences; goes on after each step."""
    batches = Minibatches(text.x_train, text.y_train, 32, seed)
    for x, y in (batch for _ in range(8) for batch in batches):
        optimizer.zero_grad()
        cross_entropy(x @ weights, y).backward()
        optimizer.step()
        yield


weights = torch.zeros(len(text.words), 2, requires_grad=True)
adagrad = Adagrad([weights], lr=0.1)
sums = torch.stack([adagrad.state[weights]["sum"][:, 0].clone() for _ in train(adagrad, weights)])
rates = {word: 0.1 / sums[:, text.words.index(word)].sqrt() for word in ("the", "valley", "hiker", "comfort")}
CurvesView(rates, y="a word's own rate", first=1, log=True, title="Adagrad on the sentences")

# %%
counts = ", ".join(f"“{word}” in {seen[text.words.index(word)]:.0f}" for word in rates)
claim(f"Of the sentences to learn from, {counts}.", seen[text.words.index("the")] > 500)

# %%
the, valley, hiker, comfort = rates.values()
late = comfort.isfinite().int().argmax() + 1
claim(
    f"“Comfort” comes for the first time at step {late}, and its rate is higher then than that of the other three.",
    late > 20 and comfort[late - 1] > max(rate[late - 1] for rate in (the, valley, hiker)),
)
claim(
    "In the end the rate of “hiker” is more than ten times that of “the”, and “valley” is in between.",
    hiker[-1] > 10 * the[-1] and the[-1] < valley[-1] < hiker[-1],
)

# %%
claim("Each rate only falls: none ever rises.", all((r[1:] <= r[:-1]).all() for r in rates.values()))

# %% [markdown]
# ## A real text: who learns the rare words?
#
# A fair race, as in lesson 4: SGD, Adagrad and Adam, each at its own best rate. Three seeds choose the rates, five others judge. What is judged is the loss on 200 sentences that were held back.
#
# There is a fourth contestant. Adagrad's rates fall, roughly like $1/\sqrt t$ for a common word. Perhaps that is all there is to its success? So SGD also runs with the schedule $1/\sqrt t$, and with the best first rate for that.

# %%
schedule_guess = predict_choice(
    "05-schedule",
    "SGD's loss is higher than Adagrad's. How much of the gap does the schedule close?",
    ["nearly all of it", "about half", "hardly any of it"],
)
schedule_guess

# %% [markdown] tags=["teacher"]
# After lesson 3 many believe in schedules, and choose the first or the second. Ask: at a given step, what does a schedule do for "hiker" that it does not do for "the"?

# %% [markdown]
# The lines are the medians of the five seeds. **Read off the loss of SGD at its last step. At which step did Adagrad pass that value?**

# %% tags=["nbval-ignore-output"]
# This takes about ten seconds.
task = sentences_task(text, seeds=8, steps=200, batch_size=32, valid=200)
runs = race(
    ["SGD", Contestant("SGD", InverseSqrt(), name="SGD, 1/√t"), "Adagrad", "Adam"],
    lr=exponential_rates(0.003, 30, 13),
    task=task,
)
losses = {name: runs.valid_loss[i, runs.best[i, -1], 3:] for i, name in enumerate(runs.names)}
# Judged every ten steps: a value stands until the next.
medians = {name: loss.median(0).values.repeat_interleave(10) for name, loss in losses.items()}
CurvesView(medians, y="loss", first=10, title="Sentences, each at its own best rate", at=209)

# %%
sgd, scheduled, ada, adam = (losses[name] for name in runs.names)  # (seed, checkpoint)
claim(
    f"SGD ends at {sgd[:, -1].median():.2f}, Adagrad at {ada[:, -1].median():.2f}, lower from every seed.",
    ada[:, -1].max() < sgd[:, -1].min(),
)
claim(
    "Adagrad is lower after 60 steps than SGD after 200, from every seed.",
    ada[:, 5].max() < sgd[:, -1].min(),
)

# %%
gap = sgd[:, -1].median() - ada[:, -1].median()
claim(
    "The schedule closes less than a third of the gap.",
    scheduled[:, -1].median() > sgd[:, -1].median() - gap / 3,
)
claim("Adam ends within 3% of Adagrad.", abs(adam[:, -1].median() / ada[:, -1].median() - 1) < 0.03)
schedule_guess.reveal(
    "hardly any of it",
    "A schedule lowers the rate of every word alike. What counts here is the difference between words.",
)

# %% [markdown]
# So it is not that the rates fall. It is that they fall *for each word by itself*. That can be shown directly. Train SGD and Adagrad, each at its own best rate. Then cover all rare words in the test sentences, as if with a pen, and look at the loss again.

# %%
best = dict(zip(runs.names, (place.best for place in map(runs.table().__getitem__, runs.names)), strict=True))
covered = torch.where(rare, 0.0, text.x_test)
found = {}
for make in (SGD, Adagrad):
    for seed in range(5):
        weights = torch.zeros(len(text.words), 2, requires_grad=True)
        list(train(make([weights], lr=best[make.__name__]), weights, seed))
        w = weights.detach()
        both = [cross_entropy(x @ w, text.y_test) for x in (text.x_test, covered)]
        sizes = [(w[words, 1] - w[words, 0]).abs().mean() for words in (rare, common)]
        found.setdefault(make, []).append(torch.stack(both + sizes))
(sgd_open, sgd_covered, sgd_rare, sgd_common), (ada_open, ada_covered, ada_rare, ada_common) = (
    torch.stack(found[make]).median(0).values for make in (SGD, Adagrad)
)

# %%
claim(
    "SGD gives a rare word less than two thirds of the weight of a common one.", sgd_rare < 2 / 3 * sgd_common
)
claim("Adagrad gives it more than a common one.", ada_rare > 1.2 * ada_common)
claim("All words: Adagrad's loss is lower by more than 4%.", ada_open < 0.96 * sgd_open)
claim("Rare words covered: they are less than 3% apart.", abs(ada_covered / sgd_covered - 1) < 0.03)

# %% [markdown]
# With the rare words covered the two are as good as equal. **All that Adagrad gains here, it gains on rare words.**
#
# And now what it does not gain. The share of sentences that is right hardly tells the two apart: the test has 300 sentences, and a point is three of them.
#
# Nor does Adagrad do away with the search for a rate. People say that it "eliminates the need to tune the learning rate by hand". It does spare you the schedule. But its best rate is another one than SGD's, nobody tells you which, and to miss it is as costly as with SGD.

# %%
places = [runs.table()[name] for name in runs.names]
apart = max(p.accuracy for p in places) - min(p.accuracy for p in places)
claim(
    "Of the four, the best and the worst are less than four points apart on the test sentences.", apart < 0.04
)
claim("SGD's best rate is more than four times Adagrad's.", best["SGD"] > 4 * best["Adagrad"])
ends = {name: runs.valid_loss[i, :, 3:, -1].median(-1).values for i, name in enumerate(runs.names)}
for name in ("SGD", "Adagrad"):
    at = ends[name].argmin()
    claim(
        f"{name} at ten times its best rate is worse than guessing, whose loss is ln 2 = 0.69.",
        ends[name][at + 3] > 0.7,
    )

# %% [markdown]
# ## Where it is fastest
#
# What has a valley to do with words? The loss is curved steeply along the weight of a common word, and gently along that of a rare one, which few sentences feel. So a text is a long, narrow valley, and it lies **along the axes**: the steep directions are single weights, and so are the gentle ones.
#
# Here is one with two weights. It is 50 times more curved from bottom to top. The lowest picture has the loss at the present step, for every rate. **Compare the lowest places of the two curves: which method can be lower?** Then drag the start to the axis of the valley and back: does it stay so?

# %%
straight, turned = ravine(50, degrees=0), ravine(50, degrees=30)
slider = exponential_rates(0.005, 2, 79)
how = {"lr": slider, "steps": 100, "at_lr": 0.03, "at_step": 30, "every_rate": True}
SurfaceView(straight, ["SGD", "Adagrad"], start=(-2.2, -0.8), **how)

# %%
turned_guess = predict_choice(
    "05-turned-guess",
    "The valley is turned by 30°, and the start with it. Each at its own best rate: who needs many more steps than before?",
    ["neither", "SGD", "Adagrad", "both"],
)
turned_guess

# %% [markdown] tags=["teacher"]
# "Neither" is tempting: it is the same valley. It is the right answer for SGD, which knows no axes. Ask which of the two weights is the steep one now.

# %% [markdown]
# Here is the turned valley. **Compare the lowest places of the two curves once more.**

# %%
SurfaceView(turned, ["SGD", "Adagrad"], start=(-1.505, -1.793), **how)


# %%
def fewest(surface, name, near, steps=500, start=None, rates=None):
    """The fewest steps until the loss is at most ``near`` above its minimum, at the best of the rates."""
    rates = exponential_rates(0.001, 2, 111) if rates is None else rates
    runs = sweep(surface, [name], lr=rates, steps=steps, starts=start and [start])
    there = runs.losses[0, :, 0] - runs.surface.lowest <= near  # (rate, step)
    return there.int().argmax(-1)[there.any(-1)].min().item()


starts = {straight: (-2.2, -0.8), turned: (-1.505, -1.793)}
steps = {
    name: [fewest(valley, name, 1e-3, start=start) for valley, start in starts.items()]
    for name in ("SGD", "Adagrad")
}
for name, (before, after) in steps.items():
    print(f"{name:8} straight {before:3} steps, turned {after:3}")

# %%
claim("SGD needs as many steps as before.", abs(steps["SGD"][0] - steps["SGD"][1]) <= 1)
claim("Straight, Adagrad is more than eight times as fast as SGD.", 8 * steps["Adagrad"][0] < steps["SGD"][0])
claim("Turned, it is slower than SGD.", steps["Adagrad"][1] > steps["SGD"][1])
turned_guess.reveal(
    "Adagrad",
    "It has a rate for each axis. In a slanting valley both axes are steep, and neither rate may be large.",
)

# %% [markdown]
# SGD does not know where the axes are. Adagrad knows nothing else. It is fast where the weights themselves are what differs, as with words, and it has nothing to offer where the valley lies slanting.
#
# You may read that Adagrad is the fastest of all on the surface of Styblinski and Tang: 19 steps, and 313 for SGD. The numbers are right. But one was measured at a rate of 0.5 and the other at 0.001. You know from lesson 4 what such a comparison is worth.

# %%
hill = "styblinski-tang"
shared = [fewest(hill, name, 1e-6, rates=[lr]) for name, lr in [("Adagrad", 0.5), ("SGD", 0.001)]]
claim(f"Adagrad at 0.5: {shared[0]} steps. SGD at 0.001: {shared[1]}.", shared[0] * 10 < shared[1])
own = {
    s: [fewest(s, name, 1e-6, steps=n) for name in ("Adagrad", "SGD")]
    for s, n in [(hill, 400), ("beale", 600)]
}
claim("Each at its own best rate: fewer than ten steps both.", max(own[hill]) < 10)
claim(
    "On Beale's surface Adagrad needs less than half of SGD's steps.", 2 * own["beale"][0] < own["beale"][1]
)
edge = exponential_rates(0.0019, 0.00201, 12)
banana = fewest("rosenbrock", "SGD", 1e-6, steps=5000, rates=edge)
ada_runs = sweep("rosenbrock", ["Adagrad"], lr=exponential_rates(0.1, 2, 27), steps=5000)
claim("On Rosenbrock's SGD arrives within 5,000 steps.", banana < 5000)
claim("Adagrad at none of 27 rates.", ada_runs.losses[0, :, 0].min() > 1e-6)

# %% [markdown]
# A tie, a win and a defeat. None of these surfaces has rare features.
#
# ## Why it stops
#
# A sum of squares can only grow. On a slope that is the same at every step, $g$, the sum after $t$ steps is $t\,g^2$, and step $t$ is $\eta\,g/\sqrt{t\,g^2} = \eta/\sqrt t$. After 100 steps Adagrad is 18.6 rates away from its start. SGD would be 100 slopes and rates away.

# %%
far_guess = predict_number(
    "05-how-far",
    "How many rates away is Adagrad after 10,000 steps of a constant slope?",
    exponential_rates(20, 10_000, 61),
    within=1.3,
    log=True,
)
far_guess

# %% [markdown] tags=["teacher"]
# Some say 20 or 30, because "it stops". Others multiply by a hundred. Let them add up 1 + 1/√2 + 1/√3 + … in blocks.

# %% [markdown]
# **Drag from left to right: by which factor does the distance grow when the steps grow by a hundred, from 100 to 10,000? Does it ever stop?**

# %%
p = torch.zeros(1, dtype=torch.float64)
optimizer, way = Adagrad([p], lr=1.0), []
p.grad = torch.tensor([-3.0], dtype=torch.float64)
for _ in range(10_000):
    optimizer.step()
    way.append(p.item())
by_formula = 2 * torch.arange(1, 10_001, dtype=torch.float64).sqrt()
CurvesView(
    {"Adagrad": way, "2 √T": by_formula}, y="distance, in rates", first=1, title="A constant slope", at=100
)

# %%
claim(f"After 100 steps: {way[99]:.4f} rates.", abs(way[99] - 18.5896) < 1e-4)
claim(f"After 10,000: {way[-1]:.3f}.", abs(way[-1] - 198.545) < 1e-3)
claim("The formula 2 η √T is off by less than 1% then.", abs(by_formula[-1] / way[-1] - 1) < 0.01)
far_guess.reveal(way[-1], "The steps add up to about 2 η √T: a hundred times the steps, ten times the way.")

# %% [markdown]
# So it never stands still. It becomes slow, and on a slope that goes on for ever that is a loss. But "Adagrad's rate only falls, so it is always slow" is wrong. The sum grows only while there are gradients. Near a goal they fade, the sum stays, and the last steps are as sure as the first: in the straight valley above it arrived before SGD had begun to.
#
# Where the goal *moves*, Adagrad remembers what is long past and cannot follow. Lesson 6 is about how to forget.
#
# ## The rule
#
# For each weight by itself, with $s = 0$ at first:
#
# $$ s \leftarrow s + g^2, \qquad p \leftarrow p - \eta\,\frac{g}{\sqrt{s} + \varepsilon} $$
#
# In the four words of lesson 1 it is a *direction*. A weight that is not met has $g = 0$: neither $s$ nor $p$ changes. So a program need not even look at it. PyTorch has **sparse gradients** for this: they hold only the rows of the words that were met. Our Adagrad takes them, as PyTorch's does. Here it reads a sentence at a time, beside PyTorch's with whole gradients and the formula by hand.

# %%
bag = EmbeddingBag(len(text.words), 2, mode="sum", sparse=True)
theirs = torch.zeros(len(text.words), 2, requires_grad=True)
hand, s, moved = theirs.detach().clone(), torch.zeros_like(theirs), []
bag.weight.data.zero_()
ours, torchs = Adagrad(bag.parameters(), lr=0.1), torch.optim.Adagrad([theirs], lr=0.1)
for x, y in zip(text.x_train[:200], text.y_train, strict=False):
    before = bag.weight.detach().clone()
    for optimizer, logits in [(ours, bag(x.nonzero().T)[0]), (torchs, x @ theirs)]:
        optimizer.zero_grad()
        cross_entropy(logits, y).backward()
        optimizer.step()
    s += theirs.grad**2
    hand -= 0.1 * theirs.grad / (s.sqrt() + 1e-10)
    moved.append((bag.weight != before).any(1).float().mean())

# %%
apart = max((bag.weight - theirs).abs().max(), (hand - theirs).abs().max())
claim(
    "By hand, by PyTorch's and by ours with sparse gradients: the same weights after 200 sentences.",
    apart < 1e-4,
)
share = torch.stack(moved).mean()
claim(f"In a step {share:.0%} of the rows move.", 0.005 < share < 0.015)

# %% [markdown]
# The division has one more effect. Multiply the loss by ten, and for SGD that is a tenfold rate. For Adagrad it is nothing at all: $g$ and $\sqrt s$ grow together. Only when gradients are as small as $\varepsilon$ do they notice each other, and with PyTorch's $10^{-10}$ that is rare.


# %%
def end(make, lr, times):
    """Fifty steps in the straight valley, with the loss multiplied."""
    p = torch.tensor([starts[straight]], dtype=torch.float64)
    optimizer = make([p], lr=lr)
    for _ in range(50):
        p.grad = times * straight.grad(p)
        optimizer.step()
    return p.squeeze()


claim(
    "Loss × 10: Adagrad ends at the same place.",
    (end(Adagrad, 0.1, 10) - end(Adagrad, 0.1, 1)).abs().max() < 1e-8,
)
claim("SGD explodes.", end(SGD, 0.03, 1).norm() < 1 and end(SGD, 0.03, 10).norm() > 1e6)
claim("Loss × 10⁻¹²: now ε counts, and Adagrad hardly moves.", end(Adagrad, 0.1, 1e-12)[0] < -2)

# %% [markdown]
# ## Exercise
#
# Adagrad's step, and the way it goes on a constant slope. Under each check there are hints, and a solution.


# %%
def step(p, g, s, lr, eps):
    """The new place and the new sum after one step of Adagrad from p, where the gradient is g."""
    ### BEGIN SOLUTION
    s = s + g**2
    return p - lr * g / (s.sqrt() + eps), s
    ### END SOLUTION


check("05-step", step)

# %% [markdown]
# Once it is right, it runs in your browser. Both go the same way, and yours covers ours: untick yours, and ours comes to light.

# %%
SurfaceView("beale", ["Adagrad", *yours("05-step", step)], at_lr=0.5)


# %%
def distance(slope, lr, steps):
    """How far Adagrad gets in so many steps, if the gradient is slope > 0 at each of them. Leave ε out."""
    ### BEGIN SOLUTION
    return lr * sum(1 / t**0.5 for t in range(1, steps + 1))
    ### END SOLUTION


check("05-distance", distance)

# %% [markdown]
# ## In your own words

# %%
explain("05-explain")

# %% [markdown]
# ## What to keep
#
# 1. Adagrad divides the rate of each weight by the root of the sum of its own squared gradients, so that what is rarely met still takes long steps.
# 2. It is fast where the steep and the gentle directions are single weights, as with words, and a slanting valley takes that away.
# 3. Its rates only fall, like 1/√t on a constant slope, and it still has a rate that you must find.
#
# **Where libraries disagree.** PyTorch starts the sum at 0 and puts $\varepsilon = 10^{-10}$ outside the root. Keras and optax start it at 0.1 and put $\varepsilon = 10^{-7}$ inside, so that the first step depends on the size of the gradient after all. PyTorch's `lr_decay` is a second decay on top, and 0 if you do not ask for it.
#
# **Sources.** Duchi, Hazan and Singer (2011), *Adaptive subgradient methods for online learning and stochastic optimization*: the rule, and why it suits sparse features. McMahan and Streeter (2010), *Adaptive bound optimization for online convex optimization*: the same idea in the same year. Pennington, Socher and Manning (2014), *GloVe*: word vectors that were trained with it.
