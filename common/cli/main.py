"""The ``consilium`` command: reads arguments, calls what does the work, puts errors into words.

Nothing heavy is imported before a command needs it, so ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import NoReturn

from common import environment
from common.cli import console, run_commands
from common.cli.arguments import build
from common.cli.parser import Parser
from common.errors import ArgumentError, ConsiliumError, did_you_mean

_FAILED = 1
_WRONG_INPUT = 2
_SILENT = {**environment.FLOWER, "OMP_WAIT_POLICY": "PASSIVE"}
"""Environment of a command, unless the user's says otherwise.

Flower calls nobody, and threads that wait do not hold a core: on a machine that others use too,
spinning threads made a round fifty times as long.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        exit code: 0 done, 1 the work failed or was stopped, 2 the input is wrong.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    with _Interrupt() as interrupt:
        try:
            code = _run(words)
            # Here, so that a reader that has gone is met now and not when Python ends.
            sys.stdout.flush()
        except SystemExit as stop:  # argparse after --help and --version
            return int(stop.code or 0)
        except KeyboardInterrupt as stop:
            return _stopped(stop)
        except Exception as error:
            return _stopped(error) if interrupt.noted else _failed(error, "--debug" in words)
    return code


class _Interrupt:
    """Notes Ctrl-C: what it cuts short may end in any other error, as a broken-off import does."""

    def __init__(self) -> None:
        self.noted = False
        self._ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def __enter__(self) -> _Interrupt:
        with contextlib.suppress(ValueError):  # outside the main thread no signal arrives
            if self._ours:
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ValueError):
            if self._ours:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, *_: object) -> NoReturn:
        self.noted = True
        raise KeyboardInterrupt


def _stopped(error: BaseException) -> int:
    _complain(" ".join(["stopped at your request.", *getattr(error, "__notes__", ())]))
    return _FAILED


def _failed(error: Exception, debug: bool) -> int:
    if isinstance(error, ConsiliumError):
        _complain(getattr(error, "local", str(error)))
        return error.exit_code
    if isinstance(error, BrokenPipeError):  # the reader of our output has had enough, e.g. | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        _explain(error, debug)
    return _FAILED


def _run(words: Sequence[str]) -> int:
    # Before anything is imported: Flower and OpenMP read these once.
    for name, value in _SILENT.items():
        os.environ.setdefault(name, value)
    parser = build()
    arguments, extra = parser.parse_known_args(words)
    chosen: Parser = getattr(arguments, "parser", parser)
    if extra:
        hint = did_you_mean(extra[0], chosen.options())
        raise ArgumentError(
            f"{extra[0]!r} is not an argument of '{chosen.prog}'{hint}; see '{chosen.prog} --help'."
        )
    command = _COMMANDS.get(chosen.prog) or _deployed(chosen.prog)
    # A group without a command, such as ``consilium study``: show what it has.
    if command is None:
        console.note(chosen.format_help().rstrip("\n"))
        return _WRONG_INPUT
    return command(arguments)


def _deployed(words: str) -> Callable[[Namespace], int] | None:
    """A command of the coordinator's or the hospital's side; no other command loads that side."""
    group = words.removeprefix("consilium ").split()[0]
    if group in ("provision", "server"):
        side = importlib.import_module("server.commands.server_commands")
    elif group == "site":
        side = importlib.import_module("client.commands.site_commands")
    else:
        return None
    command: Callable[[Namespace], int] | None = side.COMMANDS.get(words)
    return command


def _study(arguments: Namespace) -> int:
    from common.cli import study_commands  # noqa: PLC0415

    commands: dict[str, Callable[[Namespace], int]] = {
        "new": study_commands.new,
        "check": study_commands.check,
        "show": study_commands.show,
    }
    return commands[arguments.parser.prog.split()[-1]](arguments)


def _complain(text: str) -> None:
    console.note(f"{console.paint('consilium:', 'red', sys.stderr)} {text}")


def _explain(error: Exception, debug: bool) -> None:
    """A short sentence for an error that nobody foresaw.

    Its trace goes to a file that only the user can read, as it may hold patients' file names, or
    to stderr.
    """
    import tempfile  # noqa: PLC0415
    import traceback  # noqa: PLC0415

    trace = "".join(traceback.format_exception(error))
    if debug:
        console.note(trace.rstrip("\n"))
        _complain(f"unexpected {type(error).__name__}; its trace stands above.")
        return
    with tempfile.NamedTemporaryFile(
        "w", prefix="consilium-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.write(trace)
    _complain(f"unexpected {type(error).__name__}: {error}; full trace written to {file.name}.")


_COMMANDS: dict[str, Callable[[Namespace], int]] = {
    **dict.fromkeys(
        ("consilium study new", "consilium study check", "consilium study show"), _study
    ),
    "consilium simulate": run_commands.simulate,
    "consilium evaluate": run_commands.evaluate,
    "consilium demo": run_commands.demo,
}

if __name__ == "__main__":
    raise SystemExit(main())
