"""Reproducible randomness for training, derived by name.

Masks, keys and privacy noise never come from here: they use the operating system's generator
(``secrets``).
"""

from __future__ import annotations

import hashlib


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for one purpose, e.g. ``derive(study.seed, "batches", site, round)``.

    Independent purposes get independent streams: the names are hashed (SHA-256) with their lengths,
    so no two lists of names collide.
    """
    digest = hashlib.sha256(f"consilium/{seed}".encode())
    for name in names:
        part = f"{type(name).__name__}:{name}".encode()
        digest.update(len(part).to_bytes(4, "big") + part)
    return int.from_bytes(digest.digest()[:8], "big") >> 1
