"""The family of the methods: which came of which, and by which lines.

The lines are read from the rules themselves as they run, and written as the papers write them.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch

from lwlr_teach.core.checks import check_choice
from lwlr_teach.optim.catalogue import Method, method
from lwlr_teach.optim.names import DIRECTION, seeing, with_a_rule

PARENTS: Mapping[str, tuple[str, ...]] = {
    "SGD": (),
    "Momentum": ("SGD",),
    "Adagrad": ("SGD",),
    "RMSprop": ("Adagrad",),
    "Adadelta": ("RMSprop",),
    "Adam": ("Momentum", "RMSprop"),
    "AMSGrad": ("Adam",),
}
"""Each method after those that it came of."""

# What stands in the rules, and what it is: {0} is the first argument.
_WRITTEN = {
    "add_times": "{0} + {1} * {2}",
    "moving_average": "{2} * {0} + (1 - {2}) * {1}",
    "addcmul": "{0} + {1} * {2}",
    "maximum": "max({0}, {1})",
    "power": "{0} ** {1}",
    "sqrt_and_eps": "root({0}) + {1}",
    "sqrt_of_both": "root({0} + {1})",
}
_SYMBOLS = {
    "root": "√",
    "grad": "g",
    "step": "t",
    "direction": "d",
    "buffer": "b",
    "m_hat": "m̂",
    "v_hat": "v̂",
    "new_u": "u",
    "alpha": "α",
    "beta1": "β₁",
    "beta2": "β₂",
    "rho": "ρ",
    "eps": "ε",
    "momentum": "μ",
}


class Line(NamedTuple):
    """A line of a rule in the papers' symbols, and whether no parent of the method has it."""

    text: str
    is_new: bool


class Member(NamedTuple):
    """A method of the family, what it came of, and its rule."""

    name: str
    parents: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def new(self) -> tuple[str, ...]:
        """The lines that no parent has."""
        return tuple(line.text for line in self.lines if line.is_new)


def family(methods: Iterable[str] = tuple(PARENTS)) -> tuple[Member, ...]:
    """The methods with their rules, line by line, each after its parents.

    A line is new if none of the parents computes the same of the same, whatever each of them calls its
    memories and its hyperparameters. ValueError for a method without a place in the family, and for one
    before its parents.
    """
    members: list[Member] = []
    seen: dict[str, list[_Formula]] = {}
    for name in methods:
        parents = check_choice("methods", name, PARENTS)
        for parent in parents:
            if parent not in seen:
                raise ValueError(f"methods must have {parent}, of which {name} came, before {name}")
        seen[name] = list(_formulas(method(name)))
        kept = set().union(*(_kept(seen[name], seen[parent]) for parent in parents))
        lines = tuple(Line(formula.text, formula not in kept) for formula in seen[name])
        members.append(Member(name, parents, lines))
    return tuple(members)


class _Formula(NamedTuple):
    text: str
    shape: str  # what is computed, whatever things are called
    memories: tuple[str, ...]  # what they are called, in the order of the shape


def _kept(own: Iterable[_Formula], parents: Iterable[_Formula]) -> set[_Formula]:
    """The formulas that the parent has, too, with one and the same memory of its own for each of ours."""
    found: set[_Formula] = set()
    theirs: dict[str, str] = {}
    for formula in own:
        for other in parents:
            pairs = list(zip(formula.memories, other.memories, strict=False))
            both = theirs | dict(pairs)
            agree = all(both[ours] == its for ours, its in [*theirs.items(), *pairs])
            if other.shape == formula.shape and agree and len(set(both.values())) == len(both):
                found.add(formula)
                theirs = both
                break
    return found


