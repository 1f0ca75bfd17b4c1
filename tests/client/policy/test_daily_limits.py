"""What may leave in a day.

Across studies, processes and restarts, anew at midnight, and nothing where the record is not clear.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from client.policy import daily_limits
from client.policy.daily_limits import Spent
from client.policy.policy import Policy
from common.errors import PolicyError
from tests.patience import patient

TODAY = date(2026, 2, 28)
TOMORROW = date(2026, 3, 1)
OWN = Policy(rounds_per_day=5, megabytes_per_day=0.001)


def test_a_day_s_budget_is_spent_to_its_last_byte_and_round(tmp_path: Path) -> None:
    assert daily_limits.today(tmp_path, TODAY) == Spent("2026-02-28")
    assert daily_limits.spend(tmp_path, OWN, TODAY, 600, 1) == Spent("2026-02-28", 600, 1)
    assert daily_limits.spend(tmp_path, OWN, TODAY, 400, 0) == Spent("2026-02-28", 1000, 1)
    with pytest.raises(
        PolicyError, match=r"\(megabytes_per_day\) lets 0.001 MB leave in a day; they have"
    ):
        daily_limits.spend(tmp_path, OWN, TODAY, 1, 0)
    for rounds in range(2, 6):
        assert daily_limits.spend(tmp_path, OWN, TODAY, 0, 1).rounds == rounds
    with pytest.raises(
        PolicyError, match=r"\(rounds_per_day\) allows 5 rounds a day; they are done"
    ):
        daily_limits.check(tmp_path, OWN, TODAY, 1)
    daily_limits.check(tmp_path, OWN, TODAY, 0)
    assert daily_limits.today(tmp_path, TODAY) == Spent("2026-02-28", 1000, 5)


def test_what_does_not_fit_takes_nothing(tmp_path: Path) -> None:
    daily_limits.spend(tmp_path, OWN, TODAY, 600, 1)
    with pytest.raises(PolicyError, match="megabytes_per_day"):
        daily_limits.spend(tmp_path, OWN, TODAY, 401, 1)
    assert daily_limits.today(tmp_path, TODAY) == Spent("2026-02-28", 600, 1)


def test_midnight_begins_anew(tmp_path: Path) -> None:
    daily_limits.spend(tmp_path, OWN, TODAY, 1000, 5)
    daily_limits.check(tmp_path, OWN, TOMORROW, 5)
    assert daily_limits.today(tmp_path, TOMORROW) == Spent("2026-03-01")
    assert daily_limits.spend(tmp_path, OWN, TOMORROW, 10, 1) == Spent("2026-03-01", 10, 1)


def test_a_limit_of_nothing_lets_nothing_leave(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="megabytes_per_day"):
        daily_limits.spend(tmp_path, replace(OWN, megabytes_per_day=0.0), TODAY, 1, 0)
    with pytest.raises(PolicyError, match="rounds_per_day"):
        daily_limits.check(tmp_path, replace(OWN, rounds_per_day=0), TODAY, 1)


def test_every_truncation_counts_as_spent(tmp_path: Path) -> None:
    daily_limits.spend(tmp_path, OWN, TODAY, 600, 1)
    path = tmp_path / daily_limits.NAME
    whole = path.read_bytes().rstrip()
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        for call in (
            lambda: daily_limits.spend(tmp_path, OWN, TODAY, 0, 0),
            lambda: daily_limits.check(tmp_path, OWN, TODAY, 0),
        ):
            with pytest.raises(PolicyError, match="cannot be read; its IT must look"):
                call()
        assert path.read_bytes() == whole[:length]  # the trace stays


@pytest.mark.parametrize("field", ["day", "bytes", "rounds"])
@pytest.mark.parametrize("value", [None, -1, 1.5, True, "7", [], "2026-13-01", ...], ids=str)
def test_a_number_that_is_none_counts_as_spent(tmp_path: Path, field: str, value: Any) -> None:
    record = {"day": TODAY.isoformat(), "bytes": 1, "rounds": 1}
    changed = (
        {k: v for k, v in record.items() if k != field}
        if value is ...
        else {**record, field: value}
    )
    (tmp_path / daily_limits.NAME).write_text(json.dumps(changed))
    for day in (TODAY, TOMORROW):
        with pytest.raises(PolicyError, match="cannot be read") as caught:
            daily_limits.spend(tmp_path, OWN, day, 0, 0)
        assert "worker/state" not in caught.value.public and daily_limits.NAME in caught.value.local


@pytest.mark.parametrize(
    "content", [b" ", b"[]", b"null", b"7", b'"x"', b"\xff", b"{}", b"{" * 9, b"[" * 60_000]
)
def test_a_file_of_another_form_counts_as_spent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / daily_limits.NAME).write_bytes(content)
    with pytest.raises(PolicyError, match="cannot be read"):
        daily_limits.today(tmp_path, TODAY)


def test_a_clock_that_goes_back_gives_nothing_back(tmp_path: Path) -> None:
    daily_limits.spend(tmp_path, OWN, TOMORROW, 900, 5)
    daily_limits.spend(tmp_path, OWN, TODAY, 1, 0)
    assert daily_limits.today(tmp_path, TOMORROW).bytes == 901


def spender(state: str, times: int) -> None:
    for _ in range(times):
        daily_limits.spend(Path(state), replace(OWN, rounds_per_day=1000), TODAY, 3, 1)


def test_two_processes_at_once_share_one_budget(tmp_path: Path) -> None:
    context = get_context("fork")
    running = [context.Process(target=spender, args=(str(tmp_path), 40)) for _ in range(2)]
    for one in running:
        one.start()
    for one in running:
        one.join(patient(30))
    assert [one.exitcode for one in running] == [0, 0]
    assert daily_limits.today(tmp_path, TODAY) == Spent("2026-02-28", 240, 80)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    daily_limits.spend(tmp_path / "state", OWN, TODAY, 1, 1)
    assert (
        (tmp_path / "state" / daily_limits.NAME).stat().st_mode & 0o077
        == 0
        == (tmp_path / "state").stat().st_mode & 0o077
    )
