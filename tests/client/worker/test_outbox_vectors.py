"""The outbox: a vector leaves masked, beside this hospital's word for it.

Or plain, within limits.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.site import Site
from client.worker import release_rules
from common.protocol import envelopes
from common.protocol.envelopes import Reply
from common.secagg.messages import Advert, Bundle, Confirm, Masked, Terms
from common.update import Vector
from tests.client import hostile
from tests.client.hostile import (
    CLEAR,
    KEY,
    KINDS,
    MODEL,
    NAME,
    SECRET,
    SECURE,
    STRICT,
    LyingVector,
    ask,
    honest,
    refused,
    signed_question,
)

FEWEST = release_rules.FEWEST


def plain(delta: Any, **values: Any) -> Reply:
    return replace(honest("train", **{FEWEST: 50, **values}), delta=delta)


VECTORS: dict[str, Any] = {
    "nan": np.array([0, 1, math.nan, 0, 0, 0], np.float32),
    "infinite": np.array([0, 1, math.inf, 0, 0, 0], np.float32),
    "longer": np.zeros(7, np.float32),
    "shorter": np.zeros(5, np.float32),
    "empty": np.zeros(0, np.float32),
    "square": np.zeros((2, 3), np.float32),
    "doubles": np.zeros(6, np.float64),
    "whole": np.zeros(6, np.int32),
    "big-endian": np.zeros(6, ">f4"),
    "large": np.full(6, 33.0, np.float32),
    "one large": np.array([0, 0, 0, 0, 0, -33], np.float32),
    "liar": np.full(6, math.pi * 100, np.float32).view(LyingVector),
    "objects": np.array([SECRET] * 6, object),
    "bytes": SECRET.encode() * 2,
    "list": [0.0] * 6,
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_plain_update_of_another_form_or_size_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    site = hostile.hospital(tmp_path, replace(STRICT, plain_updates=True, largest_change=32.0))
    envelope = ask(monkeypatch, site, signed_question(CLEAR, "train"), plain(VECTORS[name]))
    refused(site, envelope, "outbox", "nothing of it has left")
    assert envelope.vector is None


def test_a_plain_update_leaves_up_to_the_policy_s_limits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = hostile.hospital(
        tmp_path, replace(STRICT, plain_updates=True, largest_change=2.0, largest_norm=3.0)
    )
    fine, long = (
        np.array([2, -2, 1, 0, 0, 0], np.float32),
        np.array([2, -2, 1.5, 0, 0, 0], np.float32),
    )
    envelope = ask(monkeypatch, site, signed_question(CLEAR, "train"), plain(fine))
    assert envelope.vector is not None and np.array_equal(envelope.vector, fine)
    refused(
        site,
        ask(monkeypatch, site, signed_question(CLEAR, "train"), plain(long)),
        "outbox",
        "larger than this hospital's policy allows",
    )


@pytest.mark.parametrize("kind", ["join", "evaluate"])
def test_a_vector_leaves_no_plain_question_but_that_for_an_update(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str
) -> None:
    says = replace(honest(kind, **{FEWEST: 50}), delta=MODEL)
    refused(
        site, ask(monkeypatch, site, signed_question(CLEAR, kind), says), "outbox", "without masks"
    )


def test_a_plain_update_needs_the_policy_s_leave(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = hostile.hospital(tmp_path, STRICT)
    refused(
        site,
        ask(monkeypatch, site, signed_question(CLEAR, "train"), plain(MODEL)),
        "policy",
        "plain_updates",
    )


def word(vector: Vector, name: str = NAME, key: bytes = KEY) -> bytes:
    digest = hashlib.sha256(np.ascontiguousarray(vector).data).digest()
    return Masked(bytes(32), name, bytes(64), bytes(32), digest).signed(key).encode()


def sealed(kind: str, vector: Any, *secure: bytes) -> Reply:
    return replace(honest(kind, **{FEWEST: 50}), delta=vector, secure=secure)


NOISE = np.arange(6, dtype=np.float32) + 1


@pytest.mark.parametrize("kind", ["tally", "train", "evaluate"])
def test_a_masked_vector_leaves_beside_its_own_word(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str
) -> None:
    envelope = ask(
        monkeypatch, site, signed_question(SECURE, kind), sealed(kind, NOISE, word(NOISE))
    )
    reply = envelopes.read_reply(envelope)
    assert (
        not reply.fault
        and reply.secure == (word(NOISE),)
        and envelope.vector is not None
        and np.array_equal(envelope.vector, NOISE)
    )
    assert hostile.audit_entries(site)[-1]["left"][-2:] == ["vector", "Masked"]


NO_WORD: dict[str, tuple[bytes, ...]] = {
    "none": (),
    "other": (word(MODEL),),
    "another's": (word(NOISE, "south"),),
    "twice": (word(NOISE), word(NOISE)),
    "two": (word(MODEL), word(NOISE)),
}
FORGED = {
    "wrong key": word(NOISE, key=bytes(32)),
    "unsigned": Masked(
        bytes(32), NAME, bytes(64), bytes(32), hashlib.sha256(NOISE.data).digest()
    ).encode(),
}
BROKEN = {"longer": word(NOISE) + SECRET.encode(), "no message": b"\x05" + SECRET.encode()}


def stays(monkeypatch: pytest.MonkeyPatch, site: Site, kind: str, *secure: bytes) -> None:
    """A vector beside these messages does not leave, and nothing of it."""
    envelope = ask(monkeypatch, site, signed_question(SECURE, kind), sealed(kind, NOISE, *secure))
    refused(site, envelope, "")
    assert envelope.vector is None and NOISE.tobytes() not in hostile.all_bytes(envelope)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NO_WORD)
def test_no_vector_leaves_a_masked_study_without_masks(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str, name: str
) -> None:
    stays(monkeypatch, site, kind, *NO_WORD[name])


@pytest.mark.parametrize("kind", ["tally", "train", "evaluate"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_vector_beside_a_broken_word_stays(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str, name: str
) -> None:
    stays(monkeypatch, site, kind, BROKEN[name])


@pytest.mark.parametrize("kind", ["tally", "train", "evaluate"])
@pytest.mark.parametrize("name", FORGED)
def test_a_vector_beside_a_word_that_this_hospital_did_not_sign_stays(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str, name: str
) -> None:
    stays(monkeypatch, site, kind, FORGED[name])


@pytest.mark.parametrize(
    "vector",
    [NOISE.astype(np.float64), NOISE.view(LyingVector), NOISE.reshape(2, 3)],
    ids=["doubles", "liar", "square"],
)
def test_a_masked_vector_is_one_of_float32_words(
    monkeypatch: pytest.MonkeyPatch, site: Site, vector: Any
) -> None:
    says = sealed("train", vector, word(np.asarray(vector)))
    refused(site, ask(monkeypatch, site, signed_question(SECURE, "train"), says), "outbox")


def advert(key: bytes = KEY, name: str = NAME) -> Advert:
    return Advert(bytes(32), name, bytes(64), bytes(32), bytes(32), bytes(32)).signed(key)


MESSAGES: dict[str, bytes] = {
    "unknown": b"\x63\x01" + SECRET.encode(),
    "empty": b"",
    "only a tag": b"\x03" + SECRET.encode(),
    "with a tail": advert().encode() + SECRET.encode(),
    "of the server": Terms("trial", "run-1", 1, (NAME,), 1, bytes(32)).encode(),
    "unsigned": Advert(bytes(32), NAME, bytes(64), bytes(32), bytes(32), bytes(32)).encode(),
    "another's": advert(name="south").encode(),
    "other key": advert(bytes(32)).encode(),
    "hidden in a bundle": Bundle(bytes(32), (advert().encode(), SECRET.encode())).encode(),
    "bundle in a bundle": Bundle(
        bytes(32), (Bundle(bytes(32), (SECRET.encode(),)).encode(),)
    ).encode(),
}


SEEN = ("unknown", "empty", "of the server", "bundle in a bundle")
"""What the first byte gives away."""


@pytest.mark.parametrize("kind", ["join", "tally", "train", "evaluate"])
@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_that_is_none_stays(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str, name: str
) -> None:
    envelope = ask(
        monkeypatch,
        site,
        signed_question(SECURE, kind),
        replace(honest(kind), secure=(MESSAGES[name],)),
    )
    refused(site, envelope, "")


@pytest.mark.parametrize("name", MESSAGES)
def test_what_is_agreed_on_is_said_in_this_hospital_s_own_messages(
    monkeypatch: pytest.MonkeyPatch, site: Site, name: str
) -> None:
    envelope = ask(
        monkeypatch,
        site,
        signed_question(SECURE, "agree"),
        replace(honest("agree"), secure=(MESSAGES[name],)),
    )
    assert envelopes.read_reply(envelope).fault and envelopes.read_reply(envelope).secure == ()


@pytest.mark.parametrize("kind", ["join", "tally", "train", "evaluate"])
def test_a_message_leaves_the_question_alone_that_calls_for_it(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str
) -> None:
    confirm = Confirm(bytes(32), NAME, bytes(64), bytes(32), (NAME,)).signed(KEY).encode()
    bundled = Bundle.of(bytes(32), [advert()]).encode()
    for message in (advert().encode(), confirm, bundled):
        envelope = ask(
            monkeypatch,
            site,
            signed_question(SECURE, "agree"),
            replace(honest("agree"), secure=(message,)),
        )
        assert envelopes.read_reply(envelope).secure == (message,)
        envelope = ask(
            monkeypatch,
            site,
            signed_question(SECURE, kind),
            replace(honest(kind), secure=(message,)),
        )
        refused(site, envelope, "outbox", "does not call for")
    if kind != "agree":
        says = replace(honest(kind, **{FEWEST: 50}), secure=(word(NOISE),))
        refused(site, ask(monkeypatch, site, signed_question(CLEAR, kind), says), "outbox")
