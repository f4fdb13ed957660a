# %% [markdown]
# # 6 · How to forget?
#
# | | |
# |---|---|
# | **Question** | Gradients that are long past say little about those to come. How fast should a method forget them? |
# | **Afterwards you can** | write the steps of RMSProp and of AdaDelta; choose a memory by how fast things change; say what forgetting is good for, and what it is not; find the rate that AdaDelta hides |
# | **Time** | 45 minutes |
# | **You need** | lesson 5 |
# | **Difficulty** | ●●○ |
#
# Adagrad divides by everything it has ever met. Its sum can only grow. But what if the gradients of last week have nothing to do with those of today? Then a method must forget. **RMSProp** does it with one number, and **AdaDelta** adds a promise: that you need no rate any more.

# %%
import torch

from lwlr_teach.optim import Adadelta, Method, RMSprop
from lwlr_teach.problems import digits_task, rnn_task, sentences_task
from lwlr_teach.runs import Contestant, exponential_rates, race, sweep, train_ensemble
from lwlr_teach.studies import ADADELTA_BY_EPS, best_memory, chase, guess_sizes
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, recall, yours
from lwlr_teach.views import CurvesView, MemoryView, Microscope, RatesView, SurfaceView

begin("06-rmsprop-adadelta")

# %%
recall("06-rmsprop-adadelta")

# %% [markdown]
# ## Guess the loudness
#
# You sit at the mixing desk in a concert hall, and your job is to keep the singer equally loud. You turn the volume down when she sings loudly, and up when she sings softly. But how loud is she? A single syllable tells you little. The average of the whole evening tells you what she did an hour ago. You listen to the last few seconds, and turn the knob by that.
#
# RMSProp (Hinton 2012) does this with gradients. It divides each one by their recent size, the root of a **moving average** of the squares:
#
# $$ s \leftarrow \alpha\,s + (1-\alpha)\,g^2 $$
#
# A gradient counts most when it is new, and at each later step a little less. With α = 0.9 that lasts about ten steps, with 0.99 about a hundred: the **memory** is $1/(1-\alpha)$ steps.
#
# Which memory is best? Suppose that the true size goes up and down at random, a little at each step. Two things make a guess wrong:
#
# - It **trembles**. The mean of $M$ squares is as uncertain as any mean of $M$ numbers, about $1/\sqrt M$.
# - It **lags behind**. In $M$ steps a size that takes random steps of length $v$ wanders off by about $v\sqrt M$.

# %%
memory_guess = predict_choice(
    "06-memory",
    "The size now wanders four times as fast: v becomes 4 v. How long is the best memory, compared with before?",
    ["as long", "half as long", "a quarter as long", "a sixteenth as long"],
)
memory_guess

# %% [markdown] tags=["teacher"]
# Most see that it must be shorter. "Half" is what people say who remember that a random walk goes with a root. Let them set the two errors equal, on the board: v√M = 1/√M.

# %% [markdown]
# The grey columns are what the method sees, the sizes |g|. The black line is the truth, which it does not see. *RMSprop* is its guess √s. *Adagrad* is the root of the mean of all squares since the run began, long before the left edge of the picture.
#
# **Drag the memory: first to 2, then to 200. What is wrong with each guess? Then find the best memory for the slow drift and for the fast one.** Last choose *one fall*, and see how long each takes to notice.

# %%
sizes = guess_sizes(shown=37)
MemoryView(sizes, at_memory=5, change="fast drift")

# %%
slow, fast, fall = sizes.best.tolist()
claim(
    f"The best memory is {slow:.0f} steps for the slow drift and {fast:.0f} for the fast one, which is four times as fast.",
    3 < slow / fast < 5.3,
)
by_formula = [best_memory(v) for v in (0.01, 0.04)]
claim(
    f"By an exact formula it should be {by_formula[0]:.0f} and {by_formula[1]:.0f}.",
    abs(slow / by_formula[0] - 1) < 0.25 and abs(fast / by_formula[1] - 1) < 0.25,
)
memory_guess.reveal(
    "a quarter as long",
    "Both errors are equal where v√M = 1/√M, that is at M = 1/v: four times the speed, a quarter of the memory.",
)

# %% [markdown]
# The formula is that of a Kalman filter, which follows a random walk through noise as well as can be done. It says $M \approx 1/(\sqrt2\,v)$ for a slow drift. So **the best memory follows the speed of the change**, and no α is right for everything.
#
# A fall is worse than a drift. What was loud before outweighs all that is soft now, because it is squared.

