"""One hospital's part of a secure sum over ten: encode and mask 30 million weights.

Beside the keystreams alone and beside Flower's SecAgg+.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from flwr.client.mod.secure_aggregation.secaggplus_mod import (
    SecAggPlusState,
    _collect_masked_vectors,
    _setup,
    _share_keys,
)
from flwr.common import ConfigRecord, bytes_to_ndarray, ndarrays_to_parameters
from flwr.common.secure_aggregation.crypto.symmetric_encryption import encrypt
from flwr.common.secure_aggregation.ndarrays_arithmetic import factor_extract, parameters_mod
from flwr.common.secure_aggregation.quantization import dequantize
from flwr.common.secure_aggregation.secaggplus_constants import Key
from flwr.common.secure_aggregation.secaggplus_utils import (
    pseudo_rand_gen,
    share_keys_plaintext_concat,
)

from common.privacy import pipeline
from common.privacy.stage import Sending
from common.protocol import sum_specs
from common.secagg import fixed_point, mask_streams
from common.secagg.messages import CANARIES, SumSpec
from common.secagg.primitives import Keystream
from common.update import Vector
from tests.benchmarks._result import Result, best

_SIZE, _SITES, _LIMIT = 30_000_000, 10, 32.0
_LESS = 10
"""Flower masks a vector this much shorter; its seconds are multiplied by it."""
_TAIL = CANARIES + len(sum_specs.lanes("train"))
_PATIENTS = (1, 12, 60, 150, 333, 700, 1200, 2100, 3500, 5000)
_CLIP, _TARGET, _MODULUS = 8.0, 1 << 22, 1 << 32
"""Flower's defaults: clipping, quantization and modulus range."""


