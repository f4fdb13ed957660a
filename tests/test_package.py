"""What ``import lwlr_teach`` gives, and what it costs."""

import subprocess
import sys
import textwrap

import pytest

import lwlr_teach


def run(program):
    """In a Python that has imported nothing of ours yet."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout


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
