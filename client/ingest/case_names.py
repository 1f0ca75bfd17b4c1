"""Which pseudonym and which name each case of an intake gets.

A name is a patient's pseudonym and a part that depends on the case alone. By that part a case is
the same in a later run, also if it has become clear since whose it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from client.deidentify.pseudonyms import Names
from client.ingest.case_facts import CaseFacts
from client.ingest.cases import CaseSource


@dataclass(frozen=True)
class NamedCase:
    """A case to be, its name in the hospital's folder, and its patient's pseudonym."""

    source: CaseSource
    name: str
    patient: str

    @property
    def key(self) -> str:
        """The part of the name that does not depend on whose it is."""
        return case_key(self.name)


def assign(
    sources: Sequence[CaseSource],
    numbers: Mapping[int, str],
    names: Names,
    cases: dict[str, CaseFacts],
) -> list[NamedCase]:
    """Name every case; one that was taken in before keeps its name and gets its patient.

    Args:
        sources: cases to be.
        numbers: the patient of a case as a table states it, by index of the case.
        names: makes the names.
        cases: those of earlier runs by name; their patients are brought up to date.
    """
    named = list(_named(sources, numbers, names, cases))
    for case in named:
        if case.name in cases:
            cases[case.name] = replace(cases[case.name], patient=case.patient)
    return named


def case_key(name: str) -> str:
    """The part of a case's name that does not depend on whose it is."""
    return name.rpartition("_")[2]


def _named(
    sources: Sequence[CaseSource],
    numbers: Mapping[int, str],
    names: Names,
    cases: Mapping[str, CaseFacts],
) -> Iterator[NamedCase]:
    earlier = {case_key(name): name for name in cases}
    for place, source in enumerate(sources):
        patient = _patient(source, numbers.get(place), names)
        name = names.case(patient, source.identity)
        yield NamedCase(source, earlier.get(case_key(name), name), patient)


def _patient(source: CaseSource, number: str | None, names: Names) -> str:
    """Pseudonym by the table's word, else the header's, else one for the file alone."""
    if number:
        return names.patient(number, source.issuer if number == source.number else None)
    if source.number or source.issuer:
        return names.patient(source.number, source.issuer)
    return names.patient(source.identity, "file")
