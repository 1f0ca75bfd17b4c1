from __future__ import annotations

import re

from server.report.style import CSS


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, definition)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_of_text_and_shades_in_light_and_dark() -> None:
    def colours(block: str) -> dict[str, str]:
        colour = dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", block))
        return {
            k: v if len(v) == 7 else "#" + "".join(c * 2 for c in v[1:]) for k, v in colour.items()
        }

    blocks = [m.group(1) for m in re.finditer(r":root\{(.*?)\}", CSS)]
    shades = re.findall(r"\.s\d\{background:(#\w{6});color:var\(--(\w+)\)\}", CSS)
    assert len(blocks) == 2
    assert len(shades) == 18
    for block, ramp in zip(blocks, (shades[:9], shades[9:]), strict=True):
        palette = colours(block)
        pairs = [
            (palette[k], palette["paper"]) for k in ("ink", "soft", "blue", "ochre", "pool")
        ] + [(palette[text], back) for back, text in ramp]
        for text, back in pairs:
            high, low = sorted((luminance(text), luminance(back)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, back)