def run() -> Iterator[Result]:
    """Ours, the limit and Flower's in turn in one process, on one core.

    The masked sums of both are opened and compared with float64.
    """
    logging.getLogger("flwr").setLevel(logging.ERROR)
    values = np.random.default_rng(0).standard_normal(_SIZE, dtype=np.float32) * np.float32(0.05)
    seeds = [(os.urandom(32), 1 if i % 2 else -1) for i in range(_SITES)]
    ours, limit = _ours(values, seeds), best(4, lambda: _keystreams(seeds), time.perf_counter)
    flower, width = _flower(values[: _SIZE // _LESS])
    slower = f"Flower 1.41 SecAgg+ client, {_SIZE // _LESS / 1e6:g}M values, seconds x {_LESS}"
    yield Result(
        "secagg/encode and mask 30M, 10 sites",
        ours,
        "s",
        1.0,
        peer=slower,
        peer_value=flower * _LESS,
        limit=limit,
    )
    yield Result(
        "secagg/encode and mask against keystreams and additions alone", ours / limit, "x", 1.5
    )
    peer = "Flower 1.41 SecAgg+ masked arrays"
    yield Result(
        "secagg/bytes on the wire against float32",
        _bytes() / values.nbytes,
        "x",
        1.02,
        peer=peer,
        peer_value=width / 4,
    )
    exact, changes = _changes()
    theirs_off = _off(_flowers_mean(changes), exact)
    for ring, goal in ((32, 2.5e-7), (64, 3e-8)):
        name = f"secagg/largest error of a mean, {ring}-bit words, sites of 1 to 5000"
        yield Result(
            name,
            _off(_mean(changes, ring), exact),
            "1",
            goal,
            peer="Flower 1.41 SecAgg+, max_weight 5000",
            peer_value=theirs_off,
        )
    yield Result(
        "secagg/server takes off 10 masks of 30M, 1 core", _unmask(seeds), "s", 1.0, limit=limit
    )


def _spec(size: int, ring: int) -> SumSpec:
    """What a sum of so many values over the sites is about."""
    return SumSpec(
        kind="train",
        round=1,
        part="",
        model=bytes(32),
        layout="x",
        size=size,
        ring_bits=ring,
        fraction_bits=fixed_point.fraction_bits(_LIMIT, _SITES, ring),
        limit=_LIMIT,
        lanes=(),
        total=sum(_PATIENTS),
    )


def _ours(values: Vector, seeds: Sequence[tuple[bytes, int]]) -> float:
    out, tail = np.zeros(_SIZE, np.uint32), np.zeros(_TAIL, np.uint64)

    def work() -> None:
        pad = mask_streams.Pad(seeds)
        pipeline.seal(values, Sending(_spec(values.size, 32), 0.1, pad), out)
        pad.add(tail)

    return best(4, work, time.perf_counter)


def _keystreams(seeds: Sequence[tuple[bytes, int]]) -> None:
    """What masking costs at least.

    Every keystream's bytes in blocks of the same size, each added to one block.
    """
    streams, raw, total = (
        [Keystream(seed) for seed, _ in seeds],
        np.zeros(mask_streams.BLOCK, np.uint8),
        np.zeros(mask_streams.BLOCK // 4, np.uint32),
    )
    words = raw.view(np.uint32)
    for _ in range(4 * _SIZE // mask_streams.BLOCK):
        for stream in streams:
            stream.into(raw)
            np.add(total, words, out=total)


def _bytes() -> int:
    return 4 * _SIZE + 8 * _TAIL


def _unmask(seeds: Sequence[tuple[bytes, int]]) -> float:
    total = np.zeros(_SIZE, np.uint32)
    return best(
        3, lambda: mask_streams.Pad([(seed, -1) for seed, _ in seeds]).add(total), time.perf_counter
    )


def _changes() -> tuple[npt.NDArray[np.float64], list[Vector]]:
    """The exact weighted mean, and what it is of."""
    generator = np.random.default_rng(1)
    changes = [generator.normal(0, 0.05, 200_000).astype(np.float32) for _ in _PATIENTS]
    weighted = sum(w * c.astype(np.float64) for w, c in zip(_PATIENTS, changes, strict=True))
    return np.asarray(weighted) / sum(_PATIENTS), changes


def _off(mean: npt.NDArray[Any], exact: npt.NDArray[np.float64]) -> float:
    return float(np.abs(mean - exact).max())


def _mean(changes: list[Vector], ring: int) -> Vector:
    """A whole sum under masks: every pair's cancel, every site's own is taken off."""
    kind: Any = np.uint32 if ring == 32 else np.uint64
    bits = fixed_point.fraction_bits(_LIMIT, _SITES, ring)
    own = [os.urandom(32) for _ in changes]
    pair = {(a, b): os.urandom(32) for a in range(_SITES) for b in range(a + 1, _SITES)}
    total, sent = np.zeros(changes[0].size, kind), np.empty(changes[0].size, kind)
    for site, change in enumerate(changes):
        seeds = [
            (own[site], 1),
            *((seed, 1 if site == both[0] else -1) for both, seed in pair.items() if site in both),
        ]
        share = _PATIENTS[site] / sum(_PATIENTS)
        pipeline.seal(
            change, Sending(_spec(change.size, ring), share, mask_streams.Pad(seeds)), sent
        )
        np.add(total, sent, out=total)
    mask_streams.Pad([(seed, -1) for seed in own]).add(total)
    mean = np.empty(total.size, np.float32)
    fixed_point.decode(total, 2.0**-bits, mean)
    return mean


def _agreed() -> list[SecAggPlusState]:
    """Ten of Flower's clients that have exchanged keys, every one a neighbour of every other."""
    states, keys = [SecAggPlusState(nid=site + 1) for site in range(_SITES)], ConfigRecord()
    settings = ConfigRecord(
        {
            Key.SAMPLE_NUMBER: _SITES,
            Key.SHARE_NUMBER: _SITES,
            Key.THRESHOLD: 7,
            Key.CLIPPING_RANGE: _CLIP,
        }
    )
    settings.update(
        {Key.TARGET_RANGE: _TARGET, Key.MOD_RANGE: _MODULUS, Key.MAX_WEIGHT: float(max(_PATIENTS))}
    )
    for state in states:
        results = _setup(state, settings)
        keys[str(state.nid)] = cast(Any, [results[Key.PUBLIC_KEY_1], results[Key.PUBLIC_KEY_2]])
    for state in states:
        _share_keys(state, keys)
    return states


def _sealed(state: SecAggPlusState, states: list[SecAggPlusState]) -> ConfigRecord:
    """What one of Flower's clients gets from the others; the shares in it are not needed here."""
    others = [other for other in states if other is not state]
    shares = [
        encrypt(
            o.ss2_dict[state.nid], share_keys_plaintext_concat(o.nid, state.nid, b"share", b"share")
        )
        for o in others
    ]
    return ConfigRecord(
        {Key.SOURCE_LIST: [other.nid for other in others], Key.CIPHERTEXT_LIST: shares}
    )


def _uploaded(results: dict[str, Any]) -> list[npt.NDArray[Any]]:
    return [bytes_to_ndarray(part) for part in results[Key.MASKED_PARAMETERS]]


def _flower(change: Vector) -> tuple[float, float]:
    """Seconds of one of Flower's clients for masking a vector, and bytes for each of its values.

    Arrays written as bytes are included.
    """
    states, parameters = _agreed(), ndarrays_to_parameters([change])
    sealed = _sealed(states[0], states)
    sent = _uploaded(_collect_masked_vectors(states[0], sealed, 100, parameters))
    seconds = best(
        4, lambda: _collect_masked_vectors(states[0], sealed, 100, parameters), time.perf_counter
    )
    return seconds, sent[1].nbytes / change.size


def _flowers_mean(changes: list[Vector]) -> npt.NDArray[np.float64]:
    """The same sum by Flower's client functions, opened as its workflow does."""
    states = _agreed()
    sent = [
        _uploaded(
            _collect_masked_vectors(
                state, _sealed(state, states), weight, ndarrays_to_parameters([change])
            )
        )
        for state, weight, change in zip(states, _PATIENTS, changes, strict=True)
    ]
    total = [np.sum([part[i] for part in sent], axis=0) for i in range(2)]
    for state in states:
        own = pseudo_rand_gen(state.rd_seed, _MODULUS, [part.shape for part in total])
        total = [part - mask for part, mask in zip(total, own, strict=True)]
    ratio, quantized = factor_extract(parameters_mod(total, _MODULUS))
    [mean] = dequantize(quantized, _CLIP, _TARGET)
    return np.asarray((mean - (_SITES - 1) * _CLIP) * (_TARGET / ratio))
