"""The new header says by which method it was made."""

from __future__ import annotations

import pytest
from pydicom import Dataset

from client.deidentify.method_codes import BASIC_AND_BOTH, Options, state_method


@pytest.mark.parametrize(
    ("options", "codes", "dates"),
    [
        (BASIC_AND_BOTH, ("113100", "113105", "113107"), "MODIFIED"),
        (Options(modified_dates=False), ("113100", "113105"), "REMOVED"),
        (Options(clean_descriptors=False), ("113100", "113107"), "MODIFIED"),
        (Options(modified_dates=False, clean_descriptors=False), ("113100",), "REMOVED"),
    ],
)
def test_codes_follow_the_options(options: Options, codes: tuple[str, ...], dates: str) -> None:
    header = Dataset()
    state_method(header, options)
    sequence = header.DeidentificationMethodCodeSequence
    assert tuple(item.CodeValue for item in sequence) == options.codes == codes
    assert all(item.CodeMeaning and item.CodingSchemeDesignator == "DCM" for item in sequence)
    assert header.LongitudinalTemporalInformationModified == dates
    assert header.PatientIdentityRemoved == "YES"
