"""New names for what comes in, by keyed hash: the same in every run, and nobody else can tell whose they are."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable

from client.deidentify.pseudonyms import Pseudonyms


class Names:
    """Names of patients and cases from the hospital's key.

    A table's ``patient_id`` and a DICOM header's PatientID with its issuer are one patient where only one issuer uses that number.
    """

    def __init__(self, pseudonyms: Pseudonyms, headers: Iterable[tuple[str, str]] = ()) -> None:
        self.pseudonyms = pseudonyms
        self._issuers: dict[str, set[str]] = defaultdict(set)
        self.know(headers)

    def know(self, headers: Iterable[tuple[str, str]]) -> None:
        """Note ``(PatientID, issuer)`` of DICOM headers."""
        for number, issuer in headers:
            self._issuers[number].add(issuer)

    def patient(self, number: str, issuer: str | None = None) -> str:
        """Pseudonym of a patient; ``issuer`` None: as a table states it."""
        known = self._issuers.get(number, set())
        if issuer is None:
            issuer = next(iter(known)) if len(known) == 1 else ""
        return self.pseudonyms.patient(number, issuer)

    def case(self, patient: str, identity: str) -> str:
        """Name of a case: its patient's pseudonym and 12 letters for ``identity`` (a UID, or a file's place in its folder)."""
        keyed = self.pseudonyms.uid(f"case {identity}")
        letters = base64.b32encode(hashlib.sha256(keyed.encode()).digest())[:12].decode().lower()
        return f"{patient}_{letters}"
