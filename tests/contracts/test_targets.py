"""Every kind of target keeps its package's promise and has a reader on the hospital's side."""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
import torch
from torch import Tensor

from client.targets import TargetSource, source
from common.errors import StudyError
from common.sample import Batch, Sample, stack
from common.sentences.table import TABLE
from common.study import config, plugins
from common.targets import Geometry, Target
from common.transforms._resampled import Regridding
from common.transforms._window import Window
from common.transforms.affine import Affine
from common.transforms.affine import Options as AffineOptions
from common.transforms.elastic import Elastic
from common.transforms.flip import Mirror
from common.transforms.rotate90 import Turn

KINDS = plugins.names("common.targets")
SIZES = [(12, 12), (12, 12, 6)]
every = pytest.mark.parametrize("name", KINDS)
sized = pytest.mark.parametrize("size", SIZES, ids=["2-D", "3-D"])


def kind(name: str) -> type[Target]:
    loaded: type[Target] = plugins.load("common.targets", name, "TARGET")
    return loaded


def example(name: str, size: tuple[int, ...], shift: int = 0) -> Target:
    return kind(name).example(size, [2 + shift] * len(size), [4 + shift] * len(size))


def three(name: str, size: tuple[int, ...]) -> Target:
    return kind(name).join([example(name, size, shift) for shift in range(3)])


def tensors(target: Target) -> list[Tensor]:
    """Every tensor, in order."""
    seen: list[Tensor] = []
    target.each(lambda value: seen.append(value) or value)  # type: ignore[func-returns-value]
    return seen


def same(one: Target, other: Target) -> bool:
    pairs = list(zip(tensors(one), tensors(other), strict=True))
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


def still(size: tuple[int, ...], count: int) -> dict[str, Geometry]:
    """Moves by nothing."""
    d = len(size)
    options = config.load(AffineOptions, {}, "affine")
    return {
        "mirror": Mirror(size, 0, torch.zeros(count, dtype=torch.bool)),
        "turn": Turn(size, torch.zeros(count, dtype=torch.int64)),
        "window": Window(size, [0] * d, size, 0.0, 0.0),
        "grid": Regridding(size, size, [1.0] * d),
        "affine": Affine(options, torch.eye(d).repeat(count, 1, 1), torch.zeros(count, d), size),
    }


def test_there_are_kinds() -> None:
    assert {"label", "mask", "boxes"} <= set(KINDS)


@every
def test_it_is_a_target_named_as_its_file_and_says_what_it_is(name: str) -> None:
    assert issubclass(kind(name), Target)
    assert kind(name).name == name
    assert name.isidentifier() and name == name.lower()
    text = inspect.getdoc(importlib.import_module(f"common.targets.{name}")) or ""
    assert len(text.split("\n")[0]) > 20
    assert inspect.getdoc(kind(name)) != inspect.getdoc(Target)
    assert fields(kind(name))


@every
@sized
def test_an_example_is_one_image_and_holders_find_it_by_kind(
    name: str, size: tuple[int, ...]
) -> None:
    target = example(name, size)
    assert len(target) == 1 and target.nbytes > 0
    sample = Sample(torch.zeros(1, *size), (1.0,) * len(size), targets={name: target})
    assert kind(name).of(sample) is target
    assert kind(name).of(Batch(torch.zeros(1, 1, *size))) is None
    others = [other for other in KINDS if other != name]
    assert all(kind(other).of(sample) is None for other in others)


@every
@sized
def test_what_is_joined_comes_apart_again(name: str, size: tuple[int, ...]) -> None:
    joined = three(name, size)
    assert len(joined) == 3
    for i in range(3):
        assert same(joined.part(i, i + 1), example(name, size, i))
    order = [2, 0, 0]
    chosen = joined.select(torch.tensor(order), order)
    assert same(chosen, kind(name).join([joined.part(i, i + 1) for i in order]))
    assert same(kind(name).join([joined.part(0, 1), joined.part(1, 3)]), joined)
    assert joined.nbytes == sum(example(name, size, i).nbytes for i in range(3))


