"""Python on small tensors, written out as JavaScript: a function runs once, and each of its numbers is noted.

A :class:`Sheet` watches what torch is asked to do with tensors of which it knows how each entry is written
(``p[0]``, ``h.lr``), and writes down every new entry as an expression of those before it. Nothing of the
function is known but what it does, so that its text stands in one place.

The operations are torch's, in torch's order, in float64, and JavaScript's numbers are the same IEEE doubles:
what is added, multiplied, divided and rooted call by call is the same to the last digit. Elsewhere torch
itself has another last digit on another processor: ``exp``, ``log`` and ``pow`` are those of a library, and
``lerp``, ``addcmul`` and norms round once less where a processor multiplies and adds at once.

What cannot be written is refused while the function runs, so that the error names the line: a value that is
asked for (``if``, ``float``, numpy), a random draw, a change of a tensor from elsewhere.
"""

from __future__ import annotations

import inspect
import linecache
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from lwlr_teach.core.operations import OPERATIONS, REDUCTIONS, Operand, Term


class NotJavaScript(ValueError):
    """A function that cannot be written as JavaScript. The message names the line, and the way out."""


_VALUE = (
    "asks for a value that is not known before the program runs. Instead of if, write torch.where(condition, "
    "yes, no); instead of functions of math and numpy, torch's"
)


