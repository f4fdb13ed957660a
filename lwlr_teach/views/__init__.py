"""Live pictures: each a widget, a matplotlib drawing and a sentence that say the same."""

from lwlr_teach.views.rates import RatesView
from lwlr_teach.views.surface import SIX, SurfaceView

__all__ = ["SIX", "RatesView", "SurfaceView"]
