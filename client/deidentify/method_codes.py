"""What is kept beyond the basic profile, and how the new header says by what method it was made."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset
from pydicom.sequence import Sequence

from client.deidentify import profile

_METHODS = {
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
}
"""CID 7050 (PS3.16)."""


@dataclass(frozen=True)
class Options:
    """What is kept beyond the basic profile.

    Attributes:
        modified_dates: dates move by days that are fixed for a patient, times of day stay; else
            both go.
        clean_descriptors: descriptions of harmless words stay; else all of them go.
    """

    modified_dates: bool = True
    clean_descriptors: bool = True

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of CID 7050 for what was done."""
        return (
            "113100",
            *(["113105"] if self.clean_descriptors else []),
            *(["113107"] if self.modified_dates else []),
        )


BASIC_AND_BOTH = Options()


def state_method(header: Dataset, options: Options) -> None:
    """Write what was done and by which edition into a new header (PS3.15 E.1.1).

    These are (0012,0062), (0012,0063), (0012,0064) and (0028,0303).
    """
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = [
        f"DICOM PS3.15 {profile.EDITION} Annex E",
        *(_METHODS[code] for code in options.codes),
    ]
    header.DeidentificationMethodCodeSequence = Sequence([_code(code) for code in options.codes])
    header.LongitudinalTemporalInformationModified = (
        "MODIFIED" if options.modified_dates else "REMOVED"
    )


def _code(code: str) -> Dataset:
    item = Dataset()
    item.CodeValue = code
    item.CodingSchemeDesignator = "DCM"
    item.CodeMeaning = _METHODS[code]
    return item
