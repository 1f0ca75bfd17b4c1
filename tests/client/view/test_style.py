"""The page's colours can be read."""

from __future__ import annotations

import re

from client.view import status_page


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    digits = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast() -> None:
    """WCAG 2.2, 1.4.3 and 1.4.11, in light and dark."""
    light, dark = (
        dict(re.findall(r"--(\w+):#(\w+)", text))
        for text in re.findall(r":root\{(.*?)\}", status_page.CSS, re.DOTALL)
    )
    pairs = [(name, "paper", 4.5) for name in ("ink", "soft", "blue", "ochre", "stop")] + [
        ("on", "stop", 4.5),
        ("field", "paper", 3.0),
    ]
    for colours in (light, {**light, **dark}):
        for front, back, least in pairs:
            one, two = sorted((_luminance(colours[front]), _luminance(colours[back])))
            assert (two + 0.05) / (one + 0.05) >= least, (front, back)
