"""How it is run: grids on a surface, networks side by side, races, and what finds and records a rate."""

from lwlr_teach.problems.models import cross_entropy
from lwlr_teach.runs.costs import operations, time_ratios
from lwlr_teach.runs.diagnosis import Finding, diagnose
from lwlr_teach.runs.ensemble import Ensemble, train_ensemble
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.runs.processes import across, fit_across, group, launch, load, save
from lwlr_teach.runs.races import Contestant, Place, Race, Table, race
from lwlr_teach.runs.range_tests import RangeTest, exponential_rates, range_test, smooth
from lwlr_teach.runs.recorder import QUANTITIES, Recorder, Recording
from lwlr_teach.runs.search import Search, search_rate
from lwlr_teach.runs.sweeps import Sweep, sweep
from lwlr_teach.runs.training import Fit, Minibatches, fit

__all__ = [
    "QUANTITIES",
    "Contestant",
    "Ensemble",
    "Finding",
    "Fit",
    "Fleet",
    "Minibatches",
    "Place",
    "Race",
    "RangeTest",
    "Recorder",
    "Recording",
    "Search",
    "Sweep",
    "Table",
    "across",
    "cross_entropy",
    "diagnose",
    "exponential_rates",
    "fit",
    "fit_across",
    "group",
    "launch",
    "load",
    "operations",
    "race",
    "range_test",
    "save",
    "search_rate",
    "smooth",
    "sweep",
    "time_ratios",
    "train_ensemble",
]
