"""What left this hospital today: the policy's limits of a day, over studies, runs and restarts.

Numbers that cannot be read count as spent: nothing leaves until somebody has looked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from client.policy.policy import Policy
from common.errors import PolicyError
from common.storage import files, locked_json

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
        entry = locked_json.read(state / NAME)
    except FileNotFoundError:
        return Spent(day.isoformat())
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(error) from None
    return _parsed(entry, day)


def spend(state: Path, policy: Policy, day: date, size: int, rounds: int) -> Spent:
    """Take bytes and rounds from the day's budget, or nothing where they do not fit.

    It is on disk when this returns.

    Raises:
        PolicyError: the budget is spent, or the file is damaged.
    """
    with locked_json.held(files.private(state) / NAME) as file:
        before = today(state, day)
        after = Spent(before.day, before.bytes + size, before.rounds + rounds)
        _check(after, policy)
        file.write(vars(after))
        return after


def check(state: Path, policy: Policy, day: date, rounds: int) -> None:
    """Whether the day has room for so many more rounds, before they are worked on.

    Raises:
        PolicyError: it has not.
    """
    spent = today(state, day)
    _check(Spent(spent.day, spent.bytes, spent.rounds + rounds), policy)


def _parsed(entry: Any, day: date) -> Spent:
    try:
        spent = Spent(str(entry["day"]), entry["bytes"], entry["rounds"])
        date.fromisoformat(spent.day)
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(error) from None
    if not all(type(n) is int and n >= 0 for n in vars(spent).values() if n is not spent.day):
        raise _damaged(entry)
    # A clock that was set back begins no new day.
    return spent if spent.day >= day.isoformat() else Spent(day.isoformat())


def _check(spent: Spent, policy: Policy) -> None:
    if spent.rounds > policy.rounds_per_day:
        raise PolicyError("policy.rounds_a_day", allowed=policy.rounds_per_day)
    if spent.bytes > policy.megabytes_per_day * 1e6:
        raise PolicyError("policy.megabytes_a_day", allowed=policy.megabytes_per_day)


def _damaged(error: object) -> PolicyError:
    return PolicyError("policy.budget_unreadable", f"worker/state/{NAME}: {error!r}")
