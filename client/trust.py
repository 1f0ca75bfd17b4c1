"""Whose studies a hospital works on: those that the coordinator of its consortium has signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from common.protocol.envelopes import Question
from common.study.study import Study
from common.trust import study_signature
from common.trust.study_signature import Statement


@dataclass(frozen=True)
class Trust:
    """The consortium's name, the certificate of the coordinator's key, and the authority that vouches for it (PEM)."""

    consortium: str
    coordinator: bytes
    authority: bytes

    def admit(self, plan: Question, study: Study) -> Statement:
        """The coordinator's statement about a question's study.

        Raises:
            SignatureError: the coordinator has not signed this very study, or not for now.
        """
        return study_signature.verify(
            plan.seal,
            self.coordinator,
            self.authority,
            self.consortium,
            study.digest,
            datetime.now(UTC),
        )
