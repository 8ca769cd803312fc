"""Makes configured colors readable: darkens or lightens them where needed."""

_LUMINANCE = (0.2126, 0.7152, 0.0722)
WHITE, INK = "#ffffff", "#1f2933"
# WCAG 2.1, 1.4.3 and 1.4.11: contrast of text, and of lines and bars, with the background.
TEXT_CONTRAST, SHAPE_CONTRAST = 4.5, 3.0


def _channels(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def _luminance(color: str) -> float:
    """Relative luminance, as WCAG defines it."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4  # noqa: PLR2004
        for value in _channels(color)
    ]
    return sum(weight * value for weight, value in zip(_LUMINANCE, linear, strict=True))


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.1: 1 for equal colors, 21 for black on white.

    >>> round(contrast("#ffffff", "#000000"))
    21
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def readable(color: str, background: str = WHITE, least: float = TEXT_CONTRAST) -> str:
    """The color, mixed with black or white until it has enough contrast with the background.

    >>> readable("#2e4057")
    '#2e4057'
    >>> contrast(readable("#ffff00"), "#ffffff") >= 4.5
    True
    """
    target = 0.0 if contrast(background, "#000000") > contrast(background, WHITE) else 1.0
    steps = 40
    for step in range(steps + 1):
        share = step / steps
        mixed = "#" + "".join(
            f"{round(255 * (value + (target - value) * share)):02x}" for value in _channels(color)
        )
        if contrast(mixed, background) >= least:
            return mixed
    return mixed


def text_on(background: str) -> str:
    """White or black, whichever is readable on the color."""
    return WHITE if contrast(WHITE, background) >= TEXT_CONTRAST else "#000000"
