"""Whose images a hospital's folder holds: the identifiers in its tables and DICOM headers."""

from __future__ import annotations

from pathlib import Path

from client.dataset import labels
from client.readers import _registry, dicom
from common.errors import CaseError


def listed(folder: Path) -> frozenset[str]:
    """Identifiers of ``patient_id`` in labels.csv and cases.csv, and PatientID of DICOM files.

    Raises:
        SiteError: the folder cannot be listed, or a table cannot be read.
    """
    identifiers = labels.patients(folder)
    for path in _registry.files(folder / "dicom"):
        try:
            identifiers.add(dicom.patient(path) or "")
        # What cannot be opened names no patient; using the folder reports it.
        except CaseError:
            continue
    return frozenset(identifiers - {""})
