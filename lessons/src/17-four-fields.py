# %% [markdown]
# # 17 · Which one for my problem?
#
# | | |
# |---|---|
# | **Question** | Does it depend on the field which optimizer you should take? |
# | **Afterwards you can** | run a fair race over several problems; read and make a performance profile; say which pieces of common advice hold in a small test, and which do not |
# | **Time** | 45 minutes |
# | **You need** | lessons 4 and 7 |
# | **Difficulty** | ●●○ |
#
# Guides to optimizers end with a list: SGD with momentum for pictures, Adam for language, RMSProp or Adam for control and for generative models. Then come tips for when it fails. This lesson takes such a list and tests it, line by line.

# %%
import torch

from lwlr_teach.core.text import table
from lwlr_teach.optim import Adam
from lwlr_teach.problems import FIELDS, vision
from lwlr_teach.runs import exponential_rates
from lwlr_teach.schedules import WarmRestarts
from lwlr_teach.studies import four_fields, profile, profile_area, train_field
from lwlr_teach.teaching import ask, begin, check, claim, explain, predict_choice, predict_number, recall
from lwlr_teach.views import CurvesView, FieldsView

begin("17-four-fields")

# %%
recall("17-four-fields")

# %% [markdown]
# ## Four fields
#
# Here are four problems, as different as the list's, and small enough that hundreds of runs take minutes.
#
# **Vision**: which digit is in the image? A network with two convolutions. **Language**: which letter comes next in the sentences of this course? A transformer with one block, which sees up to 16 letters. **Control**: a pole stands on a cart, and the cart is pushed left or right 50 times a second. A small network says how likely it pushes to the right. Pushes after which the pole stood long become likelier (REINFORCE, Williams 1992). An episode ends after 100 pushes at the latest. **Generation**: a network packs an image of a digit into four numbers and a little noise, and paints it anew. From other numbers it paints digits that nobody wrote (a variational autoencoder, Kingma and Welling 2014).
#
# A score says how good a network is, on data that it does not learn from. To compare fields we turn it into a part of a way. 0% is the score before the first step, 100% is the **target**.

# %%
runs = four_fields()
rows = [
    (
        name,
        f"{sum(p[0].numel() for p in FIELDS[name](seeds=1).first):,}",
        str(r.steps),
        r.score,
        f"{r.first:.3g}",
        f"{r.target:.3g}",
    )
    for name, r in runs.items()
]
print(table([("", "numbers", "steps", "score", "at first", "target"), *rows]))

# %% [markdown]
# The rules are those of lesson 4, and of AlgoPerf (Dahl et al. 2023), in small:
#
# - Eight methods run at eleven constant rates, from eight seeds. Three seeds choose a method's best rate, on validation data. Five others judge it.
# - The target is what Momentum at its best rate has reached after two thirds of the steps. So there is time for a method that is half again as slow.
# - What counts are the steps to the target, as the median over the judges. A run that never gets there needs infinitely many.
#
# That is 704 runs in each field, and about six minutes. So they were made beforehand. (`python -m lwlr_teach.studies.four_fields` makes them anew.)
#
# ## One rate for all of them?
#
# Suppose that you may choose one rate, and have to keep it in all four fields.
