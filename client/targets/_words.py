"""A hospital's own words beside the study's: one check result for all that are strange."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from client.dataset.label_names import FILE
from common import checks
from common.checks import CheckResult
from common.errors import did_you_mean

_SHOWN = 6


def strange(values: Counter[str], where: str, allowed: Sequence[str]) -> CheckResult:
    """Whether there are values that the study does not know, and which they are."""
    names = ", ".join(allowed)
    if not values:
        return checks.ok("names", f"every value of {where} is one of the study's: {names}")
    shown = [value for value, _ in values.most_common(_SHOWN)]
    listed = ", ".join(f"{value!r}{did_you_mean(value, allowed)}" for value in shown)
    entry = f'list them in {FILE}, [labels] value = "{allowed[0]}"'
    advice = f'{entry}, or "" for those that are not used'
    sentence = f"{len(values)} values are none of the study's ({names}): {listed}"
    return checks.wrong("names", sentence, advice)
