"""A hospital is strict unless it says otherwise, no code asks whether it has a trust or an
identity, and only phantoms are shown.
"""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import client
from client.audit import log as audit_log
from client.identity import Identity, Trust
from client.policy.policy import OPEN, Policy
from client.site import Site, only_phantoms
from client.virtual_site import VirtualSite
from client.worker import admission, handler
from client.worker import worker as workers
from common.errors import ApprovalError, PolicyError
from common.protocol import envelopes
from common.protocol.envelopes import Question
from common.simulation.phantoms import write
from common.study import study as studies
from common.trust import certificates
from tests import small
from tests.client import hostile

NOW = datetime.now(UTC)
CA = certificates.authority("trial", NOW, 30)
SIGNER = certificates.signer(CA, certificates.COORDINATOR, NOW, 30)
MASKED = studies.parse({**small.TABLE, "secure_aggregation": {"enabled": True}})
ROOM = Path(client.__file__).parent
ASKED_ABOUT = ("trust", "identity")


def strict(state: Path) -> Site:
    """Nothing but what must be given."""
    identity = Identity("trial", bytes(32), CA.certificate, SIGNER.certificate)
    return Site(
        "north",
        (state / "data",),
        state,
        identity=identity,
        trust=Trust("trial", SIGNER.certificate, CA.certificate),
    )


def test_what_is_not_said_is_strict(tmp_path: Path) -> None:
    site = strict(tmp_path)
    assert (
        site.policy == Policy() and site.needs_approval and site.keeps_record and site.counts_days
    )
    assert not (site.pooled or site.resident or site.spread or site.synthetic)
    assert {f.name for f in fields(Site) if f.default is f.default_factory is MISSING} == {
        "name",
        "folders",
        "state",
        "identity",
        "trust",
    }


def test_it_refuses_what_nobody_signed_and_writes_it_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "resident", lambda *_: pytest.fail("the worker was asked"))
    reply = envelopes.read_reply(
        handler.answer(
            strict(tmp_path), envelopes.write_question(Question("join", MASKED.to_table()))
        )
    )
    assert reply.fault.startswith("The study is not signed")
    assert "The study is not signed" in (tmp_path / audit_log.NAME).read_text()


def test_it_refuses_what_nobody_approved_and_what_is_not_masked(tmp_path: Path) -> None:
    with pytest.raises(ApprovalError):
        admission.check(strict(tmp_path), Question("join", MASKED.to_table()), MASKED)
    plain = studies.parse(small.TABLE | {"secure_aggregation": {"enabled": False}})
    with pytest.raises(PolicyError, match="plain_updates"):
        admission.check(strict(tmp_path), Question("join", plain.to_table()), plain)


def test_the_rules_of_a_simulation_make_no_real_hospital_one(tmp_path: Path) -> None:
    """Days are counted and studies must be signed, whatever the policy."""
    site = replace(strict(tmp_path), policy=OPEN)
    assert site.counts_days and site.keeps_record and not site.needs_approval
    assert envelopes.read_reply(
        handler.answer(site, envelopes.write_question(Question("join", MASKED.to_table())))
    ).fault
    spent = hostile.hospital(tmp_path / "other", OPEN)
    assert spent.counts_days


def conditions(tree: ast.AST) -> Iterator[ast.expr]:
    """Whatever decides.

    The tests of branches, what is compared, and what "and", "or" and "not" look at.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp | ast.While):
            yield node.test
        elif isinstance(node, ast.Compare):
            yield from (node.left, *node.comparators)
        elif isinstance(node, ast.BoolOp):
            yield from node.values
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node.operand
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "bool",
            "isinstance",
            "getattr",
            "hasattr",
        ):
            yield from node.args


def branches(text: str) -> list[str]:
    """Conditions about a trust or an identity as such, or about the policy of simulations."""
    return [
        ast.unparse(node)
        for node in conditions(ast.parse(text))
        if (isinstance(node, ast.Attribute) and node.attr in ASKED_ABOUT)
        or (
            isinstance(node, ast.Name)
            and node.id in (*ASKED_ABOUT, "OPEN", "VirtualSite", "NoIdentity", "VirtualTrust")
        )
    ]


def test_no_code_asks_whether_there_is_a_trust_or_an_identity() -> None:
    files = sorted(
        path for path in ROOM.rglob("*.py") if "view" not in path.parts
    )  # the view has a word OPEN of its own
    assert len(files) > 50
    assert {
        path.name: asked for path in files if (asked := branches(path.read_text("utf-8")))
    } == {}


@pytest.mark.parametrize(
    "text",
    [
        "if site.trust is None: pass",
        "if site.trust: pass",
        "a = 1 if self.site.identity else 2",
        "a = site.policy is not OPEN",
        "a = not identity",
        "a = site.identity and b",
        "a = isinstance(site, VirtualSite)",
        "a = getattr(site.trust, 'coordinator', None)",
    ],
)
def test_a_branch_would_be_seen(text: str) -> None:
    assert branches(text)


def test_a_question_to_a_trust_is_no_branch_on_it() -> None:
    assert (
        branches("a = b or site.trust.is_from(c)\nif site.identity.roster(a, b) is None: pass")
        == []
    )


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    write.write(folder / "hospitals", hospitals=1, patients=2, size=64)
    return next((folder / "hospitals").iterdir())


def test_what_the_writer_leaves_passes(sealed: Path) -> None:
    assert only_phantoms(sealed) and VirtualSite("a", (sealed,), sealed / "state").synthetic


def test_an_added_a_changed_or_a_real_image_does_not(sealed: Path, tmp_path: Path) -> None:
    added, changed, real = (tmp_path / name for name in ("added", "changed", "real"))
    for folder in (added, changed):
        shutil.copytree(sealed, folder)
    (added / "dicom" / "more.dcm").write_bytes(b"x")
    first = next((changed / "dicom").iterdir())
    first.write_bytes(first.read_bytes() + b"\0")
    small.hospital(real, 2)
    (real / "PHANTOM").write_text("all synthetic, believe me")
    assert not any(only_phantoms(folder) for folder in (added, changed, real))
    (real / "PHANTOM").write_text(json.dumps({"sha256": {}}))
    assert not only_phantoms(real)


def test_several_folders_must_all_pass(sealed: Path, tmp_path: Path) -> None:
    assert not VirtualSite("a", (sealed, small.hospital(tmp_path / "real", 2)), tmp_path).synthetic
