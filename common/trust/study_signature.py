"""What the coordinator signs when a study is submitted, and how a hospital checks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from common.errors import SignatureError
from common.sentences.table import say
from common.study.config import shown
from common.trust import certificates, statements
from common.trust.statements import StatementKind

_KIND = StatementKind(
    context=b"consilium study v1\0",
    noun="study",
    field="statement",
    certified=certificates.COORDINATOR,
    holder="coordinator",
    key="coordinator's key",
    unsigned=say("signature.unsigned"),
    foreign=say("signature.key"),
    refused=say("signature.certificate"),
)
_LONGEST = 256
_SLOW_CLOCKS = timedelta(minutes=5)


@dataclass(frozen=True)
class Statement:
    """That a study may run.

    Attributes:
        consortium: name of the consortium.
        run: name of the run.
        study: digest of the study.
        issued, expires: ISO 8601 in UTC.
    """

    consortium: str
    run: str
    study: str
    issued: str
    expires: str

    def signed(self) -> bytes:
        """The bytes that are signed."""
        return statements.signed(_KIND.context, asdict(self))


def sign(statement: Statement, key_pem: bytes) -> dict[str, Any]:
    """``{"statement": {...}, "signature": base64}`` with the coordinator's key.

    Raises:
        CertificateError: the key is damaged or not Ed25519.
    """
    return _KIND.seal(asdict(statement), key_pem)


def verify(
    sealed: Mapping[str, Any],
    certificate_pem: bytes,
    ca_pem: bytes,
    consortium: str,
    study_digest: str,
    now: datetime,
) -> Statement:
    """What the coordinator stated, if it did, about this very study, here and now.

    Raises:
        SignatureError: it did not; the sentence says what is wrong.
    """
    key = _KIND.signer(certificate_pem, ca_pem, now)
    inner, signature = _KIND.opened(sealed, [f.name for f in fields(Statement)])
    if not all(statements.is_text(value, _LONGEST) for value in inner.values()):
        raise SignatureError(
            f"The study is malformed: each field of its statement is a text of at most {_LONGEST} "
            "characters."
        )
    statement = Statement(**inner)
    _KIND.check(inner, signature, key)
    _check(statement, consortium, study_digest, now)
    return statement


def _check(statement: Statement, consortium: str, study_digest: str, now: datetime) -> None:
    if statement.consortium != consortium:
        text = (
            f"The study is signed for consortium {shown(statement.consortium)}; this hospital "
            f"belongs to {shown(consortium)}."
        )
        raise SignatureError(text, say("signature.consortium"))
    if statement.study != study_digest:
        raise SignatureError(say("signature.another_study"))
    if now + _SLOW_CLOCKS < statements.moment(statement.issued, "signed statement"):
        text = (
            f"The study was signed in the future ({statement.issued}); check the clocks of this "
            "machine and of the coordinator."
        )
        raise SignatureError(text, say("signature.future"))
    if now > statements.moment(statement.expires, "signed statement"):
        text = (
            f"The study's signature expired on {statement.expires}; the coordinator must submit "
            "it again."
        )
        raise SignatureError(text, say("signature.expired"))
