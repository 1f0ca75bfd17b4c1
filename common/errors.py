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

Whose fault it is, is in the type. The text is one sentence: value found, value allowed, what to do.
``sentence`` is what a hospital lets leave of it: a row of the table (``common/sentences/table.py``)
with typed arguments. A SiteError is raised with such a row, and its text is that row's; of the
others only the type's ``general`` row leaves, unless they are raised with a sentence in place of a
text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Self

from common.sentences.table import Sentence, say

# A setting is named at the start of a StudyError: [section.]field, as a study file spells it.
_SETTING = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_.]*[a-z0-9_]|(seed|name|description)(?= is)")


class ConsiliumError(Exception):
    """Root of the tree; ``exit_code`` is what a command returns for it.

    Args:
        text: for this side's own people; or a sentence that may leave a hospital too.
        leaves: the sentence that may leave, where the text says more.
    """

    exit_code = 1
    general = "failure.failed"
    """Code of the sentence that leaves a hospital where the text may not."""

    def __init__(self, text: str | Sentence = "", leaves: Sentence | None = None) -> None:
        super().__init__(text.render() if isinstance(text, Sentence) else text)
        self._sentence = text if isinstance(text, Sentence) else leaves

    @property
    def sentence(self) -> Sentence:
        """What may leave a hospital of it."""
        return self._sentence or self.vague

    @property
    def vague(self) -> Sentence:
        """The type's general sentence."""
        return say(self.general)


class InputError(ConsiliumError):
    """What the user gave is wrong."""

    exit_code = 2
    general = "site.setup"


class StudyError(InputError):
    """A field of a study file is wrong.

    The text begins with the setting's name where one is at fault.
    """

    general = "study.invalid"

    @property
    def sentence(self) -> Sentence:
        """Names the setting, without the value that was found."""
        setting = _SETTING.match(str(self))
        if setting and self._sentence is None:
            return say("study.setting", setting=setting[0])
        return super().sentence


class ArgumentError(InputError):
    """A command-line argument is wrong."""


class CertificateError(InputError):
    """A certificate, key or request is not of this consortium or this name, or not valid now."""

    general = "certificate.refused"


class SiteError(ConsiliumError):
    """One hospital cannot take part.

    Args:
        code: of the row of the table that may leave the hospital; or the whole sentence.
        local: further detail for the hospital's own log (may name files); never leaves it.
        arguments: those of the row.
    """

    # A hospital's own command fails with it where the hospital's input is at fault.
    exit_code = 2
    general = "data.unfit"

    def __init__(self, code: str | Sentence, local: str = "", **arguments: object) -> None:
        super().__init__(code if isinstance(code, Sentence) else say(code, **arguments))
        self.local = local or str(self)

    @property
    def public(self) -> str:
        """The sentence that may leave the hospital, for people."""
        return str(self)

    def at(self, place: object) -> Self:
        """The same error, whose local text begins with a place, e.g. a file."""
        self.local = f"{place}: {self.local}"
        return self


class CaseError(SiteError):
    """One image or its label cannot be used; the case is left out and counted."""


class PolicyError(SiteError):
    """The hospital's own policy forbids it.

    The sentence holds the study's and the policy's numbers, none of the hospital's data.
    """

    general = "policy.refused"


class ApprovalError(PolicyError):
    """Nobody at the hospital has approved the study yet, or the approval has ended."""

    general = "approval.missing"


class OutboxError(SiteError):
    """An answer holds what may not leave; nothing of it has left."""

    general = "outbox.refused"


class WireError(ConsiliumError):
    """A message breaks the protocol; the message is refused and nothing has changed."""

    general = "message.broken"


class SignatureError(WireError):
    """What the coordinator is said to have signed is not its, not for here, or out of date."""

    general = "signature.refused"


class SecureSumError(WireError):
    """A step of a secure sum that the protocol or this side's own limits do not allow.

    Nothing has changed and nothing was revealed.

    Args:
        accused: the hospital whose signed message is at fault, if there is one.
    """

    general = "sum.refused"

    def __init__(
        self, text: str | Sentence, accused: str = "", leaves: Sentence | None = None
    ) -> None:
        super().__init__(text, leaves)
        self.accused = accused


class RoundError(ConsiliumError):
    """A round cannot finish."""


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the closest allowed name, or an empty string."""
    close = difflib.get_close_matches(name, list(allowed), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
