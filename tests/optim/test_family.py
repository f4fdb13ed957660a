import pytest
import torch

from lwlr_teach.optim import PARENTS, family, method

MEMBERS = {member.name: member for member in family()}


def test_each_method_is_the_one_before_with_other_lines():
    assert {name: member.new for name, member in MEMBERS.items()} == {
        "SGD": ("d = g",),
        "Momentum": ("b = g + μ b", "d = b"),
        "Adagrad": ("s = s + g²", "d = g / (√s + ε)"),
        "RMSprop": ("s = α s + (1 − α) g²",),
        "Adadelta": ("d = √(u + ε) / √(s + ε) g", "u = ρ u + (1 − ρ) d²"),
        "Adam": ("m = β₁ m + (1 − β₁) g", "m̂ = m / (1 − β₁ᵗ)", "v̂ = v / (1 − β₂ᵗ)", "d = m̂ / (√v̂ + ε)"),
        "AMSGrad": ("v_max = max(v_max, v)", "v̂ = v_max / (1 − β₂ᵗ)"),
    }
    kept = {name: [line.text for line in member.lines if not line.is_new] for name, member in MEMBERS.items()}
    assert kept["RMSprop"] == ["d = g / (√s + ε)"]
    assert kept["Adam"] == ["v = β₂ v + (1 − β₂) g²"]
    assert len(kept["AMSGrad"]) == 4


@pytest.mark.parametrize("name", PARENTS)
def test_the_lines_compute_what_the_method_computes(name):
    """They are run as Python, in their order, from memories of 0."""
    gradients = [0.5, -2.0, 0.0, 1.5, 0.3]
    chosen = method(name)
    p = torch.zeros(1, dtype=torch.float64)
    optimizer = chosen([p], lr=1.0)
    group = optimizer.param_groups[0]
    beta1, beta2 = group.get("betas", (0, 0))
    values = {
        "α": group.get("alpha"),
        "ρ": group.get("rho"),
        "ε": group.get("eps"),
        "μ": group.get("momentum"),
    }
    values |= {"β1": beta1, "β2": beta2, "root": lambda x: x**0.5} | dict.fromkeys([*"bsuvm", "v_max"], 0.0)
    for t, g in enumerate(gradients, start=1):
        before = p.item()
        p.grad = torch.full_like(p, g)
        optimizer.step()
        values |= {"g": g, "t": t}
        for line in MEMBERS[name].lines:
            exec(as_python(line.text), values)
        assert before - p.item() == pytest.approx(values["d"], rel=1e-12, abs=1e-15)


def as_python(text):
    """A formula as a statement."""
    for symbol, written in {
        "β₁ᵗ": "(β1**t)", "β₂ᵗ": "(β2**t)", "β₁": "β1", "β₂": "β2", "m̂": "mhat", "v̂": "vhat",
        "g²": "(g*g)", "d²": "(d*d)", "√(": "root(", "√s": "root(s)", "√vhat": "root(vhat)", "−": "-",
    }.items():  # fmt: skip
        text = text.replace(symbol, written)
    for a, b in [
        ("μ b", "μ*b"),
        (") g", ")*g"),
        (") (", ")*("),
        ("α s", "α*s"),
        ("ρ s", "ρ*s"),
        ("ρ u", "ρ*u"),
    ]:
        text = text.replace(a, b)
    return text.replace("β1 m", "β1*m").replace("β2 v", "β2*v")


def test_the_lines_are_read_from_the_rule(monkeypatch):
    def other(grad, state, step, *, alpha, **_):
        s = state["square_avg"] + grad * grad
        direction = grad * s
        return direction, {"square_avg": s}

    monkeypatch.setattr(type(method("RMSprop")([torch.zeros(1)])), "rule", staticmethod(other))
    changed = next(member for member in family() if member.name == "RMSprop")
    assert [(line.text, line.is_new) for line in changed.lines] == [("s = s + g²", False), ("d = g s", True)]


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        (["SGD", "RMSprop"], "methods must have Adagrad, of which RMSprop came, before RMSprop"),
        (["SGD", "LAMB"], "methods 'LAMB' is not known"),
        (["Adagrad", "SGD"], "methods must have SGD, of which Adagrad came, before Adagrad"),
    ],
)
def test_what_has_no_place_is_named(methods, says):
    with pytest.raises(ValueError, match=says):
        family(methods)
