"""Whether a hospital folder holds computed phantoms and nothing else, so that pictures of it may be shown.

The marker file ``PHANTOM``, which the phantom writer leaves, lists the SHA-256 of every image. A folder into which somebody has put another
image, or changed one, no longer passes.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def only(folder: Path) -> bool:
    """Whether the folder's images are exactly those that its marker lists."""
    try:
        seal = json.loads((folder / "PHANTOM").read_text("utf-8"))
        listed = seal.get("sha256") if isinstance(seal, dict) else None
        return bool(listed) and listed == _digests(folder)
    except (OSError, ValueError):
        return False


def _digests(folder: Path) -> dict[str, str]:
    files = (
        f for part in ("dicom", "images") for f in sorted((folder / part).rglob("*")) if f.is_file()
    )
    return {
        f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files
    }
