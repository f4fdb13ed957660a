# %% [markdown]
# # 18 · Why does my run fail?
#
# | | |
# |---|---|
# | **Question** | My run fails. What is it, and how do I find out without spending a week? |
# | **Afterwards you can** | read a run from its curves and from what its layers do; choose the cheapest test that tells; name twelve usual mistakes; let a recording be examined |
# | **Time** | 60 minutes |
# | **You need** | lessons 1, 3, 7 and 12 |
# | **Difficulty** | ●●● |
#
# Until now each lesson knew what it would show you. A run of your own does not. It fails, and what it fails of is one line among a thousand. Here are twelve broken runs. Nearly all of these mistakes were really made, some of them in libraries and in courses.

# %%
import torch
from torch import nn

from lwlr_teach.problems import digits
from lwlr_teach.runs import Minibatches, diagnose, fit
from lwlr_teach.studies import ILLNESSES, patients, run_patient
from lwlr_teach.teaching import begin, calibration, check, claim, explain, my_course, predict_choice, recall
from lwlr_teach.views import ClinicView, CurvesView, InspectorView

begin("18-clinic")
ward = list(ILLNESSES)  # patients by number: a name in the code would give the answer away

# %%
recall("18-clinic")

# %% [markdown]
# ## What a doctor does
#
# A doctor does not begin with the most dangerous cure. She looks first, which costs nothing. She thinks of two or three causes. Then she orders the cheapest test that these causes would answer *differently*.
#
# The last word is the point. A test that all suspects would fail in the same way tells nothing, however cheap it is. Most wasted days are such tests: another seed, a few more epochs, the same run again.
#
# All patients in this lesson are small networks of four layers, which learn the digits for 200 steps. First a healthy one: the step of each layer, as a share of its weights (lesson 12). **What does the share do from the first step to the last, and is there a layer that does something else?**

# %% tags=["nbval-ignore-output"]
healthy = run_patient("healthy", 0)
InspectorView(healthy.recording, title="A healthy run", at_step=100)

# %%
share = healthy.recording["relative_update"]
claim(
    "Healthy: in the first ten steps each layer moves by between 0.2% and 10% of its weights a step.",
    share[:, :10].min() > 0.002 and share[:, :10].max() < 0.1,
)
claim("In the last ten steps by less than 0.2%.", share[:, -10:].max() < 0.002)
claim("Its loss ends below 0.6.", healthy.losses[-20:].mean() < 0.6)

# %% [markdown]
# Here the share falls because its schedule lowers the rate to 0. Learn this picture: four rows that look alike and fade together.
#
# ## First patients: two losses that go up
#
# A has a wrong sign somewhere: it adds the step where it should subtract it. B has a rate that is far too high. **Can you tell from these curves which is A and which is B?**

# %% tags=["nbval-ignore-output"]
first, second = (run_patient(ward[number], 0) for number in (1, 4))
curves = {"first curve": first.losses[:45], "second curve": second.losses[:45]}
CurvesView(curves, y="training loss", log=True, title="Two losses that go up", at=3)

# %% [markdown]
# Make a guess. Now you may order one test for both, to confirm it.

# %%
test_guess = predict_choice(
    "18-test",
    "In which test does one of the two learn, and the other not?",
    [
        "train on one batch again and again (3 minutes)",
        "run it with another seed (10 minutes)",
        "run it at a tenth of the rate (10 minutes)",
    ],
)
test_guess

# %% [markdown] tags=["teacher"]
# Many take the cheapest. Let them say, before they choose, what each of the two causes would answer to it. Whoever goes uphill does so on one batch as well; whoever leaps leaps there, too.

# %%
wild, uphill = first, second
tests = {"one batch": (0, {"one_batch": True}), "seed": (1, {}), "tenth": (0, {"times": 0.1})}
ends = {
    test: [run_patient(name, seed, **how).losses[-20:].mean() for name in ("wrong sign", "rate too high")]
    for test, (seed, how) in tests.items()
}
for test, name in (("one batch", "On one batch"), ("seed", "With another seed")):
    claim(f"{name} neither gets below a loss of 1.5.", not any(end < 1.5 for end in ends[test]))
