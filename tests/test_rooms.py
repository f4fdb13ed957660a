"""The rooms of the package: who may import whom."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import lwlr_teach

PACKAGE = Path(lwlr_teach.__file__).parent

# From the ground up. A room imports from itself and from the floors below its own; rooms of one floor do not
# know each other.
FLOORS = [
    ["core"],
    ["clipping", "schedules"],
    ["layerwise"],
    ["optim", "problems"],
    ["runs"],
    ["studies"],
    ["views"],
    ["teaching"],
    ["command"],
    ["__main__"],
]
HEIGHT = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
DRAWING = {"views", "teaching"}


def modules() -> dict[str, Path]:
    """Every module of the package, by its name below lwlr_teach."""
    paths = {path.relative_to(PACKAGE).with_suffix(""): path for path in PACKAGE.rglob("*.py")}
    named = {".".join(name.parts).removesuffix(".__init__"): path for name, path in paths.items()}
    return {name: path for name, path in named.items() if name != "__init__"}


def imports(source: str, known: set[str]) -> set[str]:
    """The modules that a source imports, by their names below lwlr_teach, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written in full"
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = {name for name in deeper if name.removeprefix("lwlr_teach.") in known}
            found |= submodules or {str(node.module)}
    return {name.removeprefix("lwlr_teach.") for name in found if name.startswith("lwlr_teach.")}


def room(module: str) -> str:
    return module.partition(".")[0]


def upward(module: str, imported: set[str]) -> set[str]:
    """What a module may not import."""
    own = room(module)
    return {name for name in imported if room(name) != own and HEIGHT[room(name)] >= HEIGHT[own]}


MODULES = modules()
ARROWS = {name: imports(path.read_text("utf-8"), set(MODULES)) for name, path in MODULES.items()}


def test_every_module_is_in_a_room():
    assert {room(name) for name in MODULES} == set(HEIGHT)
    assert sum(map(len, ARROWS.values())) > 100  # they are found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_below(module):
    assert upward(module, ARROWS[module]) == set()


def test_an_import_upward_is_found():
    source = "def f():\n    from lwlr_teach.runs import races\n    import lwlr_teach.core.text"
    found = imports(source, {"runs.races"})
    assert found == {"runs.races", "core.text"}
    assert upward("problems.tasks", found) == upward("optim.sgd", found) == {"runs.races"}
    assert upward("studies.width", found) == upward("runs.fleet", found) == set()
    assert upward("clipping", {"schedules"}) == {"schedules"}


def test_no_module_imports_itself_round_a_corner():
    graphlib.TopologicalSorter(ARROWS).prepare()  # raises for a circle


def test_the_kit_knows_no_view():
    kit = {name: arrows for name, arrows in ARROWS.items() if name.startswith("views.kit")}
    views = {name for arrows in kit.values() for name in arrows if name.startswith("views.")}
    assert {name for name in views if not name.startswith("views.kit")} == set()


def test_numerics_load_no_plotting_library():
    faces = [face for rooms in FLOORS for face in rooms if face not in DRAWING]
    program = (
        "import importlib, sys\n"
        f"for face in {faces}:\n"
        "    importlib.import_module(f'lwlr_teach.{face}')\n"
        "    loaded = {'matplotlib', 'ipywidgets', 'anywidget', 'IPython'} & set(sys.modules)\n"
        "    if loaded:\n"
        "        sys.exit(f'{face} loads {sorted(loaded)}')\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("face", ["problems", "runs", "studies", "teaching"])
def test_a_face_shows_what_stands_in_its_room(face):
    for name in __import__(f"lwlr_teach.{face}", fromlist=["__all__"]).__all__:
        assert name not in {module.rpartition(".")[2] for module in MODULES if room(module) == face}, (
            f"{face}.{name} hides the module of that name"
        )
