"""What a hospital has at hand for the arguments of a sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from client.virtual_site import VirtualSite
from client.worker.allowed_words import Around
from common.sentences.table import say
from tests.client import hostile

STUDY = replace(hostile.study(), description="Smith, Anna asks for it.")


def around(folder: Path) -> Around:
    return Around(VirtualSite("north", (folder,), folder / "state", "cpu"), STUDY)


def test_words_are_whole_texts_of_the_study_without_its_prose(tmp_path: Path) -> None:
    words = around(tmp_path).words
    assert {STUDY.name, STUDY.task.name, STUDY.model.name, "dice", "0", "1"} <= words
    assert STUDY.description not in words and not any("Smith" in word for word in words)
    assert Around(around(tmp_path).site, None).words == frozenset()


def test_settings_are_those_of_studies_and_policies(tmp_path: Path) -> None:
    settings = around(tmp_path).settings
    assert {
        "data.min_patients",
        "model.channels",
        "task.classes",
        "seed",
        "data.prepare",
        "studies",
        "floor",
    } <= settings
    assert say("study.setting", setting="data.min_patients").stands(around(tmp_path))
    assert not say("study.setting", setting="data.smith").stands(around(tmp_path))


def test_without_a_roster_no_hospital_is_named(tmp_path: Path) -> None:
    assert around(tmp_path).hospitals == frozenset()
    assert not say("sum.shares", hospital="north").stands(around(tmp_path))
