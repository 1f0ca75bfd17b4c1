"""Whose a case is, and that it keeps its name once it has one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from client.deidentify.pseudonyms import Names, Pseudonyms
from client.ingest import case_facts, case_names
from client.ingest.case_facts import CaseFacts
from client.ingest.cases import CaseSource
from client.readers import Scan

KEY = Pseudonyms(bytes(32))
SOURCE = CaseSource("picture", (), "file a.png", frozenset())


def facts(name: str, patient: str) -> CaseFacts:
    fields = {"sha256": "", "patient": patient, "modality": "", "scanner": "", "stamp": ""}
    return case_facts.of(Scan(np.zeros((1, 4, 4)), (1.0, 1.0)), name=name, **fields)


def test_the_tables_word_goes_before_the_headers() -> None:
    source = replace(SOURCE, number="7", issuer="MERCY")
    names = Names(KEY, [("7", "MERCY")])
    [by_table] = case_names.assign([source], {0: "8"}, names, {})
    [by_header] = case_names.assign([source], {}, names, {})
    assert by_table.patient == KEY.patient("8")
    assert by_header.patient == KEY.patient("7", "MERCY")


def test_a_file_of_nobody_is_a_patient_of_its_own() -> None:
    other = replace(SOURCE, identity="file b.png")
    one, two = case_names.assign([SOURCE, other], {}, Names(KEY), {})
    assert one.patient != two.patient
    assert one.key != two.key


def test_a_case_keeps_its_name_when_its_patient_becomes_known() -> None:
    [first] = case_names.assign([SOURCE], {}, Names(KEY), {})
    earlier = {first.name: facts(f"images/{first.name}.png", first.patient)}
    [later] = case_names.assign([SOURCE], {0: "8"}, Names(KEY), earlier)
    assert later.name == first.name
    assert earlier[first.name].patient == later.patient == KEY.patient("8")
