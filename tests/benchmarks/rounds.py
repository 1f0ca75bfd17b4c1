"""Rounds without training on the inline engine: time, and memory by number of hospitals."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator

from tests.benchmarks import null
from tests.benchmarks._result import Result, apart, peak_bytes

_FLARE, _FLOWER = (
    "NVFlare 2.9 simulator, published measurement",
    "Flower 1.41 Ray engine, published measurement",
)


def run() -> Iterator[Result]:
    """Each figure comes from a process of its own, so that peaks do not mix."""
    small = apart(__name__, 997_634, 4, 12)
    yield Result(
        "rounds/1M x 4 sites", small["seconds"], "s a round", 0.05, peer=_FLARE, peer_value=2.5
    )
    large = apart(__name__, 30_121_346, 4, 8)
    yield Result(
        "rounds/30M x 4 sites", large["seconds"], "s a round", 0.6, peer=_FLARE, peer_value=5.7
    )
    yield Result(
        "rounds/30M x 4 sites, peak",
        large["peak"] / (4 * 30_121_346),
        "x model",
        3.5,
        peer=_FLARE,
        peer_value=21.0,
    )
    many = apart(__name__, 1_620_000, 100, 6)
    yield Result(
        "rounds/1.6M x 100 sites",
        many["seconds"],
        "s a round",
        0.4,
        peer=_FLOWER,
        peer_value=6.1,
        limit=0.17,
    )
    few, thousand = apart(__name__, 1_620_000, 10, 4), apart(__name__, 1_620_000, 1000, 2)
    yield Result(
        "rounds/memory of 1000 sites against 10", thousand["total"] / few["total"], "x", 1.2
    )


def main() -> None:
    """Measure one case: ``weights sites rounds``."""
    weights, sites, number = map(int, sys.argv[1:])
    before = peak_bytes()
    seconds = [seconds for seconds, _ in null.timed(weights, sites, number)]
    values = {
        "seconds": statistics.median(seconds[1:]),
        "peak": peak_bytes() - before,
        "total": peak_bytes(),
    }
    sys.stdout.write(json.dumps(values) + "\n")


if __name__ == "__main__":
    main()