# %%
steps_after = sizes.guessed.shape[-1] // 2  # the size falls in the middle
long = (sizes.memories - 100).abs().argmin()
still = sizes.guessed[2, long, steps_after + 100] / sizes.size[2, -1]
claim("The size falls to a fifth.", abs(sizes.size[2, -1] - 0.2) < 1e-9)
claim(
    "With a memory of 100 steps the guess is still more than twice the truth 100 steps after the fall.",
    still > 2,
)
claim(
    "Of all three ways to change, Adagrad's mean is worse than the best memory by more than half.",
    (sizes.never_error > 1.5 * sizes.error.min(-1).values).all(),
)

# %% [markdown]
# ## A goal that moves
#
# Adagrad has a second difficulty: its steps get shorter and shorter. Now p shall follow a goal that jumps to and fro between 0 and 1, every 500 steps, while it feels the slope only with much noise. Each method runs at its own best rate. One set of draws chose that, another one judges.

# %%
follow_guess = predict_choice(
    "06-follow",
    "The gradients have the same size all the time. Who stays closest to the goal?",
    ["RMSProp, clearly", "SGD, clearly", "SGD and RMSProp are as good as equal", "Adagrad"],
)
follow_guess

# %% [markdown] tags=["teacher"]
# Textbooks say that RMSProp is "for moving targets", and most will answer so. Ask what SGD with a fixed rate remembers of a goal of a thousand steps ago. Nothing: it never had anything to forget.

# %%
# This takes about ten seconds.
short = Method("RMSprop, α 0.9", RMSprop, {"alpha": 0.9})
rates = exponential_rates(0.01, 100, 13)
chased = chase(["SGD", "Adagrad", "RMSprop", short, "Adadelta"], lr=rates, falls=(1, 10), fall_at=750)
names = list(chased.names)
steady, falling = (dict(zip(names, part, strict=True)) for part in chased.distance)

# %% [markdown]
# The curves are the typical distance to the goal after the last of three jumps. For Adagrad there is a second curve, after the first jump. **Find for each curve the step at which it is down to one half. Who has become slower?**

# %%
last = {name: curve[1500:1600] for name, curve in steady.items() if name != "RMSprop, α 0.9"}
last["Adagrad, first jump"] = steady["Adagrad"][500:600]
CurvesView(last, y="distance to the goal", title="Counted from the jump", at=25)


# %%
def halved(distance, jump):
    """How many steps after a jump the distance is below one half."""
    return (distance[jump:] < 0.5).int().argmax().item()


typical = {name: curve.square().mean().sqrt() for name, curve in steady.items()}
claim(
    "Over the whole run RMSProp is within 8% of SGD.",
    abs(typical["RMSprop"] / typical["SGD"] - 1) < 0.08,
)
at_first, at_last = (halved(steady["Adagrad"], jump) for jump in (500, 1500))
claim(
    "Adagrad needs a third more steps to half of the last jump than to half of the first.",
    at_last > 1.33 * at_first,
)
claim(
    "The others need as many as before, within three.",
    all(abs(halved(steady[n], 1500) - halved(steady[n], 500)) <= 3 for n in names if n != "Adagrad"),
)
follow_guess.reveal(
    "SGD and RMSProp are as good as equal",
    "SGD forgets by itself. Where the size of the gradients never changes, dividing by it is dividing by a constant.",
)

# %% [markdown]
# So Adagrad is left behind, further at the last jump than at the first. But RMSProp's advantage over *SGD* cannot be that it follows. It must be what it divides by.
#
# The same goal and the same jumps once more. But now, after 750 steps, all gradients become ten times smaller, slope and noise alike, as when the loss is given in another unit. **Who follows the last jump as fast as the first one in the picture, before the fall? And what does RMSProp do at the jump between?** (The one without a number has PyTorch's α, 0.99.)

# %%
window = {name: curve[450:] for name, curve in falling.items()}
CurvesView(window, y="distance to the goal", first=450, title="The gradients fall to a tenth", at=1530)

