"""What one lesson measures with the runs: a module a study, and at most one a lesson."""

from lwlr_teach.studies.adaptive_edge import AdaptiveEdge, train_at_the_edge
from lwlr_teach.studies.decay import DecayRuns, decay_in_noise, normalised_layer, train_decays
from lwlr_teach.studies.families import FAMILIES, Family
from lwlr_teach.studies.large_batch import (
    Scaling,
    fit_critical,
    measured,
    noise_on_the_way,
    quadratic_steps,
    scaling,
    train_to_target,
)
from lwlr_teach.studies.layer_rates import LayerRates, train_layer_rates
from lwlr_teach.studies.memory import (
    ADADELTA_BY_EPS,
    CHANGES,
    Change,
    Chase,
    Sizes,
    best_memory,
    chase,
    guess_sizes,
)
from lwlr_teach.studies.momentum import MomentumSweep, sweep_momentum
from lwlr_teach.studies.scheduled import FamilyRuns, Outcome, ScheduleRuns, train_schedules
from lwlr_teach.studies.split_training import trained_splits
from lwlr_teach.studies.splits import Splits, split_losses
from lwlr_teach.studies.transfer import (
    TRANSFERS,
    Comparison,
    Pretrained,
    Target,
    arrangements,
    compare,
    pretrain,
    readouts,
    target,
)
from lwlr_teach.studies.width import Widths, activation_changes, train_widths

__all__ = [
    "ADADELTA_BY_EPS",
    "CHANGES",
    "FAMILIES",
    "TRANSFERS",
    "AdaptiveEdge",
    "Change",
    "Chase",
    "Comparison",
    "DecayRuns",
    "Family",
    "FamilyRuns",
    "LayerRates",
    "MomentumSweep",
    "Outcome",
    "Pretrained",
    "Scaling",
    "ScheduleRuns",
    "Sizes",
    "Splits",
    "Target",
    "Widths",
    "activation_changes",
    "arrangements",
    "best_memory",
    "chase",
    "compare",
    "decay_in_noise",
    "fit_critical",
    "guess_sizes",
    "measured",
    "noise_on_the_way",
    "normalised_layer",
    "pretrain",
    "quadratic_steps",
    "readouts",
    "scaling",
    "split_losses",
    "sweep_momentum",
    "target",
    "train_at_the_edge",
    "train_decays",
    "train_layer_rates",
    "train_schedules",
    "train_to_target",
    "train_widths",
    "trained_splits",
]
