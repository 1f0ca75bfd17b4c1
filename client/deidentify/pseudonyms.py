"""What stands in place of identifiers, made from the hospital's key.

It is the same for the same patient and the same UID in every file and every run, and of no use
without the key.

The key is 32 random bytes in a file that only its owner can read. From it HKDF-SHA256 (RFC 5869)
derives one key for each purpose, and HMAC-SHA256 (RFC 2104) under those makes the replacements;
nobody without the key can tell whether a guess of an identifier is right.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from common.errors import InputError
from common.secagg import primitives
from common.storage import files

_BYTES = 32
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, so nothing is misread."""
_NEAREST = 366
_FARTHEST = 3652
"""Dates move back by 1 to 10 years, in days."""


class Pseudonyms:
    """Makes replacements from one hospital's key.

    Args:
        key: 32 bytes; see :meth:`open`.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != _BYTES:
            raise InputError(
                f"The de-identification key has {len(key)} bytes; it must have {_BYTES}. "
                "Name the right file."
            )
        purposes = (b"patient", b"uid", b"days")
        self._patient, self._uid, self._days = (
            primitives.hkdf(key, b"", b"consilium/deidentify/1/" + purpose) for purpose in purposes
        )

    @classmethod
    def open(cls, path: Path) -> Pseudonyms:
        """The key in a file; one that does not exist is made, readable by its owner only.

        Raises:
            InputError: it cannot be read or made, others may read it, or it is no key.
        """
        try:
            if not path.exists():
                files.new(path, secrets.token_bytes(_BYTES))
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise InputError(
                    "Others than its owner may read the de-identification key; "
                    "allow its owner only (chmod 600)."
                )
            with path.open("rb") as file:
                # one byte more than a key has: a longer file is no key
                return cls(file.read(_BYTES + 1))
        except OSError as error:
            raise InputError(
                f"The de-identification key cannot be used ({error.strerror}); "
                "name a file that can be read or made."
            ) from None

    def patient(self, patient_id: str, issuer: str = "") -> str:
        """Text such as ``P-7K3M-Q2ZD-9XWF`` (60 bits) for a PatientID and its issuer.

        Spaces around them do not count.
        """
        number = int.from_bytes(_mac(self._patient, _who(patient_id, issuer))[:8]) >> 4
        text = "".join(_LETTERS[number >> 5 * place & 31] for place in range(12))
        return f"P-{text[:4]}-{text[4:8]}-{text[8:]}"

    def uid(self, old: str) -> str:
        """A UID below 2.25 (PS3.5 B.2; ITU-T X.667).

        It is the first 128 bits of the old one's HMAC as a whole number.
        """
        number = int.from_bytes(_mac(self._uid, old.strip(" \0").encode())[:16])
        return f"2.25.{number}"

    def days(self, patient_id: str, issuer: str = "") -> int:
        """By how many days this patient's dates move: back, by one to ten years."""
        number = int.from_bytes(_mac(self._days, _who(patient_id, issuer))[:8])
        return -(_NEAREST + number % (_FARTHEST - _NEAREST + 1))


class Names:
    """Names of patients and cases from the hospital's key.

    A table's ``patient_id`` and a DICOM header's PatientID with its issuer are one patient where
    only one issuer uses that number.
    """

    def __init__(self, pseudonyms: Pseudonyms, headers: Iterable[tuple[str, str]] = ()) -> None:
        self.pseudonyms = pseudonyms
        self._issuers: dict[str, set[str]] = defaultdict(set)
        self.note_headers(headers)

    def note_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Note ``(PatientID, issuer)`` of DICOM headers."""
        for number, issuer in headers:
            self._issuers[number].add(issuer)

    def patient(self, number: str, issuer: str | None = None) -> str:
        """Pseudonym of a patient; ``issuer`` None: as a table states it."""
        issuers = self._issuers.get(number, set())
        if issuer is None:
            # a number that two issuers use does not tell whose patient it is
            issuer = next(iter(issuers)) if len(issuers) == 1 else ""
        return self.pseudonyms.patient(number, issuer)

    def case(self, patient: str, identity: str) -> str:
        """Name of a case: its patient's pseudonym and 12 letters for ``identity``.

        The identity is a UID, or a file's place in its folder.
        """
        keyed = self.pseudonyms.uid(f"case {identity}")
        letters = base64.b32encode(hashlib.sha256(keyed.encode()).digest())[:12].decode().lower()
        return f"{patient}_{letters}"


def _who(patient_id: str, issuer: str) -> bytes:
    number, authority = (
        unicodedata.normalize("NFC", text.strip(" \0")) for text in (patient_id, issuer)
    )
    # the length parts the two: 1 + 23 and 12 + 3 are different patients
    return f"{len(number)}:{number}{authority}".encode()


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()
