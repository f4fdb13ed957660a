"""Optimizers you can read. One file per method: the rule as a pure function, then its torch.optim class."""

from lwlr_teach.optim.adadelta import Adadelta
from lwlr_teach.optim.adafactor import Adafactor
from lwlr_teach.optim.adagrad import Adagrad
from lwlr_teach.optim.adam import Adam
from lwlr_teach.optim.adam_mini import AdamMini
from lwlr_teach.optim.adamw import AdamW
from lwlr_teach.optim.catalogue import METHODS, Method, method
from lwlr_teach.optim.dog import DoG, LDoG, polynomial_average
from lwlr_teach.optim.engine import RuleOptimizer
from lwlr_teach.optim.family import PARENTS, Line, Member, family
from lwlr_teach.optim.hypergradient import SGDHD
from lwlr_teach.optim.javascript import Program, to_javascript
from lwlr_teach.optim.lamb import LAMB
from lwlr_teach.optim.lars import LARS
from lwlr_teach.optim.lion import Lion
from lwlr_teach.optim.lookahead import Lookahead
from lwlr_teach.optim.muon import Muon
from lwlr_teach.optim.novograd import NovoGrad
from lwlr_teach.optim.own import from_rule
from lwlr_teach.optim.partition import Partition
from lwlr_teach.optim.prodigy import Prodigy
from lwlr_teach.optim.radam import RAdam
from lwlr_teach.optim.ranger import Ranger
from lwlr_teach.optim.rmsprop import RMSprop
from lwlr_teach.optim.schedule_free import AdamWScheduleFree, SGDScheduleFree
from lwlr_teach.optim.sgd import SGD

__all__ = [
    "LAMB",
    "LARS",
    "METHODS",
    "PARENTS",
    "SGD",
    "SGDHD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamMini",
    "AdamW",
    "AdamWScheduleFree",
    "DoG",
    "LDoG",
    "Line",
    "Lion",
    "Lookahead",
    "Member",
    "Method",
    "Muon",
    "NovoGrad",
    "Partition",
    "Prodigy",
    "Program",
    "RAdam",
    "RMSprop",
    "Ranger",
    "RuleOptimizer",
    "SGDScheduleFree",
    "family",
    "from_rule",
    "method",
    "polynomial_average",
    "to_javascript",
]
