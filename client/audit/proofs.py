"""Proofs for third parties: an entry is in a signed record, or one signed record grew from another.

A proof is one JSON object with everything in it but the trust: whoever checks it brings the
certificate of the consortium's authority, or the consortium's roster. The hospital is not needed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from client.audit import verification, witness
from common.errors import CertificateError, InputError, SignatureError
from common.trust import merkle, statements, tree_heads
from common.trust import roster as rosters
from common.trust.tree_heads import Head

ENTRY = "consilium proof 1"
GROWTH = "consilium growth 1"
LARGEST = 1 << 20
"""Most bytes of a proof."""


def entry(
    state: Path, number: int, signed: Mapping[str, Any], certificate: bytes
) -> dict[str, Any]:
    """A proof of one entry.

    Args:
        state: the worker's folder.
        number: of the entry, from 0.
        signed: a head over it, as it travels.
        certificate: of the key that signed the head (PEM).

    Raises:
        InputError: there is no such entry, or it is newer than the head.
    """
    lines = list(verification.lines(state))[: signed["size"]]
    if not 0 <= number < len(lines):
        raise InputError(
            f"The signed record has entries 0 to {len(lines) - 1}; "
            f"entry {number} is not among them."
        )
    path = merkle.inclusion([merkle.leaf(line) for line in lines], number)
    return {
        "form": ENTRY,
        "entry": base64.b64encode(lines[number]).decode(),
        "number": number,
        "path": _texts(path),
        "head": dict(signed),
        "certificate": certificate.decode(),
    }


def growth(state: Path, old: int, new: int, certificate: bytes) -> dict[str, Any]:
    """A proof that this hospital's record of ``new`` entries grew from that of ``old`` entries.

    Args:
        state: the worker's folder.
        old, new: numbers of entries, over both of which a head was signed.
        certificate: of the key that signed the heads (PEM).

    Raises:
        InputError: no head was signed over so many entries, or the record is shorter.
    """
    signed = {head["size"]: head for head in witness.own(state)}
    for size in (old, new):
        if size not in signed or size < 1:
            near = sorted(signed, key=lambda other: (abs(other - size), other))[:5]
            sizes = ", ".join(map(str, near)) or "none"
            raise InputError(f"No head was signed over {size} entries; near it there are: {sizes}.")
    leaves = [merkle.leaf(line) for line in verification.lines(state)][:new]
    if not old <= new == len(leaves):
        raise InputError(
            f"A record of {new} entries is to grow from one of {old}, and {len(leaves)} are here; "
            "give the smaller one first."
        )
    ends = {"old": signed[old], "new": signed[new], "path": _texts(merkle.consistency(leaves, old))}
    return {"form": GROWTH, **ends, "certificate": certificate.decode()}


def check(proof: Any, trusted: bytes) -> dict[str, Any]:
    """What a proof proves.

    Args:
        proof: as :func:`entry` or :func:`growth` made it.
        trusted: the certificate of the consortium's authority (PEM), or the consortium's signed
            roster as a file (``roster.json``), whose word for the hospital's key is then taken.

    Returns:
        ``{"site", "consortium", "number", "size", "signed", "entry"}``, or
        ``{"site", "consortium", "old", "new", "signed"}``.

    Raises:
        InputError: the proof is of another form, or it does not hold.
    """
    kinds = {ENTRY: _check_entry, GROWTH: _check_growth}
    form = proof.get("form") if isinstance(proof, Mapping) else None
    if not isinstance(form, str) or form not in kinds:
        raise InputError(
            f"The file is no proof; one of the form {' or '.join(map(repr, kinds))} is allowed."
        )
    try:
        return kinds[form](proof, trusted)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"The proof is damaged ({type(error).__name__}); ask for it again."
        ) from None
    except (SignatureError, CertificateError) as error:
        raise InputError(f"The proof does not hold: {error}") from None


def _check_entry(proof: Mapping[str, Any], trusted: bytes) -> dict[str, Any]:
    head = _head(proof, "head", trusted)
    number = proof["number"]
    raw = base64.b64decode(proof["entry"], validate=True)
    if type(number) is not int:
        raise TypeError
    included = merkle.is_included(
        merkle.leaf(raw),
        number,
        head.size,
        path=_hashes(proof["path"]),
        root_hash=bytes.fromhex(head.root),
    )
    if not included:
        raise InputError("The proof does not hold: the entry is not in the record that was signed.")
    return {
        "site": head.site,
        "consortium": head.consortium,
        "number": number,
        "size": head.size,
        "signed": head.at,
        "entry": json.loads(raw),
    }


def _check_growth(proof: Mapping[str, Any], trusted: bytes) -> dict[str, Any]:
    old, new = (_head(proof, end, trusted) for end in ("old", "new"))
    grown = merkle.is_grown(
        old=old.size,
        new=new.size,
        old_root=bytes.fromhex(old.root),
        new_root=bytes.fromhex(new.root),
        path=_hashes(proof["path"]),
    )
    if (old.site, old.consortium) != (new.site, new.consortium) or not grown:
        raise InputError(
            "The proof does not hold: the newer record did not grow from the older one, "
            "or is another hospital's."
        )
    return {
        "site": new.site,
        "consortium": new.consortium,
        "old": old.size,
        "new": new.size,
        "signed": new.at,
    }


def _head(proof: Mapping[str, Any], name: str, trusted: bytes) -> Head:
    """A head in a proof, signed with the key that the trusted file gives the hospital."""
    head = tree_heads.read(proof[name])
    certificate = str(proof["certificate"]).encode()
    if trusted.lstrip()[:1] == b"{":
        key = _listed(rosters.loads(trusted), head, certificate)
    else:
        # At the time of the signature: the certificate may have ended since.
        signed_at = datetime.fromisoformat(head.at).astimezone(UTC)
        key = rosters.public_key(certificate, trusted, head.site, signed_at)
    return tree_heads.verify(proof[name], key, head.consortium)


def _listed(signed: Mapping[str, Any], head: Head, certificate: bytes) -> bytes:
    roster = signed["roster"]
    if (
        roster["consortium"] != head.consortium
        or roster["sites"].get(head.site, "").encode().strip() != certificate.strip()
    ):
        raise SignatureError(f"The roster does not list {head.site!r} with this certificate.")
    return statements.public_key(certificate)


def _texts(path: Sequence[bytes]) -> list[str]:
    return [digest.hex() for digest in path]


def _hashes(texts: Any) -> list[bytes]:
    # A path is as long as the tree is high; this is more than any record can have.
    if not isinstance(texts, list) or len(texts) > 128:
        raise TypeError
    return [bytes.fromhex(text) for text in texts]
