"""A failure's letter: one public sentence, code, room and an id; the hospital's log and journal have the rest under that id."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.policy.policy import Policy
from client.site import Site
from client.worker import release_rules
from common.errors import (
    ApprovalError,
    CaseError,
    ConsiliumError,
    PolicyError,
    SecureSumError,
    SiteError,
    WireError,
)
from common.protocol import envelopes
from tests.client import hostile
from tests.client.hostile import FREE, KINDS, SECRET, ask, question, refused, study

CLEAR, SECURE = study(hostile.PLAIN), study()
STRICT = Policy(approval=False, floor=0)
FEWEST = release_rules.FEWEST


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return hostile.hospital(tmp_path / "state")


class SomeError(Exception):
    """Unforeseen."""


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise ValueError(SECRET)

    __repr__ = __str__


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("error", "code", "public"),
    [
        (
            SomeError(SECRET),
            "unexpected",
            "The hospital's work failed (an error of a library); its own log says why.",
        ),
        (
            UnspeakableError(),
            "unexpected",
            "The hospital's work failed (an error of a library); its own log says why.",
        ),
        (
            KeyError(f"/data/{SECRET}/image.dcm"),
            "unexpected",
            "The hospital's work failed (KeyError); its own log says why.",
        ),
        (
            RecursionError(SECRET),
            "unexpected",
            "The hospital's work failed (RecursionError); its own log says why.",
        ),
        (SiteError("No images.", f"/data/{SECRET}"), "data", "No images."),
        (CaseError("An image is torn.", f"/data/{SECRET}"), "data", "An image is torn."),
        (PolicyError("The policy allows 5.", SECRET), "policy", "The policy allows 5."),
        (ApprovalError("Not approved yet.", SECRET), "approval", "Not approved yet."),
        (
            SiteError("two\nlines"),
            "data",
            "The hospital's data do not serve this study; its own log says why.",
        ),
        (
            SiteError("x" * 501),
            "data",
            "The hospital's data do not serve this study; its own log says why.",
        ),
        (SiteError("No images.", "/data/M\udcfcLLER.dcm"), "data", "No images."),
        (WireError("A message asks for nothing."), "message", "A message asks for nothing."),
        (ConsiliumError("It failed."), "failed", "It failed."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_failure_says_its_kind_and_an_id_and_the_log_has_the_rest(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str, error: Exception, code: str, public: str
) -> None:
    reply = refused(site, ask(monkeypatch, site, question(SECURE, kind), error), code)
    assert reply.fault == public and reply.values["room"] in ("client.worker.handler", "")
    assert (
        len(reply.values["id"]) == 8
        and int(reply.values["id"], 16) >= 0
        and reply.refusal.startswith(f"{public} [{code}")
    )
    log = (site.state / "site.log").read_text()
    if code == "unexpected":
        assert (
            "Traceback" in log and type(error).__name__ in log and "hostile.py" in log
        )  # every frame, with its line
    elif SECRET in str(getattr(error, "local", "")):
        assert SECRET in log


@pytest.mark.parametrize("own", [FREE, STRICT], ids=["tells counts", "keeps counts"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_number_leaves_a_failure_only_where_counts_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, own: Policy
) -> None:
    site = hostile.hospital(tmp_path, own)
    for error in (
        SiteError("Patients with usable images: 7."),
        CaseError("7 of 9 images are torn."),
        SiteError("Patients: ٧."),
    ):
        reply = refused(site, ask(monkeypatch, site, question(SECURE, kind), error), "data")
        assert (str(error) == reply.fault) is own.share_counts


def test_each_failure_has_an_id_of_its_own(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    ids = {
        refused(
            site, ask(monkeypatch, site, question(SECURE, "join"), SomeError(SECRET)), "unexpected"
        ).values["id"]
        for _ in range(20)
    }
    assert len(ids) == 20


def test_who_is_accused_is_the_name_of_a_hospital(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    said = envelopes.read_reply(
        ask(
            monkeypatch,
            site,
            question(SECURE, "agree"),
            SecureSumError("A share is wrong.", "south"),
        )
    )
    assert said.values["accused"] == "south"
    for name in (f"{SECRET}\n", "x" * 5000, f"/data/{SECRET}"):
        letter = ask(
            monkeypatch, site, question(SECURE, "agree"), SecureSumError("A share is wrong.", name)
        )
        assert "accused" not in envelopes.read_reply(
            letter
        ).values and name.encode() not in hostile.all_bytes(letter)


def test_the_log_takes_any_file_name(site: Site) -> None:
    site.log("/data/M\udcfcLLER.dcm: torn")
    assert "LLER.dcm: torn" in (site.state / "site.log").read_text()
