"""What is typed to make folders for studies out of exports."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from common.cli.arguments import build
from common.errors import ArgumentError


def typed(words: str) -> Namespace:
    return build().parse_args(["site", *words.split()])


def test_ingest_keeps_no_column_unless_named() -> None:
    arguments = typed("ingest export --out north")
    assert (arguments.folder, arguments.out) == (Path("export"), Path("north"))
    assert (arguments.key, arguments.keep, arguments.cleared) == (None, (), None)
    assert typed("ingest export --out north --keep age,stage,age").keep == ("age", "stage")


@pytest.mark.parametrize("words", ["ingest export", "twin north", "deidentify export"])
def test_nothing_is_written_without_a_place(words: str) -> None:
    with pytest.raises(ArgumentError, match="--out"):
        typed(words)


def test_a_pseudonym_needs_the_key() -> None:
    assert typed("pseudonym 4711 --key k").issuer == ""
    with pytest.raises(ArgumentError, match="--key"):
        typed("pseudonym 4711")


def test_a_twin_has_a_seed() -> None:
    assert typed("twin north --out t").seed == 1
    with pytest.raises(ArgumentError, match="0 to 9223372036854775807"):
        typed("twin north --out t --seed=-1")
