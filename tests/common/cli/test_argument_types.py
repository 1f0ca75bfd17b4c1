"""Each converter of an argument: what it takes, what it refuses, and in which words."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.cli import argument_types as types

Converter = Callable[[str], Any]


@pytest.mark.parametrize(
    ("converter", "text", "value"),
    [
        (types.study_name, "lungs-2.x_y", "lungs-2.x_y"),
        (types.path, "no/such", Path("no/such")),
        (types.whole(0, 3), "0", 0),
        (types.whole(0, 3), "3", 3),
        (types.whole(-2), "-2", -2),
        (types.words, " age, stage,,age ", ("age", "stage")),
        (types.words, "", ()),
        (types.comparisons, "pooled,local,pooled", ("pooled", "local")),
    ],
)
def test_what_is_taken(converter: Converter, text: str, value: object) -> None:
    assert converter(text) == value


@pytest.mark.parametrize(
    ("converter", "text", "words"),
    [
        (types.study_name, "a/b", "is not a name"),
        (types.path, "  ", "is not a path"),
        (types.folder, "", "is not a folder; give one that exists"),
        (types.folder, "x" * 300, "cannot be opened"),
        (types.whole(1), "0", "give a whole number, 1 or more"),
        (types.whole(0, 3), "4", "give a whole number, 0 to 3"),
        (types.whole(0, 3), "1_0", "is not allowed"),
        (types.whole(0, 3), " 1", "is not allowed"),
        (types.comparisons, "poled", "did you mean 'pooled'"),
        (types.comparisons, ",", "names no comparison"),
    ],
)
def test_what_is_refused(converter: Converter, text: str, words: str) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        converter(text)
    assert words in str(caught.value)


def test_a_run_is_not_its_model(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert types.model_folder(str(tmp_path)) == tmp_path  # the command says what it lacks
    (tmp_path / "model" / "model.json").touch()
    with pytest.raises(ArgumentTypeError, match="did you mean"):
        types.model_folder(str(tmp_path))
    assert types.model_folder(str(tmp_path / "model")) == tmp_path / "model"
