import base64
import io
import re
import sys
import warnings
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

import lwlr_teach.views.kit.base as base
from lwlr_teach.runs.recorder import QUANTITIES, Recording
from lwlr_teach.schedules import Plateau
from lwlr_teach.teaching import predict_choice, predict_number
from lwlr_teach.views import InspectorView, SurfaceView
from lwlr_teach.views.kit.base import module, pack_float32, pack_uint16


def make(**options):
    return SurfaceView("quadratic", ["SGD"], lr=[0.05, 0.1], steps=5, **options)


def test_a_module_is_self_contained():
    for name in ("surface/view.js", "chart/view.js"):
        source = module(name)
        assert not re.search(r"^import ", source, re.MULTILINE)
        assert source.count("export default") == 1
        assert source.count("function fit(") == 1
        assert "http" not in source


def test_a_warning_that_the_browser_causes_is_shown_until_its_next_change():
    view = make(at_lr=0.1)
    view.observe(lambda change: warnings.warn("the disk is full", stacklevel=2), "lr_index")
    with pytest.warns(UserWarning, match="the disk is full"):
        view.set_state({"lr_index": 0})
    assert view.fault == "the disk is full"
    assert view.lr_index == 0
    view.set_state({"step": 1})
    assert view.fault == ""


def test_packing():
    values = torch.tensor([[0.0, 1.0], [0.5, 2.0]], dtype=torch.float64)
    assert pack_float32(values) == b"".join(
        [b"\x00\x00\x00\x00", b"\x00\x00\x80?", b"\x00\x00\x00?", b"\x00\x00\x00@"]
    )
    codes = torch.frombuffer(bytearray(pack_uint16(values, 0.0, 2.0)), dtype=torch.uint16)
    assert codes.tolist() == [0, 32768, 16384, 65535]
    outside = torch.tensor([-5.0, 9.0, torch.inf, -torch.inf, torch.nan])
    codes = torch.frombuffer(bytearray(pack_uint16(outside, 0.0, 2.0)), dtype=torch.uint16)
    assert codes.tolist() == [0, 65535, 65535, 0, 0]


@pytest.mark.slow
def test_the_bundle_has_the_live_view_a_picture_and_words():
    data, metadata = make()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.size == (900, 400)
    assert data["text/plain"] == metadata["image/png"]["alt"] == make().describe()


@pytest.mark.slow
def test_in_colab_the_widget_manager_is_asked_for_and_its_address_passed_on(monkeypatch):
    asked = []
    output = SimpleNamespace(
        enable_custom_widget_manager=lambda: asked.append(True),
        _widgets=SimpleNamespace(_installed_url="https://manager.example"),
    )
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    _, metadata = make()._repr_mimebundle_()
    assert asked == [True]
    told = metadata["application/vnd.jupyter.widget-view+json"]
    assert told == {"colab": {"custom_widget_manager": {"url": "https://manager.example"}}}
    assert metadata["image/png"]["alt"]


PRICE = r"cost $3 or \frac{$"  # not mathtext


@pytest.mark.slow
def test_a_dollar_in_a_name_is_a_dollar(monkeypatch, tmp_path):
    monkeypatch.setenv("LWLR_PROGRESS", str(tmp_path / "progress.json"))
    values = torch.rand(len(QUANTITIES), 2, 4)
    recordings = [Recording((f"{PRICE} 1", "$\\alpha$"), torch.arange(4), values)] * 2
    views = [
        InspectorView(recordings, names=[PRICE, "$b$"], title=PRICE),
        predict_choice("x", PRICE, [PRICE, "no"]),
        predict_number("y", PRICE, [1, 2], within=1, unit=PRICE),
    ]
    for view in views:
        data, _ = view._repr_mimebundle_()
        assert data["image/png"]
        assert "$" in data["text/plain"]


def test_a_still_picture_that_cannot_be_drawn_leaves_the_live_one(monkeypatch):
    view = make()
    monkeypatch.setattr(type(view), "figure", lambda self: 1 / 0)
    with pytest.warns(UserWarning, match="no still picture .ZeroDivisionError: division by zero"):
        data, metadata = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == view.describe()
    assert "image/png" not in data | metadata


def test_the_repr_is_stable_and_has_no_address():
    assert repr(make()) == repr(make()) == make().describe()
    assert "0x" not in repr(make())


def test_a_closed_view_shows_its_words():
    view = make()
    view.close()
    assert view._repr_mimebundle_ is None  # so that IPython takes the repr
    assert repr(view) == make().describe()


@pytest.mark.slow
def test_too_much_data_is_refused_with_its_size():
    with pytest.raises(
        ValueError, match=r"would send 1\d\.\d MB to the browser, more than 2.5 MB; use fewer"
    ):
        SurfaceView("quadratic", lr=torch.logspace(-3, 0, 200), steps=200, schedule=Plateau(0.5, patience=9))


def test_a_new_run_of_a_cell_closes_what_the_last_run_made(monkeypatch):
    here = {"cell": "a", "run": "1"}
    monkeypatch.setattr(base, "_where", lambda: (here["cell"], here["run"]))
    monkeypatch.setattr(base, "_by_cell", {})
    first, second = make(), make()
    here["cell"] = "b"
    other = make()
    assert all(view.comm is not None for view in (first, second, other))
    here.update(cell="a", run="2")
    third = make()
    assert first.comm is None
    assert second.comm is None
    assert third.comm is not None
    assert other.comm is not None


def test_outside_a_notebook_nothing_is_closed():
    first, second = make(), make()
    assert first.comm is not None
    assert second.comm is not None
