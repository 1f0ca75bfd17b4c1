"""The commands of a person's word, as they are typed."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from client.deidentify.pseudonyms import Pseudonyms
from client.home import SiteHome
from client.policy import approvals, withdrawals
from client.policy.policy import Policy
from client.site_settings import SiteSettings
from common.cli import main
from common.study import toml
from common.study.study import Study
from tests.client.hostile import SECRET
from tests.client.hostile import small_study as study

STUDY, CHANGED, OTHER = study(), study(seed=7), study(name="lungs")


@dataclass
class Typed:
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.out)
        assert self.out.count("\n") == 1
        return content


Type = Callable[..., Typed]


@pytest.fixture
def home(tmp_path: Path) -> SiteHome:
    made = SiteHome(tmp_path / "home")
    made.state.mkdir(parents=True)
    settings = SiteSettings(
        name="north", consortium="trial", address="localhost", data=str(tmp_path / "data")
    )
    made.site_toml.write_text(settings.to_toml())
    return made


@pytest.fixture
def type_(
    home: SiteHome, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Type:
    """Type ``consilium site ...``; at a terminal if ``says`` is what the person answers there."""
    monkeypatch.setattr(SiteHome, "open", staticmethod(lambda *_: home))

    def typed(*words: object, says: str | None = None) -> Typed:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return says is not None

        monkeypatch.setattr(sys, "stdin", Terminal(says or ""))
        code = main.main(["site", *map(str, words), "--home", str(home.path)])
        return Typed(code, *capsys.readouterr())

    return typed


def offered(home: SiteHome, *several: Study) -> None:
    for one in several or (STUDY,):
        approvals.offer(home.state, one, datetime.now(UTC))


def approved(home: SiteHome) -> list[str]:
    return [a.digest for a in approvals.all_of(home.state) if a.holds(datetime.now(UTC))]


def test_nothing_has_asked(type_: Type) -> None:
    assert type_("offers").out == "No study has asked yet.\n"
    assert type_("offers", "--json").json() == {"waiting": [], "approvals": []}


def test_from_an_offer_to_its_end(type_: Type, home: SiteHome) -> None:
    offered(home)
    assert type_("offers").out.startswith(f"waits     small  {STUDY.digest[:16]}  asked first on ")
    done = type_("approve", "small", "--by", "Dr. A. Rivers", "--yes")
    assert done.code == 0 and approved(home) == [STUDY.digest]
    assert (
        done.out.startswith(f"study small  {STUDY.digest}\n")
        and "federation.rounds = 2" in done.out
    )
    assert "approved by Dr. A. Rivers until " in done.out
    assert type_("offers").out.startswith(
        f"approved  small  {STUDY.digest[:16]}  by Dr. A. Rivers, until "
    )
    assert (
        type_("withdraw", "--study", "small").out
        == "1 approval of small ended; the next question is refused\n"
    )
    assert approved(home) == [] and type_("offers").out.startswith("withdrawn small")
    lines = [json.loads(line) for line in (home.state / "journal.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["approved", "withdrawn"]
    assert (
        all(line["digest"] == STUDY.digest and line["user"] for line in lines)
        and lines[0]["by"] == "Dr. A. Rivers"
    )


def test_as_json(type_: Type, home: SiteHome) -> None:
    offered(home)
    [waiting] = type_("offers", "--json").json()["waiting"]
    assert waiting["study"] == "small" and waiting["digest"] == STUDY.digest
    made = type_(
        "approve",
        "small",
        "--by",
        "Dr. Rivers",
        "--days",
        "3",
        "--evaluate-only",
        "--yes",
        "--json",
    ).json()
    assert (made["digest"], made["use"], made["by"]) == (STUDY.digest, "evaluate", "Dr. Rivers")
    assert (datetime.fromisoformat(made["until"]) - datetime.fromisoformat(made["at"])).days == 3
    listing = type_("offers", "--json").json()
    assert listing["waiting"] == [] and listing["approvals"][0]["holds"] is True
    assert type_("withdraw", "--study", "small", "--json").json() == {
        "study": "small",
        "approvals_ended": 1,
    }


def test_from_a_file_before_anybody_asked(type_: Type, home: SiteHome, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(toml.dumps(STUDY.to_table()))
    assert type_("approve", tmp_path / "s.toml", "--by", "Dr. Rivers", "--yes").code == 0
    assert approved(home) == [STUDY.digest]


@pytest.mark.parametrize("content", [None, "name = 3", "name ="])
def test_a_file_that_is_no_study(
    type_: Type, home: SiteHome, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "s.toml").write_text(content)
    done = type_("approve", tmp_path / "s.toml", "--by", "Dr. Rivers", "--yes")
    assert done.code == 2 and done.out == "" and done.err and approved(home) == []


def test_by_the_first_digits(type_: Type, home: SiteHome) -> None:
    offered(home, STUDY, CHANGED)
    done = type_("approve", "small", "--by", "Dr. Rivers", "--yes")
    assert done.code == 2 and "'small' fits 2 studies" in done.err
    assert (
        STUDY.digest[:16] in done.err and CHANGED.digest[:16] in done.err and approved(home) == []
    )
    assert type_("approve", CHANGED.digest[:7], "--by", "Dr. Rivers", "--yes").code == 2
    assert type_("approve", CHANGED.digest[:8], "--by", "Dr. Rivers", "--yes").code == 0
    assert approved(home) == [CHANGED.digest]


def test_a_name_that_nobody_knows(type_: Type, home: SiteHome) -> None:
    offered(home, OTHER)
    done = type_("approve", "small", "--by", "Dr. Rivers", "--yes")
    assert (
        done.code == 2
        and (
            "'small' fits 0 studies; give a study file, or the first digits of one of: lungs"
            f" {OTHER.digest[:16]}"
        )
        in done.err
    )


def test_what_changed_since_the_last_approval_is_shown(type_: Type, home: SiteHome) -> None:
    offered(home)
    type_("approve", "small", "--by", "Dr. Rivers", "--yes")
    assert (
        "the same as the study that was approved last"
        in type_("approve", "small", "--by", "Dr. Rivers", "--yes").out
    )
    offered(home, CHANGED)
    shown = type_("approve", "small", "--by", "Dr. Rivers", says="no\n")
    assert shown.code == 2 and "Nothing was approved" in shown.err
    lines = shown.out.splitlines()
    assert lines[1:] == [
        "  changed since the study that was approved last:",
        "  seed: 1 -> 7",
    ] and approved(home) == [STUDY.digest]


@pytest.mark.parametrize(
    ("says", "code"), [("yes\n", 0), ("y\n", 2), ("\n", 2), ("", 2), ("YES\n", 2), ("no\n", 2)]
)
def test_a_person_at_a_terminal_is_asked(type_: Type, home: SiteHome, says: str, code: int) -> None:
    offered(home)
    done = type_("approve", "small", "--by", "Dr. Rivers", says=says)
    assert (done.code, len(approved(home))) == (code, int(code == 0))
    assert "Approve this study for train as 'Dr. Rivers' for 90 days? Type yes: " in done.err


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_without_a_terminal_somebody_has_to_say_yes(
    type_: Type, home: SiteHome, words: tuple[str, ...]
) -> None:
    offered(home)
    done = type_("approve", "small", "--by", "Dr. Rivers", *words)
    assert (
        done.code == 2 and "give --yes if it was read before" in done.err and approved(home) == []
    )


@pytest.mark.parametrize(
    "words",
    [
        ("approve", "small", "--yes"),
        ("approve", "--by", "Dr. Rivers", "--yes"),
        ("approve", "small", "--by", "x", "--yes"),
        ("approve", "small", "--by", "", "--yes"),
        ("approve", "small", "--by", "Dr. Rivers", "--days", "0", "--yes"),
        ("approve", "small", "--by", "Dr. Rivers", "--days", "3651", "--yes"),
        ("withdraw",),
        ("withdraw", "--study", "small"),
        ("withdraw", "--study", "small", "--patient", "4711"),
        ("withdraw", "--patient", " "),
    ],
    ids=" ".join,
)
def test_words_that_are_wrong(type_: Type, home: SiteHome, words: tuple[str, ...]) -> None:
    offered(home)
    done = type_(*words)
    assert (
        done.code == 2
        and done.out.count("approved by") == 0
        and approved(home) == []
        and "Traceback" not in done.err
    )


def test_a_damaged_list_is_said_in_one_line(type_: Type, home: SiteHome) -> None:
    offered(home)
    (home.state / approvals.NAME).write_bytes(b"[{")
    for words in (
        ("offers",),
        ("approve", "small", "--by", "Dr. Rivers", "--yes"),
        ("withdraw", "--study", "small"),
    ):
        done = type_(*words)
        assert done.code == 2 and "approvals.json" in done.err and "Traceback" not in done.err
    assert (home.state / approvals.NAME).read_bytes() == b"[{"


def test_a_patient_goes(type_: Type, home: SiteHome) -> None:
    done = type_("withdraw", "--patient", SECRET, "--anyway")
    assert done.code == 0 and "1 patients are withdrawn in all" in done.out
    assert type_("withdraw", "--patient", "4711", "--anyway", "--json").json() == {
        "withdrawn_patients": 2
    }
    assert withdrawals.reader(home.state)(SECRET)
    kept = b"".join(path.read_bytes() for path in home.state.rglob("*") if path.is_file())
    assert b"MUELLER" not in kept and b"4711" not in kept and SECRET not in done.out + done.err


def test_a_hospital_s_own_policy_asks_for_a_person() -> None:
    assert Policy().approval is True


def test_a_patient_who_is_not_there_is_not_said_to_be_gone(type_: Type, home: SiteHome) -> None:
    done = type_("withdraw", "--patient", "nosuchpatient")
    assert (
        done.code == 2
        and "nothing was withdrawn" in done.err
        and not (home.state / withdrawals.NAME).exists()
    )


def test_a_patient_goes_by_the_hospital_s_own_number_after_an_ingest(
    type_: Type, home: SiteHome
) -> None:
    folder = Path(home.settings().data)
    name = Pseudonyms.open(folder.with_name(f"{folder.name}.key")).patient("4711", "")
    folder.mkdir(exist_ok=True)
    (folder / "labels.csv").write_text(f"file,patient_id\na.png,{name}\n")
    assert type_("withdraw", "--patient", "4711", "--json").json() == {"withdrawn_patients": 1}
    gone = withdrawals.reader(home.state)
    assert gone is not None and gone(name) and not gone("4711")
