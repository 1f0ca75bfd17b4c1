"""What left this hospital today, so that the policy's limits of a day hold across studies, runs and restarts.

Numbers that cannot be read count as spent: nothing leaves until somebody has looked.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from client.policy.policy import Policy
from client.site import private
from common.errors import PolicyError
from common.storage import files

NAME = "budget.json"


@dataclass(frozen=True)
class Spent:
    """One day: bytes that left, and training rounds answered."""

    day: str
    bytes: int = 0
    rounds: int = 0


def today(state: Path, day: date) -> Spent:
    """What was spent on a day so far.

    Raises:
        PolicyError: the file is damaged.
    """
    try:
        content = (state / NAME).read_bytes()
    except FileNotFoundError:
        return Spent(day.isoformat())
    except OSError as error:
        raise _damaged(error) from None
    return _parsed(content, day)


def spend(state: Path, policy: Policy, day: date, size: int, rounds: int) -> Spent:
    """Take bytes and rounds from the day's budget, or nothing where they do not fit; on disk when this returns.

    Raises:
        PolicyError: the budget is spent, or the file is damaged.
    """
    with files.alone(private(state) / NAME) as handle:
        before = _parsed(os.pread(handle, 1 << 16, 0), day)
        after = Spent(before.day, before.bytes + size, before.rounds + rounds)
        _check(after, policy)
        content = json.dumps(vars(after)).encode()
        os.pwrite(handle, content.ljust(_ROOM), 0)
        os.fsync(handle)
        return after


def check(state: Path, policy: Policy, day: date, rounds: int) -> None:
    """Whether the day has room for so many more rounds, before they are worked on.

    Raises:
        PolicyError: it has not.
    """
    spent = today(state, day)
    _check(Spent(spent.day, spent.bytes, spent.rounds + rounds), policy)


_ROOM = 128
"""Bytes of the file: it is written over in place, in one step of the disk."""


def _parsed(content: bytes, day: date) -> Spent:
    if not content:
        return Spent(day.isoformat())
    try:
        found = json.loads(content)
        spent = Spent(str(found["day"]), found["bytes"], found["rounds"])
        date.fromisoformat(spent.day)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(error) from None
    if not all(type(n) is int and n >= 0 for n in vars(spent).values() if n is not spent.day):
        raise _damaged(content)
    return (
        spent if spent.day >= day.isoformat() else Spent(day.isoformat())
    )  # a clock that was set back begins no new day


def _check(spent: Spent, policy: Policy) -> None:
    if spent.rounds > policy.rounds_per_day:
        raise PolicyError("policy.rounds_a_day", allowed=policy.rounds_per_day)
    if spent.bytes > policy.megabytes_per_day * 1e6:
        raise PolicyError("policy.megabytes_a_day", allowed=policy.megabytes_per_day)


def _damaged(error: object) -> PolicyError:
    return PolicyError("policy.budget_unreadable", f"worker/state/{NAME}: {error!r}")
