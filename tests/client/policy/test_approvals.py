"""A person's word about a study: for this very study, this use and this time.

Whatever is not clear approves nothing.
"""

from __future__ import annotations

import copy
import json
import os
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from client.policy import approvals
from common.errors import InputError, PolicyError
from common.storage.locked_json import Held
from common.study import study as studies
from common.study.study import Study
from tests import small
from tests.client.hostile import NOW, small_study
from tests.patience import patient

STUDY = small_study()
OTHER = small_study(
    training={**small.TABLE["training"], "local_steps": 3}  # type: ignore[dict-item]
)
LATER = NOW + timedelta(days=1)


def granted(
    state: Path, about: Study = STUDY, use: str = "train", days: int = 90
) -> approvals.Approval:
    return approvals.grant(state, about, "Dr. A. Rivers", use, NOW, days)


def stops(state: Path, about: Study, use: str, now: datetime, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        approvals.check(state, about, use, now)


def test_an_approved_study_may_be_trained_and_scored_until_its_day(tmp_path: Path) -> None:
    stops(tmp_path, STUDY, "train", NOW, "has not approved the study yet")
    made = granted(tmp_path, days=2)
    assert (made.digest, made.name, made.by, made.use) == (
        STUDY.digest,
        "small",
        "Dr. A. Rivers",
        "train",
    )
    for use in approvals.USES:
        approvals.check(tmp_path, STUDY, use, LATER)
    until = datetime.fromisoformat(made.until)
    approvals.check(tmp_path, STUDY, "train", until - timedelta(seconds=1))
    stops(tmp_path, STUDY, "train", until, "has ended; ask its people")
    stops(tmp_path, STUDY, "evaluate", until + timedelta(days=400), "has ended")


def test_a_clock_that_stands_before_the_approval_has_none(tmp_path: Path) -> None:
    granted(tmp_path)
    stops(tmp_path, STUDY, "train", NOW - timedelta(days=1), "approve it again")


def test_scoring_only(tmp_path: Path) -> None:
    granted(tmp_path, use="evaluate")
    approvals.check(tmp_path, STUDY, "evaluate", LATER)
    stops(tmp_path, STUDY, "train", LATER, "for scoring models only")
    granted(tmp_path)
    approvals.check(tmp_path, STUDY, "train", LATER)
    granted(tmp_path, use="evaluate")  # the last word counts
    stops(tmp_path, STUDY, "train", LATER, "for scoring models only")


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"local_steps": 3}},
        {"training": {"learning_rate": 0.0011}},
        {"federation": {"rounds": 3}},
        {"secure_aggregation": {"enabled": False}},
        {"data": {"test_fraction": 0.26}},
        {"model": {"channels": [4, 9]}},
        {"seed": 2},
    ],
    ids=str,
)
def test_one_changed_setting_is_another_study(tmp_path: Path, change: dict[str, Any]) -> None:
    granted(tmp_path)
    table = copy.deepcopy(dict(STUDY.to_table()))
    for section, fields in change.items():
        table[section] = {**table[section], **fields} if isinstance(fields, dict) else fields
    changed = studies.parse(table)
    assert changed.digest != STUDY.digest and changed.name == STUDY.name
    stops(tmp_path, changed, "train", LATER, "has not approved the study yet")
    [(place, before, after)] = approvals.differences(STUDY.to_table(), changed.to_table())
    [(section, value)] = change.items()
    expected = (
        (f"{section}.{next(iter(value))}", next(iter(value.values())))
        if isinstance(value, dict)
        else (section, value)
    )
    assert (place, after) == expected and before != after


def test_differences_name_what_came_and_what_went() -> None:
    before = {"a": 1, "b": {"c": [1, 2]}, "steps": [{"step": "flip"}, {"step": "noise"}]}
    after = {"a": 1, "b": {"c": [1, 3], "d": True}, "steps": [{"step": "flip", "p": 0.5}]}
    assert approvals.differences(before, after) == [
        ("b.c", [1, 2], [1, 3]),
        ("b.d", None, True),
        ("steps[0].p", None, 0.5),
        ("steps[1].step", "noise", None),
    ]
    assert approvals.differences(before, copy.deepcopy(before)) == []


