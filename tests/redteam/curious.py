"""A server that keeps to the protocol and looks closely.

At the seeds of masks, at masked words, at everything that comes beside them.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen

from client import virtual_site
from client.policy.policy import OPEN
from client.site import Site
from client.worker import handler
from common.protocol.envelopes import Envelope
from common.secagg import derive, fixed_point, mask_streams, primitives
from common.secagg.encoding import tag_of
from common.secagg.messages import CANARIES, kinds
from common.simulation.run import simulate
from common.study import toml
from tests import small
from tests.common.secagg.world import World
from tests.redteam.attack import Attack, both, replaced
from tests.redteam.drive import Sum, exact
from tests.redteam.stage import PATIENTS, TABLE, VICTIM, Stage

WORDS = 10_000_000
"""Masked words that are looked at."""
_FOLD = 1 << 10
"""Seeds that are tried for each of two pairs.

The whole attack on the folded seeds of others tries 2^28.
"""


class Folded:
    """Flower's generator in the place of the keystream.

    It folds a seed to 32 bits (flwr 1.41, ``pseudo_rand_gen``).
    """

    def __init__(self, seed: bytes, offset: int = 0) -> None:
        self._seed = seed
        self._at = offset

    def into(self, out: Any) -> None:
        """The stream's next bytes."""
        view = memoryview(out).cast("B")
        count = -(-(self._at + len(view)) // 4)
        stream = (
            pseudo_rand_gen(self._seed, 1 << 32, [(count,)])[0].astype("<u4").tobytes()
            if count
            else b""
        )
        view[:] = stream[self._at : self._at + len(view)]
        self._at += len(view)


def _reduced(seed: bytes) -> bytes:
    """A seed whose 32-bit words fold to a small number.

    Nearly all of its 256 bits are as they were.
    """
    words = np.frombuffer(seed, "<u4").copy()
    words[-1] ^= np.bitwise_xor.reduce(words) & ~np.uint32(_FOLD - 1)
    return words.tobytes()


def _stream(seed: bytes, count: int) -> npt.NDArray[np.uint64]:
    words = np.zeros(count, np.uint64)
    vars(mask_streams)["Keystream"](seed).into(words)  # the hospitals' own, whichever it is
    return words


def guessed_seeds(stage: Stage) -> bool:
    """Meet in the middle over the folded seeds of the victim's two pairs.

    The canaries are known, its own mask is off after the opening.
    """
    honest = derive.pair_seed
    with mock.patch.object(
        derive, "pair_seed", lambda *args, **named: _reduced(honest(*args, **named))
    ):
        three = (VICTIM, "birch", "cedar")
        held = Sum(stage, cohort=three).keys().deal().tally()
        held.open(three)
    words = held._words(VICTIM) - _stream(held.own(VICTIM), held._words(VICTIM).size)
    rest = words[:CANARIES] - np.uint64(1)  # the victim's name comes first: it adds both masks
    streams = {
        value: _stream(bytes(28) + value.to_bytes(4, "little"), words.size)
        for value in range(_FOLD)
    }
    table = {stream[:CANARIES].tobytes(): stream for stream in streams.values()}
    for stream in streams.values():
        other = table.get((rest - stream[:CANARIES]).tobytes())
        if other is not None:
            lane_words = (words - stream - other)[CANARIES:]
            return exact(
                {
                    lane: fixed_point.decode_lane(int(w), True)
                    for lane, w in zip(held.specs[VICTIM].lanes, lane_words, strict=True)
                }
            )
    return False


def _masked(values_of: int, number: int) -> npt.NDArray[np.uint32]:
    """The first of four hospitals' masked vector; the same values under another sum's masks."""
    world = World(4, size=WORDS, number=number)
    world.values = World(4, size=WORDS, number=values_of).values
    moment = world.run("vectors")
    return np.asarray(world.views(moment.vectors[world.names[0]])[0])


def uneven_words(stage: Stage) -> bool:
    """Whether the bytes of masked words are other than evenly spread.

    Chi-square over each of the four places of a word, beyond 6 sigma.
    """
    octets = _masked(1, 1).view(np.uint8).reshape(-1, 4)
    for place in range(4):
        counts = np.bincount(octets[:, place], minlength=256)
        chi = float(((counts - WORDS / 256) ** 2).sum() / (WORDS / 256))
        if abs(chi - 255) > 6 * math.sqrt(2 * 255):
            return True
    return False


def alike_rounds(stage: Stage) -> bool:
    """Whether a hospital's same change under the masks of two sums is alike.

    Correlation beyond 6 sigma.
    """
    first, second = (_masked(1, number).view(np.int32).astype(np.float32) for number in (1, 2))
    return abs(float(np.corrcoef(first, second)[0, 1])) > 6 / math.sqrt(WORDS)


def _unmasked(self: mask_streams.Pad, words: Any) -> None:
    """No mask."""


def _federation(folder: Path, patients: int) -> tuple[list[Any], Path]:
    """A whole simulated run with hospitals that share nothing.

    What the victim said, masked words and keys by their length only.
    """
    answers: list[Any] = []
    honest = handler.answer

    def heard(site: Site, question: Envelope) -> Envelope:
        envelope = honest(site, question)
        if site.name == VICTIM:
            answers.append(_seen(envelope))
        return envelope

    for seed, (name, count) in enumerate(itertools.islice(PATIENTS.items(), 3)):
        small.hospital(folder / "sites" / name, patients if name == VICTIM else count, seed=seed)
        (folder / "sites" / name / "policy.toml").write_text("")
    table = {
        **TABLE,
        "federation": {"rounds": 2, "min_sites": 3, "weight": "patients"},
        "evaluation": {"every": 1, "bootstrap": 20},
    }
    (folder / "study.toml").write_text(toml.dumps(table))
    with mock.patch.object(handler, "answer", heard):
        simulate(folder / "study.toml", folder / "sites", folder / "run", device="cpu", quiet=True)
    return answers, folder / "run"


def _seen(envelope: Envelope) -> Any:
    header = json.loads(envelope.text)
    if header["values"].get(
        "head"
    ):  # of its record: a salted hash, a time and a signature differ in any two runs
        header["values"]["head"] = {
            key: header["values"]["head"][key] for key in ("site", "consortium", "round", "size")
        }
    blobs = [base64.b64decode(text) for text in header.pop("secure")]
    return (
        header,
        [(tag_of(blob), len(blob), *kinds([blob])) for blob in blobs],
        0 if envelope.vector is None else envelope.vector.nbytes,
    )


def told_beside(stage: Stage) -> bool:
    """Two federations that differ in the victim's images and patients.

    Anything that it says otherwise, or a number of one hospital on disk.
    """
    one, run = _federation(stage.folder / "a", PATIENTS[VICTIM])
    two, _ = _federation(stage.folder / "b", 3 * PATIENTS[VICTIM])
    return one != two or bool(list(_numbers_of_one(run)))


def _numbers_of_one(run: Path) -> Any:
    """Numbers under a hospital's name in the run's files, but for those of its traffic."""
    tables = [json.loads((run / "report.json").read_text("utf-8"))]
    tables += [json.loads(line) for line in (run / "rounds.jsonl").read_text("utf-8").splitlines()]
    for table in tables:
        yield from _numbers(table, ())


def _numbers(value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, (*path, str(key)))
    elif (
        isinstance(value, int | float) and not isinstance(value, bool) and set(path) & set(PATIENTS)
    ):
        yield path


_FLOWER = both(
    replaced(mask_streams, "Keystream", Folded), replaced(primitives, "Keystream", Folded)
)
_BARE = replaced(mask_streams.Pad, "_block", _unmasked)
_SHARED = replaced(virtual_site, "_rules", lambda own: OPEN)
_SERVER: dict[str, Any] = {"adversary": "curious server", "speaks": False}

ATTACKS = (
    Attack(
        "seeds of masks guessed: meet in the middle over folded seeds",
        guessed_seeds,
        _FLOWER,
        **_SERVER,
    ),
    Attack("masked words that are not uniform", uneven_words, _BARE, **_SERVER),
    Attack("the same change under two masks is alike", alike_rounds, _BARE, **_SERVER),
    Attack("counts and scores beside the sums of a whole run", told_beside, _SHARED, **_SERVER),
)