# %%
after = {name: halved(curve, 1500) for name, curve in falling.items()}
print(", ".join(f"{name} {steps}" for name, steps in after.items()))
claim(
    "Half of the last jump: SGD takes more than 1.5 times as many steps as RMSProp, Adagrad more than 2.5 times.",
    after["SGD"] > 1.5 * after["RMSprop"] and after["Adagrad"] > 2.5 * after["RMSprop"],
)
noticed = halved(falling["RMSprop"], 1000)
claim(
    "At step 1,000, RMSProp with α = 0.99 has not noticed yet: it needs 1.5 times as many steps as with 0.9.",
    noticed > 1.5 * halved(falling["RMSprop, α 0.9"], 1000),
)
claim(
    "AdaDelta follows after the fall as before it, within four steps.",
    abs(halved(falling["Adadelta"], 500) - after["Adadelta"]) <= 4,
)

# %% [markdown]
# SGD's rate has to serve loud and soft at once. After the fall its steps are too short: it trembles less, and follows late. RMSProp's rate need not. **What RMSProp adds to SGD is the scale, and what it adds to Adagrad is that it forgets.**
#
# ## The rule
#
# With $s = 0$ at first, for each weight by itself:
#
# $$ s \leftarrow \alpha\,s + (1-\alpha)\,g^2, \qquad p \leftarrow p - \eta\,\frac{g}{\sqrt{s} + \varepsilon} $$
#
# The average begins at 0, and nothing corrects that. **At which step is Δp longest, and why? How long does the spike shorten the steps? Then put α to 0.99 and look at step 1 again.**

# %%
Microscope(["RMSprop"], gradients="spike", lr=0.1, alpha=0.9)


# %%
def last_step(grads, alpha):
    """The length of RMSProp's last step, in rates."""
    p = torch.zeros(1, dtype=torch.float64)
    optimizer = RMSprop([p], lr=1.0, alpha=alpha)
    for g in grads:
        before, p.grad = p.clone(), torch.tensor([g], dtype=torch.float64)
        optimizer.step()
    return (p - before).abs().item()


claim("The first step is 10 rates long with PyTorch's α = 0.99.", abs(last_step([0.3], 0.99) - 10) < 1e-3)
claim("With 0.9 it is 3.16 rates long.", abs(last_step([0.3], 0.9) - 10**0.5) < 1e-3)
claim(
    "After a hundred steps of silence it is 3.16 again.",
    abs(last_step([1.0, *[0.0] * 100, 1.0], 0.9) - 10**0.5) < 1e-3,
)

# %% [markdown]
# So the first step is the longest one. A spike is divided by an s that holds it already. Then it shortens the steps, and at the end of the picture it is not quite forgotten.
#
# Silence concerns the rare words of lesson 5. Adagrad remembers each meeting. RMSProp has forgotten the word by the time it comes again, and takes the longest step that it has. That sounds bad, and it is often said that RMSProp is for moving goals and Adagrad for rare features. So race them on the sentences of lesson 5.

# %%
# This takes a few seconds.
task = sentences_task(seeds=8, steps=200, valid=200)
words = race(["Adagrad", short], lr=exponential_rates(0.001, 1, 9), task=task, checkpoints=4)

# %%
ada, rms = (words.valid_loss[i, words.best[i, -1], 3:, -1].median() for i in range(2))
best_ada, best_rms = (words.table()[name].best for name in words.names)
claim("On the rare words RMSProp with α = 0.9 is within 5% of Adagrad.", abs(rms / ada - 1) < 0.05)
claim("At a rate that is at least four times smaller.", best_rms * 4 < best_ada)

# %% [markdown]
# Each at its own best rate, they end equal: the saying is not confirmed here. Now is the rule by hand, ours and PyTorch's.

# %%
hand = torch.tensor([1.0, -2.0], dtype=torch.float64)
ours, theirs, s = hand.clone(), hand.clone(), torch.zeros(2, dtype=torch.float64)
pairs = [(ours, RMSprop([ours], lr=0.01)), (theirs, torch.optim.RMSprop([theirs], lr=0.01))]
for _ in range(100):
    for p, optimizer in pairs:
        p.grad = torch.tensor([1.0, 30.0]) * p
        optimizer.step()
    g = torch.tensor([1.0, 30.0]) * hand
    s = 0.99 * s + 0.01 * g**2
    hand = hand - 0.01 * g / (s.sqrt() + 1e-8)
apart = max((hand - ours).abs().max(), (hand - theirs).abs().max())
claim("By hand, ours and PyTorch's: the same places after 100 steps.", apart < 1e-9)

