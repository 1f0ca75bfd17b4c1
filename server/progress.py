"""What a person sees while a study runs.

One plain line a step, on a terminal with a live bar below them. Everything goes to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from common.plain_text import printable

_BAR = 14  # characters: with the counts and both times, 30 of 80 columns are left for words


_LONGEST_LINE = 4000
WAITING = "waiting"
"""File in a run's folder while it waits for hospitals: for whom."""


class Reporter:
    """A phase after the other, each with a known number of steps; use as a context manager.

    The bar is gone once the context is left.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, quiet=quiet)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal and not quiet
        name = TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
        )
        times = (
            TimeElapsedColumn(_whole()),
            TextColumn("left", table_column=_whole()),
            TimeRemainingColumn(table_column=_whole()),
        )
        columns = (
            SpinnerColumn(),
            name,
            BarColumn(_BAR),
            MofNCompleteColumn(table_column=_whole()),
            *times,
        )
        own_output = (
            sys.stdout.isatty()
        )  # output that goes elsewhere must not be drawn on this terminal
        self._bar = Progress(
            *columns, console=self._console, transient=True, expand=True, redirect_stdout=own_output
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Reporter:
        if self._live:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._bar.stop()

    def say(self, text: str) -> None:
        """One line; it stays, above the bar."""
        # It may repeat what a hospital said.
        text = printable(text, _LONGEST_LINE)
        self._console.print(text, markup=False, soft_wrap=True)

    def phase(self, name: str, steps: int) -> Callable[[str, int, int], None]:
        """Start a phase.

        The returned function is told ``(note, done, of)`` within a step and ``("line", 0, 0)`` when
        a step is complete.
        """
        done = 0
        task = self._replaced(name, steps)

        def advance(note: str, part: int, parts: int) -> None:
            nonlocal done
            if parts == 0:
                done += 1
                self.say(f"{name} {done}/{steps}: {note}")
            if task is not None and task == self._task:
                share = min(part / parts, 0.999) if parts else 0.0
                self._bar.update(
                    task,
                    completed=done + share,
                    description=printable(f"{name}: {note}" if parts else name),
                )

        return advance

    def _replaced(self, name: str, steps: int) -> TaskID | None:
        """The bar of a new phase in place of the last one's; None without a live terminal."""
        if not self._live:
            return None
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(name, total=steps)
        return self._task


def _whole() -> Column:
    return Column(no_wrap=True)