claim("At a tenth of the rate one learns, below 0.6.", ends["tenth"][1] < 0.6)
claim("The other still rises.", not ends["tenth"][0] < uphill.losses[:5].mean())
leap, creep = (run.recording["relative_update"][:, 0] for run in (wild, uphill))
claim(
    "A first step of the one is longer than the weights, of the other shorter than a tenth.",
    leap.min() > 1 and creep.max() < 0.1,
)
test_guess.reveal(
    "run it at a tenth of the rate (10 minutes)",
    "Measured was the end of the loss. Short steps downhill help, and short steps uphill never do. "
    "On one batch, and with another seed, both fail, each in its own way.",
)

# %% [markdown]
# The curves had told already, if you knew where to look. The first one is B: it leaps in its *first* step, because that step is longer than all its weights. The second is A: it climbs slowly and then ever faster.
#
# ## Second patients: two losses that do nothing
#
# The next two do not learn. A has a rate that is too low. In B, gradients are clipped in every step, and far too short. Their losses are two flat lines. So look at the gradients, all layers together. **One of the curves cannot come from batches that differ. Which?**

# %% tags=["nbval-ignore-output"]
first, second = (run_patient(ward[number], 0) for number in (6, 2))


def whole(run):
    """The norm of the whole gradient in each step."""
    return run.recording["clipped_norm"].square().sum(0).sqrt()


curves = {"first curve": whole(first), "second curve": whole(second)}
CurvesView(curves, y="norm of the gradient", log=True, title="Two flat losses", at=100)

# %%
clipped, slow = first, second
claim(
    "Both losses end above 2.1, and guessing gives 2.3.",
    min(run.losses[-20:].mean() for run in (slow, clipped)) > 2.1,
)
spread = [(whole(run).quantile(0.95) / whole(run).quantile(0.05)).item() for run in (slow, clipped)]
claim("One gradient varies by more than a fifth from step to step.", spread[0] > 1.2)
claim("The other has the same norm in all steps, within one part in a thousand.", spread[1] < 1.001)
made = 1 / whole(clipped).median().item()
claim("That norm is 1/65,536.", abs(made / 65_536 - 1) < 0.001)

# %% [markdown]
# Batches differ, and so do their gradients. A norm that is the same in every step has been *made*. Here somebody clipped while the loss was still multiplied by 65,536, as mixed precision does, and took the factor away afterwards. What was left had a norm of $1/65{,}536$. This mistake stood in an example of PyTorch's.
#
# ## Third patient: a layer that was frozen
#
# One of the four layers was frozen at first. In step 40 it was to wake up. But the optimizer had been made before, of what could be trained then, and nobody told it. The rate is the same in all steps, so that no share will fade at the end.

# %%
left_guess = predict_choice(
    "18-left-out",
    "One layer of four never moves. How does the training loss end?",
    ["above 2, hardly better than guessing", "below 0.6, as a healthy one", "at NaN: it is no number"],
)
left_guess

# %% [markdown] tags=["teacher"]
# Those who remember lesson 11 will know that a random layer is still a layer: the others learn to use what it does.

# %% [markdown]
# **Find the layer that does not move. Then choose the gradients from the list: what do they say of that layer after step 40?**

# %% tags=["nbval-ignore-output"]
left = run_patient("left out", 0)
InspectorView(left.recording, title="The third patient", at_step=100)

# %%
moved = left.recording["update_norm"].sum(1)
pulled = left.recording["grad_norm"]
claim("Three layers move, and the second never does.", moved[1] == 0 and (moved > 0).sum() == 3)
claim("From step 40 on it has gradients.", (pulled[1, 40:] > 0).all() and pulled[1, :40].isnan().all())
claim(
    "By step 100 its gradient is more than 5 times as long as in step 40. No other's has doubled.",
    pulled[1, 100] > 5 * pulled[1, 40]
    and (pulled[[0, 2, 3], 95:105].median(1).values < 2 * pulled[[0, 2, 3], 40]).all(),
)
end = left.losses[-20:].mean()
claim("Its loss ends below 0.6.", end < 0.6)
left_guess.reveal(
    "below 0.6, as a healthy one",
    "The other three layers learn to live with it. A loss says that something learns, and not that everything does.",
)

