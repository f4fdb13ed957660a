"""What ``import lwlr_teach`` gives, and what it costs."""

import re
import subprocess
import sys
import textwrap
import tomllib

import pytest

import lwlr_teach
from tests.repository import ROOT


def run(program):
    """In a Python that has imported nothing of ours yet."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout


@pytest.mark.slow
def test_a_bare_import_loads_no_torch_and_gives_each_room_when_it_is_named():
    out = run(
        """
        import sys
        import lwlr_teach
        print("torch" in sys.modules)
        print(lwlr_teach.optim.Adam.__name__, lwlr_teach.clipping.by_value.__name__)
        print("matplotlib" in sys.modules)
        """
    )
    assert out.split() == ["False", "Adam", "by_value", "False"]


def test_what_does_not_exist_is_no_attribute():
    assert not hasattr(lwlr_teach, "optimizers")
    assert not hasattr(lwlr_teach, "__wrapped__")
    with pytest.raises(AttributeError, match="module 'lwlr_teach' has no attribute 'optimizers'"):
        lwlr_teach.optimizers.Adam  # noqa: B018
    with pytest.raises(ImportError):
        from lwlr_teach import optimizers  # noqa: F401


def test_the_optimizers_need_torch_and_numpy_and_nothing_else():
    """As the README says: `pip install --no-deps lwlr-teach` beside PyTorch and NumPy."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    others = {re.split(r"[><=]", text)[0] for text in project["dependencies"]} - {"torch", "numpy"}
    modules = {name.replace("-", "_") for name in others} | {"IPython", "sklearn", "PIL"}
    out = run(
        f"""
        import sys
        sys.modules |= dict.fromkeys({sorted(modules)})  # whoever imports one of them meets an ImportError
        import torch
        from lwlr_teach.clipping import by_global_norm
        from lwlr_teach.layerwise import by_trust_ratio, groups_by_depth
        from lwlr_teach.optim import Adam
        from lwlr_teach.schedules import Cosine, ScheduleLR
        model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 1))
        groups = groups_by_depth(model, lr=0.1, factor=0.5)
        optimizer = Adam(groups, clip=by_global_norm(1.0), scale=by_trust_ratio())
        scheduler = ScheduleLR(optimizer, Cosine(10))
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
        scheduler.step()
        print("done")
        """
    )
    assert out.split() == ["done"]
