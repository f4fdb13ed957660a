"""Loss surfaces of two parameters, with everything about them known.

Points are tensors of shape (…, 2), on any device and of any floating dtype; every function is batched over
the leading axes. Gradients are written by hand, because a sweep evaluates them millions of times; the tests
compare them with autograd.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_number
from lwlr_teach.core.javascript import Sheet, naming_the_line

Point = tuple[float, float]


@dataclass(frozen=True)
class Surface:
    """A loss surface f(x, y).

    ``f`` and ``df`` take two tensors of one shape and return the loss, and its two partial derivatives.
    ``bounds`` are ((x_min, x_max), (y_min, y_max)) of the region worth drawing, ``start`` is where a run
    begins unless it is told otherwise, ``minima`` are all local minima inside the bounds, lowest first, and
    ``noise`` is the standard deviation of each component of the noise that ``sample_grad`` adds. Where the
    lowest points are a whole curve, there are no ``minima``, and ``floor`` is the loss along it.
    """

    name: str
    formula: str
    f: Callable[[Tensor, Tensor], Tensor]
    df: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    bounds: tuple[Point, Point]
    start: Point
    minima: tuple[Point, ...]
    noise: float = 0.0
    floor: float | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name must say what the surface is called, got ''")
        if not self.minima and self.floor is None:
            raise ValueError(
                f"minima must be at least one point, or floor a number, got neither for {self.name}"
            )

    def loss(self, points: Tensor) -> Tensor:
        """f at points of shape (…, 2); shape (…)."""
        return self.f(points[..., 0], points[..., 1])

    def grad(self, points: Tensor) -> Tensor:
        """The exact gradient at points of shape (…, 2); the same shape."""
        return torch.stack(self.df(points[..., 0], points[..., 1]), dim=-1)

    def sample_grad(self, points: Tensor, generator: torch.Generator) -> Tensor:
        """The gradient as training sees it: exact, plus Gaussian noise of size ``noise``.

        For points of shape (…, n, 2) one draw of shape (n, 2) is shared along the leading axes, so that all
        settings of a sweep meet the same luck and only their differences show.
        """
        grad = self.grad(points)
        if not self.noise:
            return grad
        draw = torch.randn(points.shape[-2:], generator=generator, dtype=torch.float64)
        return grad + self.noise * draw.to(grad)

    def hessian(self, points: Tensor) -> Tensor:
        """Second derivatives at points of shape (…, 2); shape (…, 2, 2)."""
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            rows = [
                torch.autograd.grad(g.sum(), points, retain_graph=True, materialize_grads=True)[0]
                for g in self.grad(points).unbind(-1)
            ]
        return torch.stack(rows, dim=-2)

    def sharpness(self, points: Tensor) -> Tensor:
        """The largest curvature λ at points (…, 2); shape (…). Plain descent needs a rate below 2/λ."""
        return torch.linalg.eigvalsh(self.hessian(points))[..., -1]

    def to_javascript(self) -> str:
        """The surface as a JavaScript function ``(p, g) => loss`` of a point p = [x, y]; it writes the exact
        gradient into g. An expression, as :class:`lwlr_teach.optim.Program` has one.

        Raises NotJavaScript, which names the line, for an ``f`` or ``df`` that cannot be written.
        """
        point, sheet = torch.tensor(self.start, dtype=torch.float64), Sheet()
        sheet.name(point, ["p[0]", "p[1]"])
        with naming_the_line(f"the surface {self.name}"):
            with sheet:
                grad, loss = self.grad(point), self.loss(point)
            outputs = [
                *zip(["g[0]", "g[1]"], sheet.entries(grad), strict=True),
                ("return", sheet.entries(loss)[0]),
            ]
            return f"(p, g) => {{\n{sheet.write(outputs)}\n}}"

    @property
    def lowest(self) -> float:
        """The loss at the global minimum, or on the floor."""
        if self.floor is not None:
            return self.floor
        return self.loss(torch.tensor(self.minima[0], dtype=torch.float64)).item()


def quadratic(condition: float = 10.0) -> Surface:
    """A bowl with curvature 1 along x and ``condition`` ≥ 1 along y. Descent is stable below 2/condition."""
    check_number("condition", condition, low=1)
    return Surface(
        name="quadratic",
        formula=f"½ (x² + {condition:g} y²)",
        f=lambda x, y: 0.5 * (x * x + condition * y * y),
        df=lambda x, y: (x, condition * y),
        bounds=((-3, 3), (-2, 2)),
        start=(-2.5, 1),
        minima=((0, 0),),
    )


def ravine(condition: float = 50.0, degrees: float = 30.0) -> Surface:
    """The bowl with curvatures 1 and ``condition`` again, turned so that no axis points along the valley."""
    check_number("condition", condition, low=1)
    check_number("degrees", degrees)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def f(x: Tensor, y: Tensor) -> Tensor:
        along, across = c * x + s * y, c * y - s * x
        return 0.5 * (along * along + condition * across * across)

    def df(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        along, across = c * x + s * y, condition * (c * y - s * x)
        return c * along - s * across, s * along + c * across

    return Surface(
        name="ravine",
        formula=f"½ (u² + {condition:g} v²), turned by {degrees:g}°",
        f=f,
        df=df,
        bounds=((-3, 3), (-2, 2)),
        start=(-2.5, -0.8),
        minima=((0, 0),),
    )


def rosenbrock() -> Surface:
    """The banana valley (Rosenbrock 1960): easy to reach, slow to follow."""
    return Surface(
        name="rosenbrock",
        formula="(1 − x)² + 100 (y − x²)²",
        f=lambda x, y: (1 - x) ** 2 + 100 * (y - x * x) ** 2,
        df=lambda x, y: (2 * (x - 1) - 400 * x * (y - x * x), 200 * (y - x * x)),
        bounds=((-2, 2), (-1, 3)),
        start=(-1.5, 2),
        minima=((1, 1),),
    )


def beale() -> Surface:
    """A flat floor with steep cliffs at the corners (Beale 1958)."""

    def terms(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3

    def f(x: Tensor, y: Tensor) -> Tensor:
        a, b, c = terms(x, y)
        return a * a + b * b + c * c

    def df(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        a, b, c = terms(x, y)
        return (
            2 * (a * (y - 1) + b * (y**2 - 1) + c * (y**3 - 1)),
            2 * x * (a + 2 * b * y + 3 * c * y**2),
        )

    return Surface(
        name="beale",
        formula="(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²",
        f=f,
        df=df,
        bounds=((-4.5, 4.5), (-4.5, 4.5)),
        start=(1, 1),
        minima=((3, 0.5),),
    )


def himmelblau() -> Surface:
    """Four equally deep minima (Himmelblau 1972): which one is found depends on the rate."""

    def df(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        a, b = x * x + y - 11, x + y * y - 7
        return 4 * x * a + 2 * b, 2 * a + 4 * y * b

    return Surface(
        name="himmelblau",
        formula="(x² + y − 11)² + (x + y² − 7)²",
        f=lambda x, y: (x * x + y - 11) ** 2 + (x + y * y - 7) ** 2,
        df=df,
        bounds=((-5, 5), (-5, 5)),
        start=(-0.5, -0.5),
        minima=(
            (3, 2),
            (-2.8051180869527448, 3.1313125182505730),
            (-3.7793102533777469, -3.2831859912861694),
            (3.5844283403304917, -1.8481265269644035),
        ),
    )


def styblinski_tang() -> Surface:
    """Four minima of different depth (Styblinski & Tang 1990); the deepest is at (−2.9, −2.9)."""
    # The minima solve 4x³ − 32x + 5 = 0 in each coordinate.
    deep, shallow = -2.9035340277711771, 2.7468027709908370
    return Surface(
        name="styblinski-tang",
        formula="½ (x⁴ − 16x² + 5x + y⁴ − 16y² + 5y)",
        f=lambda x, y: 0.5 * (x**4 - 16 * x * x + 5 * x + y**4 - 16 * y * y + 5 * y),
        df=lambda x, y: (2 * x**3 - 16 * x + 2.5, 2 * y**3 - 16 * y + 2.5),
        bounds=((-4.5, 4.5), (-4.5, 4.5)),
        start=(-1, -1),
        minima=((deep, deep), (deep, shallow), (shallow, deep), (shallow, shallow)),
    )


def saddle() -> Surface:
    """A saddle at the origin, with a minimum on either side. The start lies almost on the ridge."""
    return Surface(
        name="saddle",
        formula="½ x² − ½ y² + ¼ y⁴",
        f=lambda x, y: 0.5 * x * x - 0.5 * y * y + 0.25 * y**4,
        df=lambda x, y: (x, y**3 - y),
        bounds=((-2, 2), (-1.6, 1.6)),
        start=(-1.5, 0.001),
        minima=((0, 1), (0, -1)),
    )


def sharp_and_flat(sharp: float = 50.0, flat: float = 2.0) -> Surface:
    """Two minima of equal depth with steep walls between them: curvature ``sharp`` on the left, ``flat`` on
    the right. A rate between 2/sharp and 2/flat cannot stay in the left one."""
    check_number("sharp", sharp, low=1)
    check_number("flat", flat, low=1, high=sharp)
    softness = 0.05  # rounds the crest; at the minima the other bowl weighs less than e⁻⁶⁰

    def bowls(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        left, right = (x + 1.5) ** 2 + y * y, (x - 1) ** 2 + y * y
        return -0.5 * sharp / softness * left, -0.5 * flat / softness * right

    def f(x: Tensor, y: Tensor) -> Tensor:
        return -softness * torch.logaddexp(*bowls(x, y))

    def df(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        left, right = bowls(x, y)
        weight = torch.sigmoid(left - right)
        k_left, k_right = weight * sharp, (1 - weight) * flat
        return k_left * (x + 1.5) + k_right * (x - 1), (k_left + k_right) * y

    return Surface(
        name="sharp-and-flat",
        formula=f"the lower of two bowls, curvature {sharp:g} at (−1.5, 0) and {flat:g} at (1, 0)",
        f=f,
        df=df,
        bounds=((-2.5, 3.5), (-2, 2)),
        start=(-1.53, 0.02),
        minima=((-1.5, 0), (1, 0)),
    )


def plateau() -> Surface:
    """Flat far out, steep near the minimum: the gradient is smallest where the way is longest."""

    def df(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        slope = 2 / (1 + x * x + 4 * y * y) ** 2
        return slope * x, 4 * slope * y

    def f(x: Tensor, y: Tensor) -> Tensor:
        u = x * x + 4 * y * y
        return u / (1 + u)

    return Surface(
        name="plateau",
        formula="u / (1 + u) with u = x² + 4y²",
        f=f,
        df=df,
        bounds=((-4, 4), (-2.5, 2.5)),
        start=(-3, 1),
        minima=((0, 0),),
    )


def cliff() -> Surface:
    """The smallest recurrent network, a single unit read after 50 steps (Pascanu, Mikolov & Bengio 2013).

    x ← w σ(x) + b from x = 0.5; the loss is (x − 0.7)², and the axes are w and b. Where w is large, the unit
    can come to rest in two states, and the wall runs where a tiny change of w or b decides between them. The
    loss is 0 along a curve, not at a point: first the floor of a valley, b = 0.7 − w σ(0.7), and for w > 4.5
    a crack in the wall, too narrow to stand in.
    """
    x0, wanted, steps = 0.5, 0.7, 50

    def final(w: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x after the last step, and its derivatives by w and b, carried along from step to step."""
        x = torch.full_like(w, x0)
        by_w, by_b = torch.zeros_like(x), torch.zeros_like(x)
        for _ in range(steps):
            s = torch.sigmoid(x)
            slope = w * s * (1 - s)
            x, by_w, by_b = w * s + b, s + slope * by_w, 1 + slope * by_b
        return x, by_w, by_b

    def df(w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        x, by_w, by_b = final(w, b)
        return 2 * (x - wanted) * by_w, 2 * (x - wanted) * by_b

    def f(w: Tensor, b: Tensor) -> Tensor:
        x = torch.full_like(w, x0)
        for _ in range(steps):
            x = w * torch.sigmoid(x) + b
        return (x - wanted) ** 2

    return Surface(
        name="cliff",
        formula="(x − 0.7)² after 50 steps of x ← w σ(x) + b from x = 0.5",
        f=f,
        df=df,
        bounds=((4, 7), (-4, -1)),
        start=(6, -1.2),
        minima=(),
        floor=0.0,
    )


def noisy(surface: str | Surface = "quadratic", noise: float = 1.0) -> Surface:
    """The same surface, seen through gradients with Gaussian noise of standard deviation ``noise``."""
    check_number("noise", noise, low=0)
    base = find_surface(surface)
    return replace(base, name=f"noisy {base.name.removeprefix('noisy ')}", noise=noise)


SURFACES: Mapping[str, Callable[[], Surface]] = MappingProxyType(
    {
        "quadratic": quadratic,
        "ravine": ravine,
        "rosenbrock": rosenbrock,
        "beale": beale,
        "himmelblau": himmelblau,
        "styblinski-tang": styblinski_tang,
        "saddle": saddle,
        "sharp-and-flat": sharp_and_flat,
        "plateau": plateau,
        "cliff": cliff,
        "noisy quadratic": noisy,
    }
)


def find_surface(surface: str | Surface) -> Surface:
    """The surface of this name, or the surface itself; ValueError with the nearest names otherwise."""
    return surface if isinstance(surface, Surface) else check_choice("surface", surface, SURFACES)()
