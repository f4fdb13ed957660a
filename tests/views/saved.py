"""What a view of a saved result must be."""

from typing import Any

from lwlr_teach.views.kit.base import View


def sent(view: View) -> dict[str, Any]:
    """What the view tells the browser, without what every widget has."""
    own = set(view.traits(sync=True)) - set(View.class_traits(sync=True))
    return {name: getattr(view, name) for name in own if not name.startswith("_")}


def assert_same_view(view: View, wanted: View) -> None:
    """It says the same, and sends the same."""
    assert view.describe() == wanted.describe()
    assert sent(view) == sent(wanted)
    assert any(isinstance(value, bytes) and value for value in sent(view).values())
