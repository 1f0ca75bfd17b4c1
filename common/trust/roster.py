"""The signed roster: which hospitals belong to a consortium, and with which identity.

It is signed off-line, beyond the reach of the server.

The roster key signs nothing else. A hospital pins its certificate (roster.crt of the kit), keeps
the highest version that it has seen, and refuses an older one: a hospital is shut out by a newer
roster without it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from common.errors import CertificateError, SignatureError
from common.sentences.table import say
from common.study.config import shown
from common.trust import certificates, statements
from common.trust.statements import StatementKind

MOST_SITES = 1000
"""Hospitals on a roster."""
LARGEST = 1 << 20
"""Bytes of a roster's JSON."""
_KIND = StatementKind(
    context=b"consilium roster v1\0",
    noun="roster",
    field="roster",
    certified=certificates.ROSTER,
    holder="roster key",
    key="consortium's roster key",
    unsigned=say("roster.unsigned"),
    foreign=say("roster.key"),
    refused=say("roster.certificate"),
)
_FINGERPRINT = b"consilium fingerprint v1\0"
_LONGEST = 256
_LONGEST_PEM = 8192
_LAST_VERSION = 1 << 53


@dataclass(frozen=True)
class Roster:
    """Who belongs to a consortium.

    Attributes:
        consortium: its name.
        version: 1 or more; rises with every signing.
        issued: ISO 8601 in UTC.
        sites: identity certificate (PEM) of each hospital, by name, in the order of the names.
    """

    consortium: str
    version: int
    issued: str
    sites: Mapping[str, str] = field(hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sites", dict(sorted(self.sites.items())))

    @property
    def digest(self) -> bytes:
        """SHA-256 of what is signed: two sides with one digest have one roster."""
        return hashlib.sha256(self.signed()).digest()

    def signed(self) -> bytes:
        """The bytes that are signed."""
        return statements.signed(_KIND.context, asdict(self))


def sign(roster: Roster, key_pem: bytes) -> dict[str, Any]:
    """``{"roster": {...}, "signature": base64}`` with the roster key.

    Raises:
        CertificateError: the key is damaged or not Ed25519.
        SignatureError: the roster is empty, too large or has a field that nobody would accept.
    """
    sealed = _KIND.seal(asdict(roster), key_pem)
    _opened(sealed)
    return sealed


def verify(
    signed: Mapping[str, Any],
    pinned_pem: bytes,
    ca_pem: bytes,
    consortium: str,
    now: datetime,
    least_version: int = 0,
) -> Roster:
    """The roster, if the pinned roster key has signed it for this consortium.

    An expired identity makes that hospital unusable (see :func:`keys`) and leaves the roster as
    good as it was.

    Args:
        signed: as :func:`sign` made it.
        pinned_pem: roster.crt, the bytes that came with the kit; never a certificate that came with
            the roster.
        ca_pem: the consortium's authority.
        consortium: its name.
        now: UTC.
        least_version: the highest version seen so far.

    Raises:
        SignatureError: it cannot be used; the sentence says what is wrong.
    """
    key = _KIND.signer(pinned_pem, ca_pem, now)
    roster, signature = _opened(signed)
    _KIND.check(asdict(roster), signature, key)
    if roster.consortium != consortium:
        text = (
            f"The roster is that of consortium {shown(roster.consortium)}; that of "
            f"{shown(consortium)} is needed here."
        )
        raise SignatureError(text, say("roster.consortium"))
    if roster.version < least_version:
        raise SignatureError(say("roster.older", version=roster.version, kept=least_version))
    _check_sites(roster, ca_pem)
    return roster


def keys(roster: Roster, ca_pem: bytes, now: datetime) -> dict[str, bytes]:
    """Ed25519 public keys (32 bytes) of the hospitals of a verified roster.

    A hospital whose certificate is not valid now is left out.
    """
    valid = {}
    for name, text in roster.sites.items():
        try:
            certificates.check(text.encode(), ca_pem, None, now)
        except CertificateError:
            continue
        valid[name] = statements.public_key(text.encode())
    return valid


def public_key(certificate: bytes, ca_pem: bytes, name: str, now: datetime) -> bytes:
    """Ed25519 public key (32 bytes) of a hospital's certificate, checked for that time.

    The consortium's authority must have issued it, for this hospital.

    Raises:
        CertificateError: it is not this consortium's, not this hospital's, or not valid at that
            time.
    """
    certificates.check(certificate, ca_pem, name, now)
    return statements.public_key(certificate)


def fingerprint(document: bytes) -> str:
    """What two people compare by voice: 30 decimal digits in six groups of five.

    The digits are SHA-256 over a domain tag and the DER form of the public key
    (SubjectPublicKeyInfo, RFC 5280 section 4.1.2.7), modulo 10^30: about 99 bits, so that nobody
    finds a second key with the same digits.

    Args:
        document: certificate, certificate request or public key, PEM; the same key gives the same
            digits.

    Raises:
        CertificateError: it is none of these.
    """
    key = load_pem_public_key(certificates.key_in(document))
    digest = hashlib.sha256(
        _FINGERPRINT + key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).digest()
    digits = f"{int.from_bytes(digest) % 10**30:030}"
    return " ".join(digits[i : i + 5] for i in range(0, len(digits), 5))


def dumps(signed: Mapping[str, Any]) -> bytes:
    """A signed roster's file."""
    return (json.dumps(signed, sort_keys=True, indent=1) + "\n").encode()


def loads(content: bytes) -> dict[str, Any]:
    """The signed roster in a file, not verified yet.

    Raises:
        SignatureError: it is no JSON object, or too large.
    """
    if len(content) > 2 * LARGEST:
        raise SignatureError(
            f"The roster has {len(content)} bytes; at most {2 * LARGEST} are allowed."
        )
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise SignatureError("The roster is damaged: it is not a JSON object.")
    return document


def _opened(sealed: Any) -> tuple[Roster, bytes]:
    inner, signature = _KIND.opened(sealed, [f.name for f in fields(Roster)])
    if not isinstance(inner["sites"], Mapping):
        raise SignatureError("The roster is malformed: its hospitals must be a table.")
    sites = inner["sites"]
    version = inner["version"]
    if not 1 <= len(sites) <= MOST_SITES:
        raise SignatureError(
            f"The roster has {len(sites)} hospitals; 1 to {MOST_SITES} are allowed."
        )
    short = (inner["consortium"], inner["issued"], *sites)
    if not all(_is_text(text, _LONGEST) for text in short) or not all(
        _is_text(t, _LONGEST_PEM) and t.isascii() for t in sites.values()
    ):
        raise SignatureError(
            f"The roster is malformed: texts of at most {_LONGEST} characters and certificates of "
            f"{_LONGEST_PEM} are allowed."
        )
    if (
        not isinstance(version, int)
        or isinstance(version, bool)
        or not 1 <= version <= _LAST_VERSION
    ):
        raise SignatureError(
            "The roster is malformed: its version must be a whole number from 1 on."
        )
    statements.moment(inner["issued"], "roster")
    roster = Roster(**inner)
    if len(roster.signed()) > LARGEST:
        raise SignatureError(
            f"The roster has {len(roster.signed())} bytes; at most {LARGEST} are allowed."
        )
    return roster, signature


def _check_sites(roster: Roster, ca_pem: bytes) -> None:
    holders: dict[bytes, str] = {}
    for name, text in roster.sites.items():
        certificate = text.encode()
        try:
            details = certificates.details(certificate)
            # Checked for a moment when it was valid: one expired certificate must not spoil the
            # roster, see keys().
            inside = min(
                max(details["not_before"], datetime.fromisoformat(roster.issued)),
                details["not_after"],
            )
            certificates.check(certificate, ca_pem, None, inside)
            certificates.check_key(certificate, "identity")
        except CertificateError as error:
            raise SignatureError(
                f"The roster's certificate of {shown(name)} is refused: {error}",
                say("roster.certificate"),
            ) from None
        if details["name"] != name:
            raise SignatureError(
                f"The roster's certificate of {shown(name)} is refused: it was made for "
                f"{shown(details['name'])}."
            )
        other = holders.setdefault(statements.public_key(certificate), name)
        if other != name:
            raise SignatureError(
                f"The roster gives {shown(other)} and {shown(name)} one key; every hospital needs "
                "its own."
            )


def _is_text(value: object, longest: int) -> bool:
    return value != "" and statements.is_text(value, longest)
