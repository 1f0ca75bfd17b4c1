from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.deidentify.descriptors import harmless, vocabulary


@pytest.mark.parametrize(
    "text",
    [
        "CHEST AP portable",
        "Abdomen^Liver",
        "t2_tse_tra",
        "MPR 3mm",
        "Head w/o contrast",
        "Thorax",
        "",
        "^^",
        "L5/S1",
        "LUNG 1.25",
    ],
)
def test_words_of_anatomy_and_technique_stay(text: str) -> None:
    assert harmless(text)


@pytest.mark.parametrize(
    "text",
    [
        "Chest of Smith",
        "CXR PID77418",
        "12.03.65",
        "chest 12 03 65",
        "chest 2021",
        "Dr. A. Brown",
        "胸部 山田",
        "Thorax Müller",
        "chest٣",
        "chest 123",
        "Grustkorb ИВАНОВА",
        "chest " * 30,
        "knee_4711_left",
    ],
)
def test_anything_else_goes(text: str) -> None:
    assert not harmless(text)


@given(st.text(min_size=1, max_size=20))
def test_a_text_that_stays_has_known_words_only(text: str) -> None:
    if harmless(f"chest {text}"):
        left = [
            word
            for word in "".join(one if one.isalnum() else " " for one in text).casefold().split()
            if word not in vocabulary()
        ]
        assert all(len(word) <= 5 and word.isascii() and word[0].isdigit() for word in left)
        assert len(left) <= 2


@pytest.mark.parametrize(
    "name",
    [
        "smith",
        "johnson",
        "brown",
        "jones",
        "miller",
        "davis",
        "young",
        "king",
        "wright",
        "hill",
        "green",
        "baker",
        "small",
        "short",
        "sharp",
        "field",
        "long",
        "rose",
        "may",
    ],
)
def test_no_usual_name_is_in_the_vocabulary(name: str) -> None:
    assert name not in vocabulary()


def test_the_vocabulary_is_lower_case_and_small() -> None:
    assert 300 < len(vocabulary()) < 600
    assert all(word == word.casefold() and word.isascii() for word in vocabulary())
