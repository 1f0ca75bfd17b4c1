"""Every error that Consilium raises on purpose, drawn as one tree.

    ConsiliumError              exit code 1: the work failed
    ├── InputError              exit code 2: what was given is wrong
    │   ├── StudyError          a field of a study file
    │   ├── ArgumentError       a command-line argument
    │   └── CertificateError    a certificate, key or request that this consortium does not accept
    ├── SiteError               one hospital cannot take part; the others go on
    │   ├── CaseError           one image or label of a hospital cannot be used
    │   ├── PolicyError         the hospital's own policy forbids it
    │   │   └── ApprovalError   nobody at the hospital has approved the study yet
    │   └── OutboxError         an answer that holds what may not leave
    ├── WireError               a message that breaks the protocol (the other side is at fault)
    │   ├── SignatureError      a study that the coordinator did not sign, or not for here and now
    │   └── SecureSumError      a step of a secure sum that is not allowed; nothing was revealed
    └── RoundError              a round that cannot finish, e.g. too few hospitals

Whose fault it is, is in the type. The text is one sentence: value found, value allowed, what to do. ``code`` is the type for programs: it
travels with a hospital's refusal, beside an id under which the hospital's own log has the rest.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConsiliumError(Exception):
    """Root of the tree; ``exit_code`` is what a command returns for it."""

    exit_code = 1
    code = "failed"


class InputError(ConsiliumError):
    """What the user gave is wrong."""

    exit_code = 2
    code = "input"


class StudyError(InputError):
    """A field of a study file is wrong."""

    code = "study"


class ArgumentError(InputError):
    """A command-line argument is wrong."""


class CertificateError(InputError):
    """A certificate, key or certificate request is not of this consortium, not for this name, or not valid now."""


class SiteError(ConsiliumError):
    """One hospital cannot take part.

    Args:
        public: sentence that may leave the hospital: counts and rules only, no file name, path, identifier or label.
        local: further detail for the hospital's own log (may name files); never leaves it.
    """

    exit_code = 2
    code = "data"

    def __init__(self, public: str, local: str = "") -> None:
        super().__init__(public)
        self.public = public
        self.local = local or public


class CaseError(SiteError):
    """One image or its label cannot be used; the case is left out and counted."""


class PolicyError(SiteError):
    """The hospital's own policy forbids it; the sentence holds the study's and the policy's numbers, none of the hospital's data."""

    code = "policy"


class ApprovalError(PolicyError):
    """Nobody at the hospital has approved the study yet, or the approval has ended."""

    code = "approval"


class OutboxError(SiteError):
    """An answer holds what may not leave; nothing of it has left."""

    code = "outbox"


class WireError(ConsiliumError):
    """A message breaks the protocol; the message is refused and nothing has changed."""

    code = "message"


class SignatureError(WireError):
    """What the coordinator is said to have signed is not its, not for this consortium or study, or out of date."""

    code = "signature"


class SecureSumError(WireError):
    """A step of a secure sum that the protocol or this side's own limits do not allow; nothing has changed and nothing was revealed.

    Args:
        accused: the hospital whose signed message is at fault, if there is one.
    """

    code = "secure sum"

    def __init__(self, sentence: str, accused: str = "") -> None:
        super().__init__(sentence)
        self.accused = accused


class RoundError(ConsiliumError):
    """A round cannot finish."""

    code = "round"


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the closest allowed name, or an empty string."""
    close = difflib.get_close_matches(found, list(allowed), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