# %% [markdown]
# ## "Needs no rate"
#
# Zeiler (2012) looked at the units. If p is a length in metres, then g is a loss per metre, and $g/\sqrt s$ has no unit at all. Something has to turn it into metres. In RMSProp that is the rate, which *you* have to find. AdaDelta takes what it has: the recent size of its own steps $d$, which are in metres.
#
# $$ s \leftarrow \rho\,s + (1-\rho)\,g^2, \qquad d = \frac{\sqrt{u + \varepsilon}}{\sqrt{s + \varepsilon}}\;g, \qquad u \leftarrow \rho\,u + (1-\rho)\,d^2, \qquad p \leftarrow p - d $$
#
# No η anywhere. PyTorch multiplies $d$ by an `lr`, but its default is 1. Has the rate gone?
#
# Look at the first step. No step has been taken, so $u = 0$, and above stands only $\sqrt\varepsilon$. Below stands $\sqrt{1-\rho}\,|g|$, and $|g|$ cancels. **The first step is** $\sqrt\varepsilon/\sqrt{1-\rho}$, whatever the gradient, and every later one grows out of it. Here is the bowl, with 200 steps and a slider for ε. **Find the ε that gets closest. What happens far to the left of it, and far to the right?**

# %%
epsilons = torch.logspace(-10, 1, 56, dtype=torch.float64)
SurfaceView("quadratic", ["Adadelta"], lr=[1.0], at_lr=1.0, eps=epsilons, steps=200)

# %%
p = torch.zeros(4, dtype=torch.float64)
p.grad = torch.tensor([0.1, 1.0, 10.0, -100.0], dtype=torch.float64)
Adadelta([p]).step()
claim(
    "ρ = 0.9, ε = 10⁻⁶: the first step is 0.00316, for a gradient of 0.1 as for one of 100.",
    (p.abs() - 0.00316).abs().max() < 1e-5,
)
losses = sweep("quadratic", ["Adadelta"], lr=[1.0], eps=epsilons, steps=200).losses[0, 0, :, 0]
at = losses[:, -1].argmin()
claim("The best ε lies between 10⁻⁵ and 10⁻³.", 1e-5 < epsilons[at] < 1e-3)
claim(
    "A hundred times smaller or larger, and the loss is more than five times as high.",
    losses[[at - 10, at + 10], -1].min() > 5 * losses[at, -1],
)
claim("At ε = 10 the loss has grown.", losses[-1, -1] > 10 * losses[-1, 0])

# %% [markdown]
# A traffic jam on one side, a crash on the other, and the best between: you know this curve from lesson 1. **ε is AdaDelta's rate.**
#
# Now the digits network. In the picture both methods are swept along one axis. For RMSProp the number is its rate, for AdaDelta it is ε.

# %%
large_guess = predict_choice(
    "06-large-eps",
    "When ε is as large as 10, larger than all of s and u, what does AdaDelta do on the digits?",
    [
        "it explodes, as RMSProp at a large rate",
        "it learns, as SGD at the rate 1",
        "it hardly moves any more",
    ],
)
large_guess

# %% [markdown] tags=["teacher"]
# After the bowl almost everybody says "explodes". The formula says which rate it is: with u and s negligible the two roots cancel, and d = g. Whether the rate 1 explodes depends on the loss. The bowl's edge is at 2/10; the digits network learns at 1.

# %%
# This takes about five seconds.
ensemble = train_ensemble(["RMSprop", ADADELTA_BY_EPS], lr=exponential_rates(1e-9, 10, 21), steps=200)

# %% [markdown]
# **Drag from the left end to the right. Where does each of the two learn nothing? And which of them is never lost again?** (The axis says *learning rate*. For AdaDelta it is ε.)

# %% tags=["nbval-ignore-output"]
RatesView(ensemble, title="Digits network", at_lr=1e-6)

# %%
plain = train_ensemble(["SGD"], lr=[1.0], steps=200)
by_rate, by_eps = ensemble.train_loss.median(-1).values
claim("At ε = 10⁻⁹ AdaDelta has hardly begun: its loss is above 1.5.", by_eps[0] > 1.5)
claim("PyTorch's ε = 10⁻⁶ is not the best one: its loss is twice the lowest.", by_eps[6] > 2 * by_eps.min())
claim(
    "At 10, RMSProp is worse than guessing, with a loss above 2.3. AdaDelta has learned: below 0.3.",
    by_rate[-1] > 2.3 and by_eps[-1] < 0.3,
)
claim("So has SGD at the rate 1.", plain.train_loss.median() < 0.3)
large_guess.reveal(
    "it learns, as SGD at the rate 1",
    "With a huge ε the two roots cancel, and d = g: SGD at PyTorch's lr = 1. On the bowl that is beyond the edge.",
)