class Sheet(TorchDispatchMode):
    """Notes how each entry of each tensor is made while it is active::

        sheet = Sheet()
        x = torch.ones(2, dtype=torch.float64)
        sheet.name(x, ["p[0]", "p[1]"])
        with sheet:
            y = (x * x).sum()
        sheet.write([("return", sheet.entries(y)[0])])

    The tensors hold numbers as well, which show the shapes and mean nothing else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[Operand] = []
        # The tensors are kept, or another might get the identity of one that is gone.
        self._known: dict[int, tuple[Tensor, Tensor]] = {}
        self._foreign: set[int] = set()
        self._terms: dict[tuple[Any, ...], Term] = {}
        self._count: Operand | None = None
        self._first = 1

    # --- tensors and their entries ------------------------------------------------------------------------

    def name(self, x: Tensor, names: Sequence[str]) -> None:
        """From here on the entries of ``x``, row by row, are written so."""
        terms = [self.term(name) for name in names]
        if id(x) in self._known:
            self._put(self._places(x), terms)
        else:
            self._enter(x, terms)

    def name_count(self, x: Tensor, name: str, first: int) -> None:
        """The same for a number that counts: ``first``, ``first`` + 1, …, so that ``x < first`` is known."""
        self.name(x, [name])
        self._count, self._first = self.entries(x)[0], first

    def entries(self, x: Tensor) -> list[Operand]:
        """How the entries of ``x`` are written now, row by row."""
        return [self.cells[i] for i in self._places(x).flatten().tolist()]

    def knows(self, x: object) -> bool:
        """Whether ``x`` is a tensor that was named, or made from one."""
        return isinstance(x, Tensor) and id(x) in self._known

    def _places(self, x: Tensor) -> Tensor:
        """Where each entry stands in ``cells``. Views share their places, so that a change shows in all."""
        if id(x) not in self._known:
            self._foreign.update(self._enter(x, x.flatten().tolist()).flatten().tolist())
        return self._known[id(x)][1]

    def _enter(self, x: Tensor, entries: Sequence[Operand]) -> Tensor:
        places = torch.arange(len(entries), device="cpu").add(len(self.cells)).reshape(x.shape)
        self.cells += entries
        self._known[id(x)] = x, places
        return places

    def _put(self, places: Tensor, entries: Sequence[Operand]) -> None:
        for place, entry in zip(places.flatten().tolist(), entries, strict=True):
            self.cells[place] = entry

    # --- what torch is asked to do ------------------------------------------------------------------------

    def __enter__(self) -> Sheet:
        self._watch = _Watch(self)
        self._watch.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._watch.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name == "_local_scalar_dense":
            return self.value(args[0])
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise NotJavaScript(
                "draws random numbers, and the program would hold them for good. Noise is a surface's"
            )
        result = func(*args, **kwargs)
        if func.is_view or name in _MOVES:
            if self._has_terms((args, kwargs)):
                _check_precision(result)
            if name == "_to_copy":  # places are not to become what the entries become
                func, args, kwargs = torch.clone, args[:1], {}
            try:
                moved = func(*tree_map(self._as_places, args), **tree_map(self._as_places, kwargs))
            except RuntimeError:  # a view as what whole numbers cannot be seen as
                raise _unknown(name) from None
            self._enter_moved(result, moved, copied=name in _MOVES)
        elif name in _FRESH or not (func._schema.is_mutable or self._has_terms((args, kwargs))):
            for made in tree_leaves(result):
                if isinstance(made, Tensor):
                    self._enter(made, made.flatten().tolist())
        elif func._schema.is_mutable:
            self._change(name, args, kwargs)
        else:
            _check_precision(result)
            self._enter(result, self._entries(name, args, kwargs, result))
        return result

    def _as_places(self, x: Any) -> Any:
        return self._places(x) if isinstance(x, Tensor) else x

    def _enter_moved(self, result: Any, moved: Any, copied: bool) -> None:
        for made, places in zip(tree_leaves(result), tree_leaves(moved), strict=True):
            if copied:
                self._enter(made, [self.cells[i] for i in places.flatten().tolist()])
            else:
                self._known[id(made)] = made, places

    def _has_terms(self, values: Any) -> bool:
        tensors = [x for x in tree_leaves(values) if isinstance(x, Tensor)]
        return any(isinstance(entry, Term) for x in tensors for entry in self.entries(x))

    def _change(self, name: str, args: Any, kwargs: Any) -> None:
        target = args[0]
        if not name.endswith("_") or not isinstance(target, Tensor):
            raise _unknown(name)
        places = self._places(target)
        if self._foreign.intersection(places.flatten().tolist()):
            raise NotJavaScript(
                "changes a tensor that it did not make, and that would not change in the browser. Keep what "
                "is remembered in the state"
            )
        self._put(places, self._entries(name.removesuffix("_"), args, kwargs, target))

    def _entries(self, name: str, args: Any, kwargs: Any, result: Any) -> list[Operand]:
        try:
            if name in REDUCTIONS:
                rows = self._rows(*args, **kwargs)
                return [REDUCTIONS[name](self, row) for row in rows]
            operation = OPERATIONS[name]
            columns = [self._column(x, result.shape) for x in args]
            options = {n: self._column(x, result.shape) for n, x in kwargs.items()}
            return [
                operation(self, *entry, **{n: column[i] for n, column in options.items()})
                for i, entry in enumerate(zip(*columns, strict=True))
            ]
        except (KeyError, TypeError, AttributeError):  # also a known call with what it has not here
            raise _unknown(name) from None

    def _column(self, x: Any, shape: torch.Size) -> list[Any]:
        """An operand for each entry of the result."""
        if isinstance(x, Tensor):
            return [self.cells[i] for i in self._places(x).expand(shape).flatten().tolist()]
        return [x] * shape.numel()

    def _rows(self, x: Tensor, *args: Any, **kwargs: Any) -> list[list[Operand]]:
        """The entries that become one number, for each number of the result."""
        numbers = [a for a in args if isinstance(a, int | float) and not isinstance(a, bool)]
        if numbers and numbers != [2]:  # the order of a norm
            raise TypeError
        lists = [a for a in args if isinstance(a, list | tuple)]
        axes = [axis % x.ndim for axis in lists[0]] if lists and lists[0] and x.ndim else list(range(x.ndim))
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        count = math.prod(x.shape[axis] for axis in axes)
        places = (
            self._places(x).permute(*kept, *axes).reshape(-1, count) if x.ndim else self._places(x).view(1, 1)
        )
        return [[self.cells[i] for i in row] for row in places.tolist()]

    def value(self, x: Tensor) -> Any:
        """The value of a tensor with one entry, if it is known."""
        (entry,) = self.entries(x)
        if isinstance(entry, Term):
            raise NotJavaScript(_VALUE)
        return entry

    # --- expressions --------------------------------------------------------------------------------------

    def term(self, template: str, *args: Operand) -> Term:
        """The expression; the same one is made once."""
        key = (template, *(a if isinstance(a, Term) else repr(a) for a in args))
        if key not in self._terms:
            self._terms[key] = Term(template, args)
        return self._terms[key]

    def compare(self, sign: str, a: Operand, b: Operand) -> Operand:
        """A comparison. What a count of steps has left behind for good is known."""
        if a is self._count and not isinstance(b, Term):
            known = _known_of_a_count(sign, self._first, b)
            if known is not None:
                return known
        return self.term(f"{{}} {sign} {{}}", a, b)

    def write(self, outputs: Sequence[tuple[str, Operand]]) -> str:
        """The lines that compute these entries and hand each to its target: ``p[0]``, or ``return``.

        All are computed before the first is handed on, so that a target may be the name of an input.
        """
        uses = _uses(operand for _, operand in outputs)
        targets = {target for target, _ in outputs}
        texts: dict[Term, str] = {}
        lines: list[str] = []
        for term in self._terms.values():  # in the order in which they were made
            if term not in uses:
                continue
            is_call = _CALL.fullmatch(term.template)
            text = term.template.format(*(_show(a, texts, is_call is None) for a in term.args))
            is_read_before_written = not term.args and term.template in targets
            if is_read_before_written or (term.args and uses[term] > 1):
                name = f"x{len(lines)}"
                lines.append(f"{name} = {text}")
                text = name
            texts[term] = text
        own = [f"const {', '.join(lines)};"] if lines else []
        for target, operand in outputs:
            text = texts[operand] if isinstance(operand, Term) else _number(operand)
            own.append(f"{target}{' ' if target == 'return' else ' = '}{text};")
        return "\n".join(own)


# torch guards the method against torch.compile, and the guard loads torch._dynamo: 72 MB, five seconds.
Sheet.__torch_dispatch__ = inspect.unwrap(Sheet.__torch_dispatch__)  # type: ignore[method-assign]


def leaves(operands: Iterable[Operand]) -> set[str]:
    """The names of the inputs that these entries are made of."""
    return {term.template for term in _uses(operands) if not term.args}


def _uses(operands: Iterable[Operand]) -> Counter[Term]:
    """How often each term is written if each is written as often as it stands in another one."""
    uses: Counter[Term] = Counter()
    todo = [operand for operand in operands if isinstance(operand, Term)]
    while todo:
        term = todo.pop()
        uses[term] += 1
        if uses[term] == 1:
            order = [int(i) if i else k for k, i in enumerate(re.findall(r"\{(\d*)\}", term.template))]
            todo += [a for a in (term.args[i] for i in order) if isinstance(a, Term)]
    return uses


_CALL = re.compile(r"Math\.\w+\([^()]*\)")
_WORD = re.compile(r"[\w.]+(\[\d+\])?")


def _show(operand: Operand, texts: Mapping[Term, str], in_brackets: bool) -> str:
    text = texts[operand] if isinstance(operand, Term) else _number(operand)
    stands_alone = not in_brackets or _WORD.fullmatch(text) or _CALL.fullmatch(text)
    return text if stands_alone else f"({text})"


def _number(value: float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if math.isnan(value):
        return "NaN"
    return (
        repr(int(value))
        if value == int(value) and abs(value) < 1e15 and (value or math.copysign(1, value) > 0)
        else repr(float(value))
    )


def _known_of_a_count(sign: str, first: int, bound: float) -> bool | None:
    """What ``count sign bound`` is for every count from ``first`` on, or None where that depends."""
    behind = first > bound
    if sign in (">", "<="):
        return (sign == ">") if behind else None
    if sign in (">=", "<"):
        return (sign == ">=") if first >= bound else None
    return (sign == "!==") if behind or bound != int(bound) else None


# These only move entries, so that they can move their places.
_MOVES = {"clone", "stack", "cat", "flip", "roll", "repeat", "index_select", "gather", "_to_copy"}
_FRESH = {"zeros_like", "ones_like", "full_like", "empty_like", "scalar_tensor"}
_FRESH |= {"new_zeros", "new_ones", "new_full", "new_empty", "new_empty_strided"}


def _check_precision(result: Any) -> None:
    for made in tree_leaves(result):
        if (
            isinstance(made, Tensor)
            and (made.is_complex() or made.is_floating_point())
            and made.dtype != torch.float64
        ):
            raise NotJavaScript(f"computes in {made.dtype}; a browser has float64 only")


def _unknown(name: str) -> NotJavaScript:
    known = sorted({*OPERATIONS, *REDUCTIONS, *_MOVES} - {"_to_copy", "fill", "zero", "copy"})
    return NotJavaScript(
        f"calls torch's {name!r} in a way that is not known here. Known are {', '.join(known)}"
    )


class _Watch(TorchFunctionMode):
    """Refuses what would read a tensor behind torch's back."""

    READERS = ("numpy", "__array__", "tolist", "__dlpack__", "__deepcopy__", "__reduce_ex__", "data_ptr")
    MAKERS = ("tensor", "as_tensor", "new_tensor")

    def __init__(self, sheet: Sheet) -> None:
        super().__init__()
        self.sheet = sheet

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in self.READERS and self._is_read(args[:1]):
            raise NotJavaScript(_VALUE)
        if name in self.MAKERS and self._is_read(args[-1:]):
            raise NotJavaScript(f"makes a tensor of tensors. Instead of {name}, write torch.stack")
        return func(*args, **(kwargs or {}))

    def _is_read(self, values: Any) -> bool:
        return self.sheet._has_terms([x for x in tree_leaves(values) if self.sheet.knows(x)])