@every
@sized
def test_parts_are_views(name: str, size: tuple[int, ...]) -> None:
    """The resident batch of all training images and the single images share their memory."""
    joined = three(name, size)
    whole = {t.untyped_storage().data_ptr() for t in tensors(joined)}
    assert {t.untyped_storage().data_ptr() for t in tensors(joined.part(1, 2))} <= whole


@every
@sized
def test_it_moves_to_a_device_and_stays_what_it_is(name: str, size: tuple[int, ...]) -> None:
    joined = three(name, size)
    assert same(joined.to(torch.device("cpu"), torch.channels_last), joined)
    away = joined.to(torch.device("meta"))
    assert all(t.device.type == "meta" for t in tensors(away))
    assert [(t.shape, t.dtype) for t in tensors(away)] == [
        (t.shape, t.dtype) for t in tensors(joined)
    ]


@every
@sized
@pytest.mark.parametrize("move", ["mirror", "turn", "window", "grid", "affine"])
def test_a_move_by_nothing_changes_nothing(name: str, size: tuple[int, ...], move: str) -> None:
    joined = three(name, size)
    moved = joined.follow(still(size, 3)[move])
    assert type(moved) is kind(name)
    for before, after in zip(tensors(joined), tensors(moved), strict=True):
        torch.testing.assert_close(after, before)


@every
@sized
@pytest.mark.parametrize(
    "move",
    [
        lambda size, rows: Mirror(size, 1, torch.tensor([True, False, True])[rows]),
        lambda size, rows: Turn(size, torch.tensor([1, 2, 3])[rows]),
        lambda size, rows: Window(size, [1] * len(size), [5] * len(size), 0.0, 0.3),
        lambda size, rows: Regridding(size, [2 * n for n in size], [0.5] * len(size)),
    ],
    ids=["mirror", "turn", "window", "grid"],
)
def test_each_image_moves_as_if_it_were_alone(
    name: str, size: tuple[int, ...], move: Callable[..., Geometry]
) -> None:
    joined = three(name, size)
    together = joined.follow(move(size, slice(0, 3)))
    assert len(together) == 3
    for i in range(3):
        rows = slice(i, i + 1)
        assert same(together.part(i, i + 1), joined.part(i, i + 1).follow(move(size, rows)))


@every
@sized
def test_it_follows_a_deformation_or_refuses_it(name: str, size: tuple[int, ...]) -> None:
    ends = [torch.linspace(-1, 1, n) for n in size]
    grid = torch.stack(torch.meshgrid(*ends, indexing="ij"))[None]
    with contextlib.suppress(StudyError):
        assert len(example(name, size).follow(Elastic(grid, "border"))) == 1


@every
@sized
def test_a_place_that_it_marks_lies_in_the_structure(name: str, size: tuple[int, ...]) -> None:
    target = example(name, size)
    assert target.amount() >= 0
    place = target.place(torch.Generator().manual_seed(1))
    assert place is None or (len(place) == len(size) and all(2 <= p < 4 for p in place))


@every
def test_samples_with_it_are_stacked_cut_and_chosen(name: str) -> None:
    samples = [
        Sample(
            torch.full((1, 12, 12), float(i)),
            (1.0, 1.0),
            targets={name: example(name, (12, 12), i)},
        )
        for i in range(3)
    ]
    batch = stack(samples)
    assert same(batch.targets[name], three(name, (12, 12)))
    assert same(batch.part(1, 3).targets[name], three(name, (12, 12)).part(1, 3))
    chosen = batch.select(torch.tensor([2, 1]))
    assert chosen.images[:, 0, 0, 0].tolist() == [2.0, 1.0]
    assert same(chosen.targets[name].part(0, 1), samples[2].targets[name])


def test_hospitals_have_a_reader_for_every_kind_and_no_other() -> None:
    assert plugins.names("client.targets") == KINDS


@every
def test_a_reader_says_what_it_lacks_in_a_sentence_for_everybody(name: str) -> None:
    reader: Any = source(name)
    assert issubclass(reader, TargetSource)
    assert reader.absent.code in TABLE and not reader.absent.arguments
