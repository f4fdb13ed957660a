"""How well a colour can be seen on paper of another."""

from matplotlib.colors import to_rgb


def contrast(colour: str, paper: str) -> float:
    """The ratio of WCAG 2.2, from 1 to the 21 of black on white; parts of a picture need 3."""
    light, dark = sorted((_luminance(colour), _luminance(paper)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
