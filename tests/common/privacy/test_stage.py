"""What stages hand to each other: lengths that fit, and masks that are never shown."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from common.errors import SecureSumError
from common.privacy.stage import ChangeStage, Opened, Part, Sending, SumStage, Total
from common.secagg.mask_streams import Pad
from common.secagg.messages import SumSpec

SPEC = SumSpec("train", 1, "", bytes(32), "x", 9, 32, 24, 32.0, (), 600)
SEED = b"\x07" * 32
WORDS = np.random.default_rng(6).integers(0, 2**32, 9, np.uint32)


def whole(size: int, work: Callable[[int, int], Any]) -> Any:
    return work(0, size)


def last_part_first(size: int, work: Callable[[int, int], Any]) -> Any:
    edges = [size * i // 3 for i in range(4)]
    return [work(start, end) for start, end in reversed(list(itertools.pairwise(edges)))]


@pytest.mark.parametrize("kind", [np.uint32, np.uint64])
def test_values_do_not_depend_on_how_a_vector_is_divided(kind: type[np.unsignedinteger]) -> None:
    words = WORDS.astype(kind)
    at_once, divided = (
        Total(words.copy(), 2.0**-24).decoded(each) for each in (whole, last_part_first)
    )
    assert at_once.dtype == np.float32 and at_once.tobytes() == divided.tobytes()
    signed = words.astype(np.int32 if kind is np.uint32 else np.int64)
    assert np.allclose(at_once, signed * 2.0**-24, rtol=1e-7)


def test_words_of_32_bits_become_values_in_their_own_memory() -> None:
    """A model of a gigabyte would otherwise be there twice."""
    words = WORDS.copy()
    assert np.shares_memory(Total(words).decoded(whole), words)
    wide = WORDS.astype(np.uint64)
    assert not np.shares_memory(Total(wide).decoded(whole), wide)
    assert np.array_equal(wide, WORDS)


@pytest.mark.parametrize(
    ("values", "out"),
    [
        (np.ones(4, np.float32), np.zeros(5, np.uint32)),
        (np.ones(4, np.float32), np.zeros((2, 2), np.uint32)),
        (np.ones(4, np.float32), np.zeros(4, np.int32)),
        (np.ones(4, np.float64), np.zeros(4, np.uint32)),
        (np.ones((2, 2), np.float32), np.zeros((2, 2), np.uint32)),
    ],
)
def test_a_part_that_does_not_fit_its_words_is_never_made(
    values: np.ndarray, out: np.ndarray
) -> None:
    with pytest.raises(SecureSumError):
        Part(values, out)


def test_two_parts_do_not_share_what_is_made_of_them() -> None:
    one, other = (Part(np.ones(4, np.float32), np.zeros(4, np.uint32)) for _ in range(2))
    assert one.blocks is not other.blocks and list(one.blocks) == []


def test_no_mask_is_shown() -> None:
    sending = Sending(SPEC, 0.5, Pad([(SEED, 1)]))
    opened = Opened(SPEC, 600, [(SEED, -1)], whole)
    for text in (repr(sending), repr(opened)):
        assert repr(SEED)[2:-1] not in text and "pad" not in text


@pytest.mark.parametrize("kind", [ChangeStage, SumStage])
def test_a_stage_that_cannot_be_undone_is_no_stage(kind: type) -> None:
    half = type("Half", (kind,), {"forward": lambda *_: None})
    with pytest.raises(TypeError, match="reverse"):
        half()
