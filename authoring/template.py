# %% [markdown]
# # 2 · What is the question?
#
# | | |
# |---|---|
# | **Question** | The question that a practitioner asks, in one sentence |
# | **Afterwards you can** | do one thing; do another; recognise a third |
# | **Time** | 50 minutes |
# | **You need** | lesson 1 |
# | **Difficulty** | ●●○ |
#
# Copy this file to `lessons/src/NN-name.py`, put the lesson's name where `02-momentum` stands, and replace every sentence. The guide for authors, `authoring/README.md`, says what the parts are for.

# %%
import torch

from lwlr_teach.optim import SGD
from lwlr_teach.problems import quadratic
from lwlr_teach.runs import sweep, train_ensemble
from lwlr_teach.teaching import begin, check, claim, explain, predict_choice, predict_number, recall
from lwlr_teach.views import RatesView, SurfaceView

begin("02-momentum")

# %% [markdown] tags=["teacher"]
# A note like this one is left out of the learners' notebook. Say here what to prepare, and which part takes how long.

# %% [markdown]
# ## Recall
#
# Before anything new, some questions from earlier lessons.

# %%
recall("02-momentum")

# %% [markdown]
# ## A picture that carries the idea
#
# A driver, a hiker, a ball: the idea in an image, without a formula. It ends in a question that has an answer, and the learner locks a guess before it can be seen.

# %%
rates = 0.01 * torch.arange(1, 21, dtype=torch.float64)
edge_guess = predict_number("02-edge", "What is the largest rate that works?", rates, within=0.02)
edge_guess

# %% [markdown] tags=["teacher"]
# Which wrong guesses come often, why, and what to ask somebody who made one.

# %% [markdown]
# Then the picture, with a task: **find the largest rate at which the path still ends at the star**.

# %%
SurfaceView("quadratic", ["SGD", "Momentum"], lr=rates, at_lr=0.05)

# %% [markdown]
# The explanation follows, and what it states was measured a moment before. A claim prints the sentence only if its condition holds.

# %%
runs = sweep("quadratic", ["SGD"], lr=rates, steps=1000)
last_good = rates[runs.losses[0, :, 0, -1] <= runs.losses[0, :, 0, 0]].max().item()
claim(f"The largest rate that does not climb is {last_good:.2f}.", abs(last_good - 0.2) < 0.011)

# %%
edge_guess.reveal(
    last_good, "A step multiplies the distance by 1 − 10 η, and −1 is the last factor that does not grow."
)

# %% [markdown]
# ## The rule
#
# In words, then as a formula, then in Python: our own line, our class, and the same numbers from PyTorch.
#
# $$ p \;\leftarrow\; p - \eta\, g $$

# %%
surface = quadratic()
ours = torch.tensor([surface.start], dtype=torch.float64)
theirs = ours.clone()
our_sgd, torch_sgd = SGD([ours], lr=0.15), torch.optim.SGD([theirs], lr=0.15)
for _ in range(5):
    ours.grad, theirs.grad = surface.grad(ours), surface.grad(theirs)
    our_sgd.step()
    torch_sgd.step()
claim("Ours and PyTorch's are at the same point after five steps.", (ours - theirs).abs().max() < 1e-12)

# %% [markdown]
# ## A real network
#
# The method on real data, fairly raced: each rival at a rate of its own, several random beginnings, equal budgets.

# %%
race_guess = predict_choice("02-race", "Which is best at its own best rate?", ["SGD", "Adam", "about equal"])
race_guess

# %% [markdown] tags=["teacher"]
# Many expect a clear winner, because most comparisons that they have read were made at one shared rate.

# %%
race = train_ensemble(["SGD", "Adam"], lr=[0.01, 0.1, 1.0], seeds=2, steps=100)
RatesView(race, at_lr=0.1)

# %%
best = race.test_accuracy.median(-1).values.max(-1).values
claim("At their own best rates the two are less than a tenth apart.", (best[0] - best[1]).abs() < 0.1)
race_guess.reveal("about equal", "Their best rates differ, and not what they reach there.")

# %% [markdown]
# ## Exercise
#
# The learner writes the rule, or breaks it. Run it as often as you like; under it there are hints, and a solution.


# %%
def step(p, g, lr):
    """The new place after one step of SGD from p, where the gradient is g."""
    ### BEGIN SOLUTION
    return p - lr * g
    ### END SOLUTION


check("01-step", step)

# %% [markdown]
# ## In your own words
#
# One question that a sentence answers, if one has understood.

# %%
explain("02-explain")

# %% [markdown]
# ## What to keep
#
# 1. The first of three sentences is what the lesson is about.
# 2. The second is what follows from it.
# 3. The third is the mistake that it saves you from.
#
# **Where libraries disagree.** Other conventions, other defaults, other names; say so as well if they all agree.
#
# **Sources.** Robbins and Monro (1951), *A stochastic approximation method*: the rule. Goh (2017), *Why momentum really works* (Distill): the picture.