def test_taking_back_holds_at_once_and_a_new_word_after_it(tmp_path: Path) -> None:
    granted(tmp_path)
    [ended] = approvals.withdraw(tmp_path, "small", LATER)
    assert ended.digest == STUDY.digest
    stops(tmp_path, STUDY, "train", LATER, "was withdrawn; ask its people to approve it again")
    with pytest.raises(InputError, match="No approval holds for 'small'; approved studies: none"):
        approvals.withdraw(tmp_path, "small", LATER)
    approvals.grant(tmp_path, STUDY, "Dr. B. Rivers", "train", LATER, 90)
    approvals.check(tmp_path, STUDY, "train", LATER)
    assert [a.by for a in approvals.all_of(tmp_path)] == [
        "Dr. A. Rivers",
        "Dr. B. Rivers",
    ]  # nothing is forgotten


def test_taking_back_by_digest_ends_that_study_alone(tmp_path: Path) -> None:
    granted(tmp_path)
    granted(tmp_path, OTHER)
    for short in (STUDY.digest[:7], "", "s"):
        with pytest.raises(InputError, match="No approval holds"):
            approvals.withdraw(tmp_path, short, LATER)
    approvals.withdraw(tmp_path, STUDY.digest[:8], LATER)
    stops(tmp_path, STUDY, "train", LATER, "was withdrawn")
    approvals.check(tmp_path, OTHER, "train", LATER)
    granted(tmp_path)
    assert len(approvals.withdraw(tmp_path, "small", LATER)) == 2


@pytest.mark.parametrize("by", ["", " ", "x", "x" * 101, "Dr.\x00Rivers", "Dr.\x1b[31mRivers"])
def test_a_person_has_a_name(tmp_path: Path, by: str) -> None:
    with pytest.raises(InputError, match="give the name of the person"):
        approvals.grant(tmp_path, STUDY, by, "train", NOW, 90)
    assert approvals.all_of(tmp_path) == ()


def test_a_name_is_one_line_and_the_use_one_of_two(tmp_path: Path) -> None:
    assert approvals.grant(tmp_path, STUDY, "  Dr.\n Rivers ", "train", NOW, 90).by == "Dr. Rivers"
    with pytest.raises(InputError, match="allowed: train, evaluate"):
        approvals.grant(tmp_path, STUDY, "Dr. Rivers", "everything", NOW, 90)


def test_every_truncation_approves_nothing(tmp_path: Path) -> None:
    granted(tmp_path)
    path = tmp_path / approvals.NAME
    whole = path.read_bytes().rstrip()
    for length in {*range(100), *range(100, len(whole), 7), *range(len(whole) - 100, len(whole))}:
        path.write_bytes(whole[:length])
        with pytest.raises(
            PolicyError, match="cannot be read; the hospital's IT must look"
        ) as caught:
            approvals.check(tmp_path, STUDY, "train", LATER)
        assert str(tmp_path) not in caught.value.public
    path.write_bytes(whole)
    approvals.check(tmp_path, STUDY, "train", LATER)


@pytest.mark.parametrize("field", [*approvals._FIELDS, "table"])
@pytest.mark.parametrize(
    "value",
    [None, 3, True, [], ["x"], "", "yes", "2026-01-01", "2026-01-01T00:00:00", ...],
    ids=str,
)
def test_a_field_that_is_not_what_it_should_be_approves_nothing(
    tmp_path: Path, field: str, value: Any
) -> None:
    granted(tmp_path)
    path = tmp_path / approvals.NAME
    [entry] = json.loads(path.read_bytes())
    changed = (
        {k: v for k, v in entry.items() if k != field} if value is ... else {**entry, field: value}
    )
    harmless = (isinstance(value, str) and field in ("name", "by")) or (field, value) == (
        "withdrawn",
        "",
    )
    path.write_text(json.dumps([changed]))
    if harmless:
        approvals.check(tmp_path, STUDY, "train", LATER)
    else:
        stops(tmp_path, STUDY, "train", LATER, ".")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"null",
        b"3",
        b'"text"',
        b"[3]",
        b"[[]]",
        b"[null]",
        b"\xff\xfe",
        b"[{}]",
        b"{" * 9,
    ],
)
def test_a_file_of_another_form_approves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / approvals.NAME).write_bytes(content)
    stops(tmp_path, STUDY, "train", LATER, ".")