# %% [markdown]
# So AdaDelta hides two rates. From the left ε is one. At the right end you meet the other, the 1 that you never looked at.
#
# There is more. Let the gradients always have their usual size, so that $g^2 \approx s$. Then $d^2 \approx u + \varepsilon$, a little more than what is in $u$ already. Each step adds $(1-\rho)\,\varepsilon$ to u, and the steps grow like $\sqrt{(1-\rho)\,\varepsilon\,t}$. Adagrad's shrink like $1/\sqrt t$. These grow, and nothing ends it. Here is a constant slope, and then Rosenbrock's valley for 20,000 steps.

# %%
p, places = torch.zeros(1, dtype=torch.float64), [0.0]
optimizer = Adadelta([p])
for _ in range(4000):
    p.grad = torch.ones(1, dtype=torch.float64)
    optimizer.step()
    places.append(p.item())
at_1000, at_4000 = (places[t - 1] - places[t] for t in (1000, 4000))
claim(f"Step 1,000 on a constant slope: {at_1000:.4f}.", abs(at_1000 - 0.0106) < 1e-4)
claim("Step 4,000 is twice as long, within 5%.", abs(at_4000 / at_1000 - 2) < 0.1)

# %%
# This takes about eight seconds.
small = [1e-10, 1e-8, 1e-6, 1e-4]
runs = sweep("rosenbrock", ["Adadelta"], lr=[1.0], eps=small, steps=20_000)

# %%
valley = runs.losses[0, 0, :, 0]
claim(
    "With the default ε the loss is higher after 20,000 steps than after 2,000, by more than a third.",
    valley[2, -1] > 1.33 * valley[2, 2000],
)
claim(
    "After 20,000 steps each smaller ε has a loss that is at least five times lower.",
    (valley[1:, -1] > 5 * valley[:-1, -1]).all(),
)
claim(
    "After 500 steps it was the other way round: the larger ε, the lower the loss.",
    (valley[1:, 500] < 0.9 * valley[:-1, 500]).all(),
)

# %% [markdown]
# You may read that AdaDelta is slow on this valley. It is not. With the default it is soon near the goal, and then it trembles more and more. A smaller ε trembles less and starts later. That is how a rate behaves.
#
# And the units? Measure p in another unit, ten times finer, so that its numbers are ten times larger. A method that has its units right does the same as before.


# %%
def way(optimizer, unit, **settings):
    """How far 200 steps lead in the bowl, measured in the old unit."""
    p = torch.tensor([-2.5, 1.0], dtype=torch.float64) * unit
    walker = optimizer([p], **settings)
    for _ in range(200):
        p.grad = torch.tensor([1.0, 10.0], dtype=torch.float64) * p / unit**2
        walker.step()
    return (p[0] / unit + 2.5).item()


plain_way = way(Adadelta, 1)
claim("AdaDelta with the same ε gets less than a fifth as far.", way(Adadelta, 10) < plain_way / 5)
claim(
    "With ε a hundred times larger it gets as far as before, within 2%.",
    abs(way(Adadelta, 10, eps=1e-4) / plain_way - 1) < 0.02,
)

# %% [markdown]
# The rule has its units right, but ε has a unit too: u is in square metres. Who keeps ε = $10^{-6}$ has chosen a rate, in a unit that nobody chose.
#
# ## A real recurrent network
#
# "RMSProp is for recurrent networks", say many guides. Lesson 10 shows why these are hard: the same matrix acts at every step, and gradients grow or vanish on the way. Here is one that reads the digits like a text, four pixels at a time. It races beside the plain digits network. In both there are Momentum, Adagrad, RMSProp, AdaDelta, and Adam, which comes in lesson 7. Three seeds choose the rates, five others judge.

# %%
recurrent_guess = predict_choice(
    "06-recurrent",
    "In the recurrent network, each at its own best rate: how does RMSProp stand?",
    [
        "ahead of all the others",
        "ahead of Momentum, but hardly of Adagrad and Adam",
        "level with Momentum",
    ],
)
recurrent_guess

# %% [markdown] tags=["teacher"]
# The first answer is what the guides say. Let those who choose it say what in RMSProp would do it: a rate for each weight, or that it forgets? Adagrad has the first and not the second. That is why it is in the race.

