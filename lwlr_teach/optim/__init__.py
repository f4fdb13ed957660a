"""Optimizers you can read. One file per method: the rule as a pure function, then its torch.optim class."""

from lwlr_teach.optim.adagrad import Adagrad
from lwlr_teach.optim.adam import Adam
from lwlr_teach.optim.catalogue import METHODS, Method, method
from lwlr_teach.optim.engine import RuleOptimizer
from lwlr_teach.optim.rmsprop import RMSprop
from lwlr_teach.optim.sgd import SGD

__all__ = ["METHODS", "SGD", "Adagrad", "Adam", "Method", "RMSprop", "RuleOptimizer", "method"]
