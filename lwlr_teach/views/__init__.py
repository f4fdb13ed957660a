"""Live pictures: each a widget, a matplotlib drawing and a sentence that say the same."""

from lwlr_teach.views.families import FAMILIES, Family
from lwlr_teach.views.inspector import InspectorView
from lwlr_teach.views.layers import LayerRatesView
from lwlr_teach.views.momentum import MomentumView
from lwlr_teach.views.race import RaceView
from lwlr_teach.views.range_test import RangeTestView
from lwlr_teach.views.rates import RatesView
from lwlr_teach.views.schedules import ScheduleView
from lwlr_teach.views.splits import SplitView
from lwlr_teach.views.surface import SIX, SurfaceView
from lwlr_teach.views.transfer import TransferView
from lwlr_teach.views.width import WidthView

__all__ = [
    "FAMILIES",
    "SIX",
    "Family",
    "InspectorView",
    "LayerRatesView",
    "MomentumView",
    "RaceView",
    "RangeTestView",
    "RatesView",
    "ScheduleView",
    "SplitView",
    "SurfaceView",
    "TransferView",
    "WidthView",
]
