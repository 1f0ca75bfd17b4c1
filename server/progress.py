"""What a person sees while a study runs: a live bar on a terminal, one plain line a step elsewhere. Everything goes to stderr."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_NAME = 18
"""Characters of a name on the bar, so that it fits into 80 columns."""


class Reporter:
    """A phase after the other, each with a known number of steps; use as a context manager."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, quiet=quiet)
        self._live = self._console.is_terminal and not quiet
        named = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[hospital]}"))
        columns = (*named, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(compact=True))
        self._bar = Progress(*columns, console=self._console, transient=False)

    def __enter__(self) -> Reporter:
        if self._live:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._bar.stop()

    def say(self, text: str) -> None:
        """One line."""
        self._console.print(text, markup=False, soft_wrap=True)

    def phase(self, name: str, steps: int) -> Callable[[str, int, int], None]:
        """Start a phase; the returned function is told ``(note, done, of)`` within a step and ``("line", 0, 0)`` when a step is complete."""
        task = self._bar.add_task(name[:_NAME], total=steps, hospital="") if self._live else None
        done = 0

        def advance(note: str, part: int, parts: int) -> None:
            nonlocal done
            if parts == 0:
                done += 1
                self.say(f"{name} {done}/{steps}: {note}")
            if task is not None:
                hospital = note[:_NAME] if parts else ""
                self._bar.update(task, completed=done + (part / parts if parts else 0.0), hospital=hospital, visible=done < steps)

        return advance