# %%
# This takes about ten seconds.
lows = {"Momentum": 0.005, "Adagrad": 0.01, "RMSprop": 0.001, "Adadelta": 0.5, "Adam": 0.002}
entrants = [Contestant(name, lr=exponential_rates(low, 100 * low, 6)) for name, low in lows.items()]
how = {"seeds": 8, "steps": 150, "batch_size": 16, "valid": 300}
tasks = {"recurrent": rnn_task(hidden=16, **how), "plain": digits_task(hidden=(32,), **how)}
runs = {n: race(entrants, lr=rates[:6], task=task, checkpoints=6) for n, task in tasks.items()}
judged = {
    n: {name: r.valid_loss[i, r.best[i, -1], 3:].median(0).values for i, name in enumerate(lows)}
    for n, r in runs.items()
}

# %% [markdown]
# A block is 25 steps, and the lines are medians of the five seeds. **Order the five by their last loss. Where is the gap?**

# %% tags=["nbval-ignore-output"]
CurvesView(judged["recurrent"], y="loss", x="block", first=1, title="Recurrent, each at its own best rate")

# %%
read = {name: loss[-1] for name, loss in judged["recurrent"].items()}
seen = {name: loss[-1] for name, loss in judged["plain"].items()}
claim(
    "In the recurrent network RMSProp's loss is more than 10% below Momentum's.",
    read["RMSprop"] < 0.9 * read["Momentum"],
)
claim(
    "Adagrad's and Adam's are within 20% of RMSProp's.",
    all(abs(read[name] / read["RMSprop"] - 1) < 0.2 for name in ("Adagrad", "Adam")),
)
claim(
    "In the plain network RMSProp is not even 5% ahead of Momentum.",
    seen["RMSprop"] > 0.95 * seen["Momentum"],
)
recurrent_guess.reveal(
    "ahead of Momentum, but hardly of Adagrad and Adam",
    "A rate for each weight is what helps there. Adagrad has that too, and in so short a run nothing need be forgotten.",
)

# %% [markdown]
# There is something in the saying: in the recurrent network RMSProp is ahead of Momentum, and in the plain one it is not. But it shares that with its relatives, and what they have in common is a rate for each weight. Nor did Momentum have a clip here, which lesson 10 gives it.
#
# ## Exercise
#
# The two steps. Under each check there are hints, and a solution.


# %%
def rmsprop_step(p, g, s, lr, alpha, eps):
    """The new place and the new average of squares after one step of RMSProp."""
    ### BEGIN SOLUTION
    s = alpha * s + (1 - alpha) * g**2
    return p - lr * g / (s.sqrt() + eps), s
    ### END SOLUTION


check("06-rmsprop", rmsprop_step)


# %%
def adadelta_step(p, g, s, u, rho, eps):
    """The new place, the new average of g² and the new average of d² after one step of AdaDelta."""
    ### BEGIN SOLUTION
    s = rho * s + (1 - rho) * g**2
    d = (u + eps).sqrt() / (s + eps).sqrt() * g
    u = rho * u + (1 - rho) * d**2
    return p - d, s, u
    ### END SOLUTION


check("06-adadelta", adadelta_step)

# %% [markdown]
# Once RMSProp is right, it runs in your browser. Both go the same way, and yours covers ours: untick yours, and ours comes to light.

# %%
SurfaceView("beale", ["RMSprop", *yours("06-rmsprop", rmsprop_step)], at_lr=0.01)

# %% [markdown]
# ## In your own words

# %%
explain("06-explain")

# %% [markdown]
# ## What to keep
#
# 1. RMSProp divides each gradient by the root of a moving average of its squares, and the faster things change, the shorter the best memory 1/(1 − α).
# 2. A goal that moves is followed by SGD as well, and what RMSProp adds is that gradients may change their size.
# 3. AdaDelta has a rate after all: ε makes the first step, √ε/√(1 − ρ), and has to be found like any other.
#
# **Where libraries disagree.** RMSProp: α is 0.99 in PyTorch and 0.9 in Keras and optax, so that the first step at the same rate is 10 or 3.16 rates long. PyTorch adds ε outside the root, Keras and optax inside. AdaDelta: `lr` is 1 in PyTorch and 0.001 in Keras, which is another method. Zeiler's ρ is 0.95; PyTorch and optax take 0.9.
#
# **Sources.** Hinton, Srivastava and Swersky (2012), *Neural networks for machine learning*, lecture 6e: RMSProp, on a slide and never in a paper. Graves (2013), *Generating sequences with recurrent neural networks*: its centered form. Zeiler (2012), *ADADELTA: an adaptive learning rate method*: the rule, and the argument by units.
