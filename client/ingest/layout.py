"""Where things go: the hospital's folder, and beside it what stays with the hospital's IT."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from client.ingest.case_facts import CaseFacts
from common.errors import ArgumentError, InputError
from common.storage import files

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With what a cell begins that spreadsheets calculate, full-width signs too; and the apostrophe, so
that taking one away gives the name back."""


@dataclass(frozen=True)
class Places:
    """Paths of one intake.

    Attributes:
        source: only ever read.
        site: the hospital's folder; holds nothing that identifies.
        key: 32 bytes from which names are made; never inside the other two.
    """

    source: Path
    site: Path
    key: Path

    @classmethod
    def of(cls, source: Path, site: Path, key: Path | None) -> Places:
        """Check that the three do not lie in each other, and make the hospital's folder.

        Raises:
            ArgumentError: they do, or the source is no folder.
        """
        source = source.resolve()
        site = site.resolve()
        key = (key or site.parent / f"{site.name}.key").resolve()
        if not source.is_dir():
            raise ArgumentError(
                f"DIR is {str(source)!r}, which is not a folder; "
                "give the folder that holds the export."
            )
        if source == site or source.is_relative_to(site) or site.is_relative_to(source):
            raise ArgumentError(
                "--out lies in DIR or DIR in --out; "
                "give a folder apart, so that originals and new files cannot mix."
            )
        if key.is_relative_to(site) or key.is_relative_to(source):
            raise ArgumentError(
                "--key lies in DIR or in --out; "
                "keep the key apart from both, since it tells which case is whose."
            )
        try:
            site.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArgumentError(
                f"--out {str(site)!r} cannot be made ({error.strerror}); "
                "give a folder that can be written."
            ) from None
        return cls(source, site, key)

    def local(self, name: str) -> Path:
        """A document beside the hospital's folder, for the hospital's own eyes."""
        return self.site.parent / f"{self.site.name}.{name}"


def earlier_cases(places: Places) -> dict[str, CaseFacts]:
    """Cases of earlier runs by name without ending, as far as their files still stand."""
    log = places.local("cases.jsonl")
    try:
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
    except (OSError, ValueError) as error:
        raise InputError(
            f"{log.name} cannot be read ({error}); "
            "mend its rights, or remove it to take everything in anew."
        ) from None
    cases = {stem(facts.name): facts for facts in map(CaseFacts.parse, lines) if facts is not None}
    return {name: facts for name, facts in cases.items() if (places.site / facts.name).is_file()}


def stem(name: str) -> str:
    """Name of a case from its file: what stands before the first dot."""
    return name.rsplit("/", 1)[-1].split(".", 1)[0]


def write(path: Path, content: bytes) -> None:
    """A document for its owner only, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    try:
        files.replace(path, content)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); make room or mend its rights."
        ) from None


def share(path: Path, content: bytes) -> None:
    """A document of the hospital's folder, readable as the folder's other files are."""
    write(path, content)
    path.chmod(0o644)


def quarantine(rows: Iterable[tuple[str, str]]) -> bytes:
    """What a human must look at, as a table of ``(file, reason)``.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.

    Every cell stands in quotes, so that no separator of another country begins a new one within a
    name.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(("file", "reason"))
    writer.writerows(
        [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row] for row in rows
    )
    return out.getvalue().encode("utf-8", "backslashreplace")
