"""The error tree: exit codes, and what of a hospital's error may leave."""

from __future__ import annotations

import inspect

import pytest

from common import errors
from common.errors import CaseError, ConsiliumError, SiteError, did_you_mean

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
    found = {
        name
        for name, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, Exception)
    }
    assert found == {*TREE, "ConsiliumError"}
    assert ConsiliumError.exit_code == 1
    drawn = errors.__doc__ or ""
    assert all(name in drawn for name in found)


@pytest.mark.parametrize("cls", [SiteError, CaseError])
def test_the_local_text_is_not_part_of_what_leaves(cls: type[SiteError]) -> None:
    error = cls("1 image of 20 cannot be read", "images/smith_anna.png is truncated")
    assert str(error) == error.public == "1 image of 20 cannot be read"
    assert error.local == "images/smith_anna.png is truncated"
    assert "smith" not in str(error) + repr(error)


def test_without_a_local_text_the_public_one_is_logged() -> None:
    assert SiteError("no images").local == "no images"


@pytest.mark.parametrize(
    ("found", "hint"),
    [
        ("trainig", " (did you mean 'training'?)"),
        ("Training", " (did you mean 'training'?)"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_did_you_mean(found: str, hint: str) -> None:
    assert did_you_mean(found, iter(("training", "federation"))) == hint
