"""``consilium site audit``: the hospital's record, read as an auditor does. Off-line; the server is asked nothing."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from client.home import SiteHome
from common.cli import console
from common.errors import InputError

_LARGEST = 4 << 20
_SHOWN = ("event", "kind", "round", "run", "study", "fault", "reason", "by", "user", "patients")


def verify(given: Namespace) -> int:
    """Is the record whole and true to every head that was signed; or, with --proof, is one entry proved."""
    if given.proof is not None:
        return _verify_proof(given)
    from client.audit import verification  # noqa: PLC0415
    from common.trust import roster as rosters  # noqa: PLC0415

    home = _home(given)
    settings, certificate = home.settings(), home.identity_crt.read_bytes()
    key = rosters.public_key(certificate, home.ca.read_bytes(), settings.name, _within(certificate))
    held = None if given.held is None else _held(given.held, settings.name)
    found = verification.verify(home.state, key, settings.consortium, settings.name, held)
    verification.add_others(
        found, home.state, _keys(home, settings.consortium), settings.consortium
    )
    if given.json:
        console.out_json({"ok": not found.wrong, **vars(found)})
    else:
        console.out(f"{found.entries} entries, root {found.root}, {found.heads} signed heads")
        for sentence in found.wrong:
            console.out(_plain(f"wrong: {sentence}"))
        for sentence in found.evidence:
            console.out(_plain(f"noted: {sentence}"))
        if not found.wrong:
            console.out(
                f"The record is whole and says what was signed{f'; its last entry is of {found.newest}' if found.newest else ''}."
            )
    return 1 if found.wrong else 0


def show(given: Namespace) -> int:
    """The entries of the record."""
    from client.audit import verification  # noqa: PLC0415

    entries = verification.show(_home(given).state, given.last, given.event)
    if given.json:
        console.out_json({"entries": entries})
        return 0
    for entry in entries:
        told = "  ".join(
            f"{key} {entry[key]}" for key in _SHOWN if entry.get(key) not in (None, "")
        )
        left = (
            f"  left: {', '.join(entry['left'])} ({entry['bytes']} bytes)"
            if entry.get("left")
            else ""
        )
        console.out(
            _plain(f"{entry.get('seq', '?'):>6}  {str(entry.get('at', ''))[:19]}  {told}{left}")
        )
    if not entries:
        console.out("The record has no such entry.")
    return 0


def prove(given: Namespace) -> int:
    """A proof of one entry for a third party, under a head that is signed now."""
    from client.audit import proofs, witness  # noqa: PLC0415
    from client.identity import Identity, Trust, raw_key  # noqa: PLC0415
    from client.site import Site  # noqa: PLC0415

    if (given.entry is None) == (given.between is None):
        raise InputError("Give either the NUMBER of an entry or --between OLD NEW.")
    home = _home(given)
    if given.between is not None:
        old, new = given.between
        return _write(given, proofs.growth(home.state, old, new, home.identity_crt.read_bytes()))
    settings, authority = home.settings(), home.ca.read_bytes()
    identity = Identity(
        settings.consortium,
        raw_key(home.identity_key.read_bytes()),
        authority,
        home.roster_crt.read_bytes(),
    )
    trust = Trust(settings.consortium, home.coordinator.read_bytes(), authority)
    signed = witness.sign(
        Site(settings.name, (), home.state, identity=identity, trust=trust), "", 0
    )
    return _write(
        given, proofs.entry(home.state, given.entry, signed, home.identity_crt.read_bytes())
    )


def _write(given: Namespace, proof: dict[str, Any]) -> int:
    """A proof on stdout, or in a new file."""
    if given.out is None:
        console.out_json(proof)
        return 0
    if given.out.exists():
        raise InputError(f"{given.out} exists; give another name.")
    given.out.write_text(json.dumps(proof, indent=1) + "\n", "utf-8")
    if given.json:
        console.out_json({"proof": str(given.out)})
    else:
        console.out(
            f"The proof is in {given.out}; check it anywhere: consilium site audit verify --proof {given.out} --ca ca.crt"
        )
    return 0


def _verify_proof(given: Namespace) -> int:
    from client.audit import proofs  # noqa: PLC0415

    if given.ca is None:
        raise InputError(
            "--proof needs --ca FILE, the certificate of the consortium's authority (ca.crt) or its roster (roster.json)."
        )
    found = proofs.check(_json(given.proof), _read(given.ca))
    if given.json:
        console.out_json({"ok": True, **found})
        return 0
    if "old" in found:
        told = f"signed on {found['signed'][:19]} a record of {found['new']} entries, which grew from its record of {found['old']}."
        console.out(_plain(f"{found['site']} of {found['consortium']} {told}"))
        return 0
    console.out(
        f"{found['site']} of {found['consortium']} signed on {found['signed'][:19]} a record of {found['size']} entries, and this is one:"
    )
    console.out(_plain(json.dumps(found["entry"], indent=1)))
    return 0


def _home(given: Namespace) -> SiteHome:
    if given.home is None:
        raise InputError("--home is missing; give the hospital's folder.")
    return SiteHome.open(given.home.absolute(), "worker")


def _keys(home: SiteHome, consortium: str) -> dict[str, bytes]:
    """Keys of the hospitals on the roster that this one has accepted; none if no roster has come yet."""
    from client.identity import Identity  # noqa: PLC0415

    now = datetime.now(UTC)
    identity = Identity(consortium, b"", home.ca.read_bytes(), home.roster_crt.read_bytes())
    roster = identity.roster(home.state, now)
    return identity.keys(roster, now) if roster else {}


def _held(path: Path, name: str) -> dict[str, Any]:
    """A head of this hospital in a file of somebody else's: a head by itself, or another hospital's others.json."""
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
    """Now, or the last moment at which the certificate was valid: an old record can be read after its key has expired."""
    from common.trust import certificates  # noqa: PLC0415

    return min(datetime.now(UTC), certificates.details(certificate)["not_after"])


def _plain(text: str) -> str:
    """Without characters that a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "consilium site audit verify": verify,
    "consilium site audit show": show,
    "consilium site audit prove": prove,
}
