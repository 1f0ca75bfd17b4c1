"""Patients who take no further part: from the next question on, their images are in no data.

Nobody else changes part. The file holds keyed digests of their identifiers (HMAC-SHA256 under a key
beside them), so that a look at it names nobody.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from pathlib import Path

from common.errors import InputError, PolicyError
from common.storage import files, locked_json

NAME = "withdrawn.json"


def add(state: Path, patient: str) -> int:
    """Take a patient out.

    Args:
        state: the worker's folder.
        patient: the identifier as it stands in ``patient_id`` of labels.csv, or in the DICOM files.

    Returns:
        how many patients are withdrawn in all.

    Raises:
        InputError: the identifier is empty.
        PolicyError: the file is damaged.
    """
    name = patient.strip()
    if not name:
        raise InputError(
            "--patient is empty; "
            "give the patient's identifier as it stands in patient_id or in the DICOM files."
        )
    with locked_json.held(files.private(state) / NAME) as file:
        key, gone = _read(state)
        gone = gone | {_digest(key, name)}
        file.write({"key": key.hex(), "patients": sorted(gone)})
        return len(gone)


def reader(state: Path) -> Callable[[str], bool] | None:
    """A function that tells whether a patient is withdrawn, by the file as it is now.

    None if nobody is.

    Raises:
        PolicyError: the file is damaged; then nobody's images are used.
    """
    key, gone = _read(state)
    return (lambda patient: _digest(key, patient.strip()) in gone) if gone else None


def version(state: Path) -> tuple[int, int]:
    """Changes whenever the file does."""
    try:
        status = (state / NAME).stat()
    except FileNotFoundError:
        return 0, 0
    except OSError as error:
        raise _damaged(error) from None
    return status.st_mtime_ns, status.st_ino


def _read(state: Path) -> tuple[bytes, frozenset[str]]:
    try:
        table = locked_json.read(state / NAME)
        key = bytes.fromhex(table["key"])
        gone = frozenset(table["patients"])
    except FileNotFoundError:
        return secrets.token_bytes(32), frozenset()
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(error) from None
    if len(key) != 32 or not all(isinstance(digest, str) and len(digest) == 64 for digest in gone):
        raise _damaged("key or digests are too short")
    return key, gone


def _digest(key: bytes, patient: str) -> str:
    return hmac.new(key, patient.encode(), hashlib.sha256).hexdigest()


def _damaged(error: object) -> PolicyError:
    return PolicyError("policy.withdrawals_unreadable", f"worker/state/{NAME}: {error!r}")