# %% [markdown]
# No loss curve would have shown it, and no sweep of the rate. One look at the layers does. Grey in this picture is *exactly* zero. A rate that is only too low would still move the layer a little.
#
# And why does the gradient of this layer grow and grow after step 40? `optimizer.zero_grad()` clears the gradients of what the optimizer holds. It does not know this layer. So nobody clears these, and each batch adds its own to those of all batches before.
#
# ## Fourth patient: something happened on the way
#
# This one runs Adam at a constant rate, and learns. **In which step did something happen to all layers at once? Which records of the list show it, and which do not?**

# %% tags=["nbval-ignore-output"]
lost = run_patient(ward[8], 0)
InspectorView(lost.recording, title="The fourth patient", at_step=60, quantity="update_norm")

# %%
length = lost.recording["update_norm"]
jump = length[:, 100] / length[:, 99]
claim("In step 100 every layer's step is more than 1.5 times as long as the one before.", jump.min() > 1.5)
rates = lost.recording["rate"]
claim("The rate is the same in all steps.", rates.min() == rates.max())

# %% [markdown]
# The job was stopped there and started again. The weights had been saved, the optimizer's state had not. Adam begins anew, with averages of a single gradient, and a first step is as long as the rate allows (lesson 7). In the list, the lengths, the shares and the cosine show it. The weights, the gradients and the rate do not. Plain SGD would show nothing, for it remembers nothing.
#
# ## The rule
#
# Here is all of it, a line for each illness.
#
# | what you see | suspect | what tells |
# |---|---|---|
# | first steps longer than a quarter of the weights, no way back | the rate is too high | a run with a warm-up: it does not help, and a tenth of the rate does |
# | the same, and then it learns | the warm-up is missing | a run with a warm-up: it helps |
# | one layer's share far above the others | that layer's rate | the rates |
# | the loss rises smoothly from the start | a sign | a run at a tenth of the rate |
# | all steps together are a small share of the weights | the rate is too low | a run at ten times the rate |
# | gradients of all layers together: one norm in every step | a clip that always acts | \* the norm before the clip |
# | gradients, and no step at all | a layer left out | what the optimizer holds |
# | all steps longer at once, same rate | the state was lost | the rates; \* the state after a restart |
# | a rate that is spent early, smoothly | the schedule is stepped too often | the rates |
# | a rate that is cut early, and a loss that then stays where it is | a plateau that is none | the rates beside the loss |
# | no number after an ordinary gradient | ε, or another number that is 0 in half precision | the gradients; \* ε in that precision |
# | all weights grow by the same share | the sign of the decay | the weights; \* a few steps without it |
#
# The first two lines are neighbours. A tenth of the rate helps in both, so that it does not tell them apart, and a run that lacks its warm-up may also be lost for good. Only the run with a warm-up answers them differently.
#
# You can order all of these in the clinic below, but for those with a star: they need the code, and in a run of your own you have it.
#
# Some of these rules have a number in them: a quarter of the weights, a small share. None of them needs the *right rate* of the network. They compare the run with itself. That is why they carry over to networks that nobody here has seen.
#
# ## The clinic: real mistakes
#
# Now it is your turn. You see the loss and the shares for nothing. Other records cost a minute, runs cost more, and a wrong name costs as much as a run. A wrong name is answered by what would tell it. When you have the right name, you see the line that was wrong. One in thirteen patients is healthy, and they come in no order.
#
# **Cure the first five patients. Can you keep the average bill below 5 minutes?**

# %% tags=["nbval-ignore-output"]
ClinicView(patients())

# %% [markdown]
# Patients of the same illness differ in their first weights, in their data, in their widths and a little in their rates. The reruns were made in the same way, with the same code.
#
# ## Is it the rate?
#
# What you have just done can be written down. `diagnose` goes through the table above, rule by rule, on any recording: what `fit` returns, or what a `Recorder` has seen. It says what it suspects, why, and which test would tell. Where nothing stands out, it says nothing.
#
# Here is a run of your own. **Change its rate until `diagnose` speaks: once by making it larger, once by making it smaller. How far apart are the two?**

# %%
rate = 0.003


def my_run(rate):
    """A network of your own: change what you like."""
    data = digits()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    return fit(model, optimizer, Minibatches(data.x_train, data.y_train, 32), steps=200, every=1)