def _formulas(chosen: Method) -> Iterator[_Formula]:
    """What a method's rule computes at its second step, statement by statement."""
    param = torch.ones(1, dtype=torch.float64)
    optimizer = chosen([param])
    rule = type(with_a_rule(chosen, optimizer)).rule
    with torch.no_grad(), seeing(rule, lambda x: x if isinstance(x, torch.Tensor) else None) as seen:
        for _ in range(2):
            param.grad = torch.ones_like(param)
            optimizer.step()
    made = {DIRECTION, *seen.values}
    numbers = {name for name, value in seen.known.items() if isinstance(value, float | int)} - {"step"}
    alike: dict[str, ast.Name] = {}  # names that are other names of something
    for name, value in _assigned(seen.passed):
        if name not in made:
            continue
        mentioned = any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(value))
        plain = _Plain(None if mentioned else name, seen.known, alike).visit(value)
        if isinstance(plain, ast.Name) and name != DIRECTION:
            alike[name] = plain
            continue
        text = ast.unparse(_Symbols().visit(copy.deepcopy(plain))).replace(" * ", " ").replace("-", "−")
        nameless = _Nameless(numbers)
        shape = ast.unparse(nameless.visit(plain))
        target = () if name == DIRECTION else (name,)
        kind = "memory" if target else name
        memories = (*target, *nameless.memories)
        yield _Formula(f"{_SYMBOLS.get(name, name)} = {text}", f"{kind} = {shape}", memories)


def _assigned(statements: Iterable[str]) -> Iterator[tuple[str, ast.expr]]:
    """Each name with what it is given. What is returned first is the direction."""
    for text in statements:
        statement = ast.parse(text).body[0]
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            yield statement.targets[0].id, statement.value
        elif isinstance(statement, ast.Return) and isinstance(statement.value, ast.Tuple):
            direction = statement.value.elts[0]
            if not (isinstance(direction, ast.Name) and direction.id == DIRECTION):
                yield DIRECTION, direction


class _Plain(ast.NodeTransformer):
    """A rule's expression as a formula: no helpers, no options, one name for each thing.

    ``target`` is the name that is being made: what the state kept of it is its last value. It is None where
    the expression needs that name for something else.
    """

    def __init__(self, target: str | None, known: dict[str, Any], alike: dict[str, ast.Name]) -> None:
        self.target, self.known, self.alike = target, known, alike

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """The side that was taken."""
        return self._visited(node.body if self._value(node.test) else node.orelse)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Another name of something is that thing."""
        return self.alike.get(node.id, node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """What the state kept."""
        assert isinstance(node.slice, ast.Constant)
        return ast.Name(self.target or str(node.slice.value))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A helper, written out."""
        name = ast.unparse(node.func).rpartition(".")[2]
        args = [self._visited(arg) for arg in node.args]
        if name == "sqrt_with_eps":
            inside = [*node.args[2:], *(keyword.value for keyword in node.keywords)][0]
            name = "sqrt_of_both" if self._value(inside) else "sqrt_and_eps"
        if name not in _WRITTEN:
            return ast.Call(node.func, args, node.keywords)
        filled = _WRITTEN[name].format(*(f"({ast.unparse(arg)})" for arg in args))
        return ast.parse(filled, mode="eval").body

    def _visited(self, node: ast.expr) -> ast.expr:
        found: ast.expr = self.visit(node)
        return found

    def _value(self, node: ast.expr) -> Any:
        return eval(ast.unparse(node), dict(self.known))


class _Nameless(ast.NodeTransformer):
    """Hyperparameters are all alike, and so are ``memories``, which are noted in their order."""

    def __init__(self, numbers: set[str]) -> None:
        self.numbers = numbers
        self.memories: list[str] = []

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Only what the rule is given at each step keeps its name."""
        if node.id in ("grad", "step", "root", "max"):
            return node
        if node.id in self.numbers:
            return ast.Name("hyperparameter")
        self.memories.append(node.id)
        return ast.Name("memory")


class _Symbols(ast.NodeTransformer):
    """The papers' symbols: g², β₁ᵗ, √v."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Greek, mostly."""
        return ast.Name(_SYMBOLS.get(node.id, node.id))

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """A square, or a power of t."""
        self.generic_visit(node)
        left, right = node.left, node.right
        if isinstance(left, ast.Name) and isinstance(right, ast.Name):
            if isinstance(node.op, ast.Mult) and left.id == right.id:
                return ast.Name(f"{left.id}²")
            if isinstance(node.op, ast.Pow) and right.id == "t":
                return ast.Name(f"{left.id}ᵗ")
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A root has brackets only where it needs them."""
        self.generic_visit(node)
        if ast.unparse(node.func) == "√" and isinstance(node.args[0], ast.Name):
            return ast.Name(f"√{node.args[0].id}")
        return node