def test_a_file_that_nobody_may_read_approves_nothing(tmp_path: Path) -> None:
    (tmp_path / approvals.NAME).mkdir()
    stops(tmp_path, STUDY, "train", LATER, "cannot be read")


def test_a_deep_file_approves_nothing_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / approvals.NAME).write_bytes(b"[" * 200_000)
    stops(tmp_path, STUDY, "train", LATER, "cannot be read")


def test_a_damaged_list_is_not_written_over(tmp_path: Path) -> None:
    granted(tmp_path)
    path = tmp_path / approvals.NAME
    path.write_bytes(path.read_bytes().rstrip()[:-1])
    damaged = path.read_bytes()
    for call in (
        lambda: granted(tmp_path, OTHER),
        lambda: approvals.withdraw(tmp_path, "small", LATER),
    ):
        with pytest.raises(PolicyError, match="cannot be read"):
            call()
    assert path.read_bytes() == damaged


def test_a_study_that_asks_is_kept_once_for_a_person_to_read(tmp_path: Path) -> None:
    for hour in range(3):
        stops(tmp_path, STUDY, "evaluate", NOW + timedelta(hours=hour), "has not approved")
    [(at, study)] = approvals.offers(tmp_path)
    assert (at, study.digest, study.to_table()) == (
        NOW.isoformat(timespec="seconds"),
        STUDY.digest,
        STUDY.to_table(),
    )
    granted(tmp_path)
    assert approvals.offers(tmp_path) == () and not list((tmp_path / approvals.OFFERS).iterdir())
    approvals.withdraw(tmp_path, "small", LATER)
    stops(tmp_path, STUDY, "train", LATER, "was withdrawn")
    assert approvals.offers(tmp_path) == ()


def test_at_most_a_hundred_studies_wait(tmp_path: Path) -> None:
    made = [replace(STUDY, seed=seed) for seed in range(105)]
    for number, one in enumerate(made):
        approvals.offer(tmp_path, one, NOW + timedelta(seconds=number))
        path = tmp_path / approvals.OFFERS / f"{one.digest}.json"
        os.utime(path, (number, number))
    kept = {one.digest for _, one in approvals.offers(tmp_path)}
    assert kept == {one.digest for one in made[5:]}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"at": "x"}', b'{"at": "x", "study": {"name": 3}}', b"\xff"]
)
def test_an_offer_that_cannot_be_read_is_passed_over(tmp_path: Path, content: bytes) -> None:
    approvals.offer(tmp_path, STUDY, NOW)
    (tmp_path / approvals.OFFERS / "0.json").write_bytes(content)
    assert [one.digest for _, one in approvals.offers(tmp_path)] == [STUDY.digest]


def test_nobody_else_may_read_them(tmp_path: Path) -> None:
    granted(tmp_path / "state")
    approvals.offer(tmp_path / "state", OTHER, NOW)
    for path in (tmp_path / "state").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_two_people_at_once_lose_no_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the reading and the writing of one word another is taken back."""
    granted(tmp_path)
    honest = Held.write
    context = get_context("spawn")

    def slow(file: Held, value: object) -> None:
        monkeypatch.setattr(Held, "write", honest)
        other = context.Process(target=approvals.withdraw, args=(tmp_path, STUDY.digest, LATER))
        other.start()
        other.join(1.0)  # with a lock it waits until this word is written
        honest(file, value)
        lagging.append(other)

    lagging: list[Any] = []
    monkeypatch.setattr(Held, "write", slow)
    granted(tmp_path, OTHER)
    lagging[0].join(patient(30.0))
    stops(tmp_path, STUDY, "train", LATER, "was withdrawn")
