"""Live pictures: each a widget, a matplotlib drawing and a sentence that say the same."""

from lwlr_teach.views.clinic.view import ClinicView
from lwlr_teach.views.curves.view import CurvesView
from lwlr_teach.views.family.view import FamilyView
from lwlr_teach.views.fields.view import FieldsView
from lwlr_teach.views.gallery.view import GalleryView
from lwlr_teach.views.inspector.view import InspectorView
from lwlr_teach.views.landscape.view import LandscapeView
from lwlr_teach.views.layers.view import LayerRatesView
from lwlr_teach.views.memory.view import MemoryView
from lwlr_teach.views.microscope.view import Microscope
from lwlr_teach.views.momentum.view import MomentumView
from lwlr_teach.views.race.view import RaceView
from lwlr_teach.views.range_test.view import RangeTestView
from lwlr_teach.views.rates.view import RatesView
from lwlr_teach.views.schedules.view import ScheduleView
from lwlr_teach.views.splits.view import SplitView
from lwlr_teach.views.surface.playground import Playground
from lwlr_teach.views.surface.view import SIX, SurfaceView
from lwlr_teach.views.transfer.view import TransferView
from lwlr_teach.views.width.view import WidthView

__all__ = [
    "SIX",
    "ClinicView",
    "CurvesView",
    "FamilyView",
    "FieldsView",
    "GalleryView",
    "InspectorView",
    "LandscapeView",
    "LayerRatesView",
    "MemoryView",
    "Microscope",
    "MomentumView",
    "Playground",
    "RaceView",
    "RangeTestView",
    "RatesView",
    "ScheduleView",
    "SplitView",
    "SurfaceView",
    "TransferView",
    "WidthView",
]
