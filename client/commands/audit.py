"""``consilium site audit``: the hospital's record, read off-line as an auditor does."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client.home import SiteHome
from common.cli import console
from common.errors import InputError

if TYPE_CHECKING:
    from client.audit.verification import AuditVerdict

_LARGEST = 4 << 20
"""Bytes read of a file that somebody else made: a proof, a head, a certificate."""
# What a line shows of an entry; hashes, sizes and times of work are in --json.
_SHOWN = ("event", "kind", "round", "run", "study", "fault", "reason", "by", "user", "patients")


def verify(arguments: Namespace) -> int:
    """Is the record whole and true to every signed head; with --proof: is one entry proved."""
    if arguments.proof is not None:
        return _verify_proof(arguments)
    from client.audit import verification  # noqa: PLC0415
    from common.trust import roster as rosters  # noqa: PLC0415

    home = _home(arguments)
    settings = home.settings()
    certificate = home.identity_crt.read_bytes()
    key = rosters.public_key(certificate, home.ca.read_bytes(), settings.name, _within(certificate))
    verdict = verification.verify(
        home.state,
        key,
        consortium=settings.consortium,
        name=settings.name,
        held=None if arguments.held is None else _held(arguments.held, settings.name),
    )
    verification.add_others(
        verdict, home.state, _keys(home, settings.consortium), settings.consortium
    )
    if arguments.json:
        console.out_json({"ok": not verdict.wrong, **vars(verdict)})
    else:
        _show_verdict(verdict)
    return 1 if verdict.wrong else 0


def _show_verdict(verdict: AuditVerdict) -> None:
    console.out(f"{verdict.entries} entries, root {verdict.root}, {verdict.heads} signed heads")
    for sentence in verdict.wrong:
        console.out(_plain(f"wrong: {sentence}"))
    for sentence in verdict.evidence:
        console.out(_plain(f"noted: {sentence}"))
    if not verdict.wrong:
        last = f"; its last entry is of {verdict.newest}" if verdict.newest else ""
        console.out(f"The record is whole and says what was signed{last}.")


def show(arguments: Namespace) -> int:
    """The entries of the record."""
    from client.audit import verification  # noqa: PLC0415

    entries = verification.show(_home(arguments).state, arguments.last, arguments.event)
    if arguments.json:
        console.out_json({"entries": entries})
        return 0
    for entry in entries:
        values = "  ".join(
            f"{key} {entry[key]}" for key in _SHOWN if entry.get(key) not in (None, "")
        )
        left = (
            f"  left: {', '.join(entry['left'])} ({entry['bytes']} bytes)"
            if entry.get("left")
            else ""
        )
        console.out(
            _plain(f"{entry.get('seq', '?'):>6}  {str(entry.get('at', ''))[:19]}  {values}{left}")
        )
    if not entries:
        console.out("The record has no such entry.")
    return 0


def prove(arguments: Namespace) -> int:
    """A proof for a third party: of one entry under a head signed now, or that the record grew."""
    from client.audit import proofs, witness  # noqa: PLC0415
    from client.identity import Identity, Trust, raw_key  # noqa: PLC0415
    from client.site import Site  # noqa: PLC0415

    if (arguments.entry is None) == (arguments.between is None):
        raise InputError("Give either the NUMBER of an entry or --between OLD NEW.")
    home = _home(arguments)
    if arguments.between is not None:
        old, new = arguments.between
        certificate = home.identity_crt.read_bytes()
        return _write(arguments, proofs.growth(home.state, old, new, certificate))
    settings = home.settings()
    authority = home.ca.read_bytes()
    identity = Identity(
        settings.consortium,
        raw_key(home.identity_key.read_bytes()),
        authority,
        home.roster_crt.read_bytes(),
    )
    trust = Trust(settings.consortium, home.coordinator.read_bytes(), authority)
    # A proof leads up to a signed head, and the newest one signed may be older than the entry.
    signed = witness.sign(
        Site(settings.name, (), home.state, identity=identity, trust=trust), "", 0
    )
    return _write(
        arguments, proofs.entry(home.state, arguments.entry, signed, home.identity_crt.read_bytes())
    )


def _write(arguments: Namespace, proof: dict[str, Any]) -> int:
    """A proof on stdout, or in a new file."""
    if arguments.out is None:
        console.out_json(proof)
        return 0
    if arguments.out.exists():
        raise InputError(f"{arguments.out} exists; give another name.")
    arguments.out.write_text(json.dumps(proof, indent=1) + "\n", "utf-8")
    if arguments.json:
        console.out_json({"proof": str(arguments.out)})
    else:
        console.out(
            f"The proof is in {arguments.out}; check it anywhere:"
            f" consilium site audit verify --proof {arguments.out} --ca ca.crt"
        )
    return 0


def _verify_proof(arguments: Namespace) -> int:
    from client.audit import proofs  # noqa: PLC0415

    if arguments.ca is None:
        raise InputError(
            "--proof needs --ca FILE, the certificate of the consortium's authority (ca.crt)"
            " or its roster (roster.json)."
        )
    proven = proofs.check(_json(arguments.proof), _read(arguments.ca))
    if arguments.json:
        console.out_json({"ok": True, **proven})
        return 0
    signed = f"{proven['site']} of {proven['consortium']} signed on {proven['signed'][:19]}"
    if "old" in proven:
        grown = f"{proven['new']} entries, which grew from its record of {proven['old']}."
        console.out(_plain(f"{signed} a record of {grown}"))
        return 0
    console.out(f"{signed} a record of {proven['size']} entries, and this is one:")
    console.out(_plain(json.dumps(proven["entry"], indent=1)))
    return 0


def _home(arguments: Namespace) -> SiteHome:
    if arguments.home is None:
        raise InputError("--home is missing; give the hospital's folder.")
    return SiteHome.open(arguments.home.absolute(), "worker")


def _keys(home: SiteHome, consortium: str) -> dict[str, bytes]:
    """Keys of the hospitals on the accepted roster; none if no roster has come yet."""
    from client.identity import Identity  # noqa: PLC0415

    now = datetime.now(UTC)
    identity = Identity(consortium, b"", home.ca.read_bytes(), home.roster_crt.read_bytes())
    roster = identity.roster(home.state, now)
    return identity.keys(roster, now) if roster else {}


def _held(path: Path, name: str) -> dict[str, Any]:
    """A head of this hospital that somebody else holds.

    Args:
        path: a file with that head alone, or another hospital's others.json.
        name: this hospital's.
    """
    from common.errors import SignatureError  # noqa: PLC0415
    from common.trust import tree_heads  # noqa: PLC0415

    content = _json(path)
    content = content.get(name, content) if isinstance(content, dict) else content
    try:
        tree_heads.read(content)
    except SignatureError as error:
        raise InputError(f"{path} holds no head of {name!r}: {error}") from None
    return dict(content)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); give the file as it was made."
        ) from None


def _json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read as JSON ({type(error).__name__}); give the file as it was made."
        ) from None


def _within(certificate: bytes) -> datetime:
    """Now, or the last moment at which the certificate was valid.

    So an old record can be read after its key has expired.
    """
    from common.trust import certificates  # noqa: PLC0415

    return min(datetime.now(UTC), certificates.details(certificate)["not_after"])


def _plain(text: str) -> str:
    """Without characters that a terminal would obey: entries hold text of the coordinator's."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "consilium site audit verify": verify,
    "consilium site audit show": show,
    "consilium site audit prove": prove,
}
