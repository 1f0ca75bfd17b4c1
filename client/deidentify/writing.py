"""New files for their owner only: under their name whole or not at all, and never in place of another."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from common.storage import files


def new(path: Path, content: bytes) -> bool:
    """Write a file unless there is one; whether this call wrote it. Of two processes that write one name, the first one's content stands.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        files.create(draft, content)
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True
