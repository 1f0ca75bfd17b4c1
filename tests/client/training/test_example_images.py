"""Pictures of phantoms as PNG files that other software opens."""

from __future__ import annotations

import numpy as np

from client.training import example_images


def test_pictures_are_valid_png() -> None:
    import io

    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
    with Image.open(io.BytesIO(example_images.png(pixels))) as image:
        assert image.mode == "RGBA" and (np.asarray(image) == pixels).all()
