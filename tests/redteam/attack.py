"""An attack, its control and what came of both.

A control plays the same script once more with the defence switched off that the attack names. If it
does not succeed then, the script proves nothing.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import inspect
import json
import tempfile
import textwrap
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from tests.redteam.stage import RefusedError, Stage

Play = Callable[[Stage], bool]
Off = Callable[[ExitStack], None]


@dataclass(frozen=True)
class Attack:
    """A script against hospitals.

    Attributes:
        name: what is tried.
        play: True if the attacker got what he wanted; a hospital's refusal comes as
            :class:`RefusedError`.
        off: switches the defence off.
        adversary: who plays.
        speaks: a hospital must refuse in a sentence and write it down; False where there is nothing
            to refuse.
        limit: what no secure sum can prevent while hospitals may drop out; the script succeeds, and
            deploy/security.md says so.
    """

    name: str
    play: Play
    off: Off
    adversary: str = "malicious server"
    speaks: bool = True
    limit: str = ""


@dataclass(frozen=True)
class Verdict:
    """What an attack came to; see the fields of :class:`Attack`."""

    attack: str
    adversary: str
    succeeded: bool
    refused_by: str
    audit: bool
    control: bool
    limit: str
    ok: bool

    def line(self) -> str:
        """As printed."""
        return json.dumps(asdict(self))


def judge(attack: Attack) -> Verdict:
    """Play an attack, then its control."""
    succeeded, sentence, audit = _played(attack.play)
    with ExitStack() as switches:
        attack.off(switches)
        control, _, _ = _played(attack.play)
    refused = bool(sentence) and audit
    held = not succeeded and control and (refused or not attack.speaks)
    ok = succeeded if attack.limit else held
    return Verdict(
        attack.name, attack.adversary, succeeded, sentence, audit, control, attack.limit, ok
    )


def _played(play: Play) -> tuple[bool, str, bool]:
    with tempfile.TemporaryDirectory(prefix="redteam-") as folder:
        stage = Stage(Path(folder))
        try:
            return play(stage), "", stage.noted()
        except RefusedError as refusal:
            return False, str(refusal), stage.noted(refusal)


def _as_written_back(code: str) -> str:
    """A statement, or the head of one (``if x:``), as ``ast.unparse`` writes it.

    A piece of one only changes its quotes.
    """
    for whole in (code, f"{code} pass"):
        with contextlib.suppress(SyntaxError):
            return ast.unparse(ast.parse(whole)).split("\n")[0]
    return code.replace('"', "'")


def changed(owner: Any, name: str, *edits: tuple[str, str]) -> Off:
    """Switch.

    A function or method with some of its own text replaced, whatever the lines it is broken into.

    Each text must stand in it exactly once, so that a lost check shows; it is written as Python
    writes code back (``ast.unparse``).
    """

    def off(switches: ExitStack) -> None:
        function = inspect.getattr_static(owner, name)
        text = ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(function))))
        for written, new in edits:
            old = _as_written_back(written)
            if text.count(old) != 1:
                raise LookupError(
                    f"{name} holds {old!r} {text.count(old)} times; the control needs it once"
                )
            text = text.replace(old, new)
        made: dict[str, Any] = {}
        code = compile(
            ast.parse(text),
            inspect.getfile(function),
            "exec",
            flags=__future__.annotations.compiler_flag,
        )
        exec(code, function.__globals__, made)
        switches.enter_context(mock.patch.object(owner, name, made[name]))

    return off


def replaced(owner: Any, name: str, value: Any) -> Off:
    """Switch: something else in a place."""

    def off(switches: ExitStack) -> None:
        switches.enter_context(mock.patch.object(owner, name, value))

    return off


def both(*offs: Off) -> Off:
    """Several switches, where several defences stand behind each other."""

    def off(switches: ExitStack) -> None:
        for one in offs:
            one(switches)

    return off
