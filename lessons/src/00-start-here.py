# %% [markdown]
# # 0 · How do these lessons work?
#
# | | |
# |---|---|
# | **Time** | 15 minutes, and as long as you like in the playground |
# | **You need** | nothing |
#
# This course is about one number, the **learning rate**. It decides whether a neural network learns, crawls or explodes. You will not read much about it: you will guess, drag, look, and be told when you are wrong.
#
# There is nothing left to install. Press <kbd>Shift</kbd>+<kbd>Enter</kbd> in each cell, from top to bottom.

# %%
import torch

from lwlr_teach.optim import SGD
from lwlr_teach.teaching import begin, check, claim, course_map, predict_number
from lwlr_teach.views import Playground, SurfaceView

begin("00-start-here")

# %% [markdown]
# ## Four words
#
# Every method in this course is the same line. A network's weights $p$ take a step:
#
# $$ p \;\leftarrow\; p - \text{rate}(t)\cdot \text{scale}(\text{layer})\cdot \text{direction}\big(\,\text{clip}(g)\,\big) $$
#
# | word | what it decides | where you meet it |
# |---|---|---|
# | **clip** | what happens to the gradient $g$ before it is used | lesson 10 |
# | **direction** | which way to go, and how far, for each weight | lessons 2 and 5 to 9 |
# | **scale** | a factor for each layer | lessons 11 to 15 |
# | **rate** | the number for this step | lessons 1, 3 and 4 |
#
# Whenever you meet a new method, ask which of the four it changes. It is nearly always only one.

# %% [markdown]
# ## Predict
#
# Before you see a result, you are asked to guess it. Set the slider, say how sure you are, and lock your guess. Once three of them have met their results, you are told how often you were right, and how sure you were. The two should be about equal. Your guesses are kept in the file `lwlr-progress.json` beside the lessons, on this machine only. If you would rather not guess, go on: everything runs without it.
#
# Here is a first one. A ball lies in a round bowl, at a distance of 1 from the bottom, and rolls. It rolls with *momentum*: from step to step it keeps nine tenths of its speed. In each step the slope adds to its speed, a tenth of the distance that is left: this tenth is the learning rate, 0.1. So its first step is 0.1 long, and its second $0.9 \cdot 0.1 + 0.1 \cdot 0.9 = 0.18$.

# %%
guess = predict_number(
    "00-ball", "After how many steps has the ball rolled past the bottom?", range(1, 31), within=2
)
guess

# %% [markdown]
# Now let it roll, with the optimizer `SGD`. The next cell would give the answer away, so it is folded: you see three dots. Run it as any other. If you want to know how something was measured, click on the dots.
#
# The sentence below the cell is a *claim*: it is printed only if the run agrees. What you read in these lessons was measured a moment ago, on your machine.
#
# Processors round differently, and training makes small differences large. The claims were tried on several kinds of machine. If one does not hold on yours, you see a red box with what was measured instead, and a line that you can send us. Nothing is sent by itself, and the lesson goes on.

# %%
ball = torch.ones(1)
optimizer = SGD([ball], lr=0.1, momentum=0.9)
steps = 0
while ball > 0:
    ball.grad = ball.clone()  # the slope of a round bowl is the place itself
    optimizer.step()
    steps += 1

claim(f"After {steps} steps the ball is past the bottom, at {ball.item():.2f}.", ball < 0)
guess.reveal(
    steps,
    "At first the slope pushes it a tenth of the way in each step, and it keeps nine tenths of its speed, so that it arrives fast and cannot stop.",
)

# %% [markdown]
# ## Drag
#
# The pictures are alive. A slider answers at once; click it and use the arrow keys for single positions. *play* shows the steps one by one, and the boxes of the legend show and hide methods. The white ring is the start: drag it across the map, and every path begins there.

# %%
SurfaceView("quadratic", ["SGD", "Momentum"], lr=torch.logspace(-3, -0.5, 51), at_lr=0.05)

# %% [markdown]
# ## Check
#
# At the end of a lesson you write a line or two of code. `check` compares them with the right answer on many random problems and says what it found. Under it are buttons for hints, one after the other, and for a solution. This answer is wrong on purpose:

# %%
check("01-step", lambda p, g, lr: p + lr * g)

# %% [markdown]
# ## The course, and where you are
#
# Run this cell again whenever you want to see how far you are.

# %%
course_map()

# %% [markdown]
# ## The playground
#
# Every surface, every optimizer, and what can be done to the rate and to the gradient. Come back when a lesson has left a question open. Tick the methods that you want to see, as many as you like; a click on a name shows that one alone. Your browser does all of it. So every choice answers at once, also where no kernel runs. *Copy code* gives you the Python lines for what you see, and *copy link* an address that brings it back.

# %%
Playground()
