"""The error tree: exit codes, and what of a hospital's error may leave."""

from __future__ import annotations

import inspect

import pytest

from common import errors
from common.errors import CaseError, ConsiliumError, SiteError, StudyError, did_you_mean
from common.sentences.table import say

TREE = {
    "InputError": ("ConsiliumError", 2),
    "StudyError": ("InputError", 2),
    "ArgumentError": ("InputError", 2),
    "CertificateError": ("InputError", 2),
    "SiteError": ("ConsiliumError", 2),
    "CaseError": ("SiteError", 2),
    "PolicyError": ("SiteError", 2),
    "ApprovalError": ("PolicyError", 2),
    "OutboxError": ("SiteError", 2),
    "WireError": ("ConsiliumError", 1),
    "SignatureError": ("WireError", 1),
    "SecureSumError": ("WireError", 1),
    "RoundError": ("ConsiliumError", 1),
}


@pytest.mark.parametrize("name", TREE)
def test_each_error_has_its_place_and_exit_code(name: str) -> None:
    cls = getattr(errors, name)
    parent, code = TREE[name]
    assert cls.__bases__[0].__name__ == parent
    assert cls.exit_code == code


def test_no_error_stands_outside_the_tree() -> None:
    classes = {
        name
        for name, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, Exception)
    }
    assert classes == {*TREE, "ConsiliumError"}
    assert ConsiliumError.exit_code == 1
    drawn = errors.__doc__ or ""
    assert all(name in drawn for name in classes)


@pytest.mark.parametrize("cls", [SiteError, CaseError])
def test_the_local_text_is_not_part_of_what_leaves(cls: type[SiteError]) -> None:
    error = cls("mask.size", "images/smith_anna.png is truncated")
    assert (
        str(error)
        == error.public
        == error.sentence.render()
        == "The mask has another size than its image; give masks of the image's size."
    )
    assert error.local == "images/smith_anna.png is truncated"
    assert "smith" not in str(error) + repr(error)


def test_without_a_local_text_the_public_one_is_logged() -> None:
    assert SiteError("data.no_masks").local == say("data.no_masks").render()


def test_the_place_of_an_error_stays_here() -> None:
    error = CaseError("mask.size", "32 x 32").at("images/smith_anna.png")
    assert error.local == "images/smith_anna.png: 32 x 32" and "smith" not in str(error) + repr(
        error
    )


@pytest.mark.parametrize(
    "cls",
    [
        ConsiliumError,
        *(
            getattr(errors, name)
            for name in TREE
            if not issubclass(getattr(errors, name), SiteError)
        ),
    ],
)
def test_of_a_free_text_only_the_general_sentence_leaves(cls: type[ConsiliumError]) -> None:
    error = cls("Smith, Anna is unknown.")
    assert str(error) == "Smith, Anna is unknown." and error.sentence == error.vague == say(
        cls.general
    )
    assert (
        cls(say("sum.repeat")).sentence
        == cls("Smith", leaves=say("sum.repeat")).sentence
        == say("sum.repeat")
    )
    assert str(cls(say("sum.repeat"))) == say("sum.repeat").render()


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("model.channels is empty; give one.", "model.channels"),
        ("data.prepare[2].step is 'Smith'.", "data.prepare"),
        ("seed is 'Smith'; give a number.", "seed"),
        ("data.test_fraction + data.validation_fraction is 1 or more.", "data.test_fraction"),
    ],
)
def test_a_setting_that_is_wrong_is_named_without_its_value(text: str, setting: str) -> None:
    assert StudyError(text).sentence == say("study.setting", setting=setting)


@pytest.mark.parametrize(
    "text",
    [
        "Study file /data/Smith is not UTF-8 text.",
        "smith is not a section.",
        "The network took 3 x 3.",
        "",
    ],
)
def test_what_names_no_setting_is_a_study_that_is_invalid(text: str) -> None:
    assert StudyError(text).sentence == say("study.invalid")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("trainig", " (did you mean 'training'?)"),
        ("Training", " (did you mean 'training'?)"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_did_you_mean(name: str, hint: str) -> None:
    assert did_you_mean(name, iter(("training", "federation"))) == hint