print(*diagnose(my_run(rate)) or ["Nothing stands out."], sep="\n")

# %% [markdown]
# And this is what it says on the way (some seconds).

# %% tags=["nbval-ignore-output"]
runs = {rate: my_run(rate) for rate in (1e-6, 2e-5, 2e-4, 0.003, 0.012, 0.05, 2.0)}
found = {rate: [finding.illness for finding in diagnose(run)] for rate, run in runs.items()}
final = {rate: run.losses[-20:].mean().item() for rate, run in runs.items()}
for rate, said in found.items():
    print(f"rate {rate:<8g} loss at the end {final[rate]:.2f}   {', '.join(said) or '(silent)'}")

# %%
too_low, missing, too_high = ["rate too low"], ["no warm-up"], ["rate too high"]
claim("At 0.0002, 0.003 and 0.012 it is silent.", found[2e-4] == found[0.003] == found[0.012] == [])
claim("At 10⁻⁶ and at 0.00002 the rate is too low, it says.", found[1e-6] == found[2e-5] == too_low)
claim(
    "At 0.05 a warm-up is missing, and at 2 the rate is too high.",
    (found[0.05], found[2]) == (missing, too_high),
)
claim("Where it is silent, one loss ends below half of another.", final[0.003] < 0.5 * final[2e-4])
low, high = 0.012 / 0.0002, 0.05 / 0.00002
claim("So the two are between 60 and 2,500 times apart.", low > 59.9 and high < 2500.1)

# %% [markdown]
# So the two rates at which it speaks are about a thousand times apart. On the way up it first says that a warm-up is missing: the first steps were long, and the run got over them. Only at a still higher rate does it not.
#
# Between the two it is silent, whether the loss ends low or not. It finds rates that are *ill*. Which of the others is best, only a search tells (lesson 4). How often it is right on runs that it was not made on stands in [docs/diagnosis.md](https://github.com/lwlr-teach/lwlr-teach/blob/main/docs/diagnosis.md).
#
# A recording of your own model needs three lines: `from lwlr_teach.runs import Recorder, diagnose`, then `with Recorder(model, optimizer, every=1) as recorder:` around your loop, and `diagnose(recorder.recording, losses)` after it. `losses` is a list with the loss of each step.
#
# ## Exercise
#
# Nearly all of this rests on one test: the share by which each layer moved. Write it, for a network as a list of tensors, one for each layer.


# %%
def shares(before, after):
    """How far each layer has moved in a step, as a share of its weights: a list of numbers."""
    ### BEGIN SOLUTION
    return [(q - p).norm() / p.norm() for p, q in zip(before, after, strict=True)]
    ### END SOLUTION


check("18-shares", shares)

# %% [markdown]
# ## In your own words

# %%
explain("18-explain")

# %% [markdown]
# And how well do you know what you know? Over the whole course you have locked predictions, and said how sure you were. A good doctor is right as often as she is sure.

# %% tags=["nbval-ignore-output"]
print(calibration())

# %% [markdown]
# Here is the course as you took it: your guesses beside what was measured, your own words beside a good answer, and at the top what was hard. `my_course().save("my-course.html")` writes it into a file beside the lessons. Your browser shows it, and its print makes a PDF of it.

# %% tags=["nbval-ignore-output"]
my_course()

# %% [markdown]
# ## What to keep
#
# 1. Look before you run: whether every layer moves, by which share of its weights, on which gradients, at which rate in each step.
# 2. A test is worth its price only if two causes that you still believe in would answer it differently.
# 3. A loss that falls does not prove that all is well, and a loss that does not fall does not prove that it is the rate.
#
# **Where libraries disagree.** Hugging Face's Trainer clips to a norm of 1 unless it is told not to, and Lightning does not clip unless it is told to. PyTorch's Adam accepts an ε that is 0 in half precision, and says nothing.
#
# **Sources.** The mistakes were met in public discussions: ELECTRA #51, mmdetection #1710, PyTorch examples #1196, diffusers #4387, accelerate #2926, optax #1754, PyTorch #147437 and #30873, cs249r_book #2058. Karpathy (2019), *A recipe for training neural networks*: one batch, learned by heart.