# --- errors for people -------------------------------------------------------------------------------------

_MACHINERY = [Path(str(file)).parent for file in (torch.__file__, np.__file__, __file__)]


@contextmanager
def naming_the_line(what: str, machinery: Sequence[str] = ()) -> Iterator[None]:
    """Turn every error in the block into one that says which line of ``what`` cannot be written.

    ``machinery`` are files whose lines are not meant.
    """
    try:
        yield
    except Exception as error:
        reason = (
            str(error) if isinstance(error, NotJavaScript) else f"ends in {type(error).__name__}: {error}"
        )
        line = _line_of(error, machinery)
        raise NotJavaScript(f"{what} cannot run in a browser: {line} {reason}") from error


def _line_of(error: BaseException, machinery: Sequence[str]) -> str:
    """The innermost line that is neither torch's nor of the machinery: where, and what it says."""
    trace, found = error.__traceback__, "it"
    while trace is not None:
        code = trace.tb_frame.f_code
        own = Path(code.co_filename)
        if code.co_filename not in machinery and not any(own.is_relative_to(p) for p in _MACHINERY):
            source = linecache.getline(code.co_filename, trace.tb_lineno).strip()
            found = f"line {trace.tb_lineno} of {own.name}, in {code.co_name}, `{source}`,"
        trace = trace.tb_next
    return found
