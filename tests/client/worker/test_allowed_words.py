"""What a hospital has at hand for the arguments of a sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from client.virtual_site import VirtualSite
from client.worker.allowed_words import AllowedWords
from common.sentences.table import say
from tests.client import hostile

STUDY = replace(hostile.small_study(), description="Smith, Anna asks for it.")


def allowed(folder: Path) -> AllowedWords:
    return AllowedWords(VirtualSite("north", (folder,), folder / "state", "cpu"), STUDY)


def test_words_are_whole_texts_of_the_study_without_its_prose(tmp_path: Path) -> None:
    words = allowed(tmp_path).words
    assert {STUDY.name, STUDY.task.name, STUDY.model.name, "dice", "0", "1"} <= words
    assert STUDY.description not in words and not any("Smith" in word for word in words)
    assert AllowedWords(allowed(tmp_path).site, None).words == frozenset()


def test_settings_are_those_of_studies_and_policies(tmp_path: Path) -> None:
    settings = allowed(tmp_path).settings
    assert {
        "data.min_patients",
        "model.channels",
        "task.classes",
        "seed",
        "data.prepare",
        "studies",
        "floor",
    } <= settings
    assert say("study.setting", setting="data.min_patients").stands(allowed(tmp_path))
    assert not say("study.setting", setting="data.smith").stands(allowed(tmp_path))


def test_without_a_roster_no_hospital_is_named(tmp_path: Path) -> None:
    assert allowed(tmp_path).hospitals == frozenset()
    assert not say("sum.shares", hospital="north").stands(allowed(tmp_path))
