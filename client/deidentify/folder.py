"""A folder of DICOM files to a folder without identifiers.

The output is ``OUT/<pseudonym>/<new SOP instance UID>.dcm``, and a list of what a human must see.

What is kept back is not copied: the list names the files where they are. It stands beside OUT, not
in it, as the key does, since both would lead back to patients.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import UID, MediaStorageDirectoryStorage

from client.deidentify import burned_in
from client.deidentify.header import deidentify
from client.deidentify.method_codes import BASIC_AND_BOTH, Options
from client.deidentify.pseudonyms import Pseudonyms
from client.readers.dicom.opening import guarded, open_header
from common.errors import ArgumentError, CaseError
from common.storage import files

CONFLICT = (
    "Another file with the same SOP instance UID and other content stands in the output; "
    "remove one of the two."
)
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class Withheld:
    """A file that was not copied.

    Attributes:
        file: its path, for this hospital only.
        kind: "look" for a human to look at, "unusable" or "conflict".
        reason: one sentence.
        sha256: what the file held, so that a line stands for what a human looked at and for nothing
            else.
    """

    file: str
    kind: str
    reason: str
    sha256: str = ""


@dataclass
class FolderResult:
    """What became of a folder: files written, files that were there alike, those withheld."""

    written: int = 0
    there: int = 0
    withheld: list[Withheld] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many files were withheld for each reason."""
        return dict(Counter(entry.reason for entry in self.withheld))


def beside(out: Path, ending: str) -> Path:
    """The file beside the output folder that has its name and an ending, e.g. ``out.key``."""
    return out.absolute().with_name(f"{out.absolute().name}.{ending}")


def cleared(path: Path) -> frozenset[str]:
    """The digests in lines of a quarantine list that a human has looked at and found harmless.

    Raises:
        ArgumentError: it cannot be read, or a line is none of such a list.
    """
    try:
        return frozenset(
            str(json.loads(line)["sha256"])
            for line in path.read_text("utf-8").splitlines()
            if line.strip()
        )
    except (OSError, ValueError, TypeError, KeyError):
        raise ArgumentError(
            "The list of cleared files cannot be read; "
            "give lines of the quarantine list of an earlier run."
        ) from None


def run(
    source: Path,
    out: Path,
    key: Path,
    options: Options = BASIC_AND_BOTH,
    passed: frozenset[str] = frozenset(),
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> FolderResult:
    """De-identify every file below a folder.

    A file that cannot be is listed in ``out.quarantine.jsonl`` and the others go on.

    Args:
        source: only ever read.
        out: what stands there is never overwritten.
        key: file for :meth:`~client.deidentify.pseudonyms.Pseudonyms.open`.
        options: what is kept beyond the basic profile.
        passed: digests of files that go on although they look as if they had text in them; see
            :func:`cleared`.
        tell: gets the numbers of files done and of all files.

    Raises:
        ArgumentError: there is no such folder, or it, the output and the key are not apart.
        InputError: the key cannot be used.
    """
    _check(source, out, key)
    work = _Work(out, Pseudonyms.open(key), options, passed)
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    out.mkdir(files.FOLDER, parents=True, exist_ok=True)
    for number, path in enumerate(paths, 1):
        work.take(path)
        tell(number, len(paths))
    lines = "".join(_lines(work.result.withheld))
    files.replace(beside(out, "quarantine.jsonl"), lines.encode())
    return work.result


def _check(source: Path, out: Path, key: Path) -> None:
    if not source.is_dir():
        raise ArgumentError(
            "The folder to de-identify does not exist or is no folder; "
            "name a folder with DICOM files."
        )
    source = source.resolve()
    out = out.resolve()
    if source.is_relative_to(out) or out.is_relative_to(source):
        raise ArgumentError(
            "One of the two folders lies in the other; "
            "give an output folder apart from what is read (--out)."
        )
    if key.resolve().is_relative_to(out):
        raise ArgumentError(
            "The key lies in the output folder and would be handed on with it; "
            "keep it elsewhere (--key)."
        )


@dataclass(frozen=True)
class _Work:
    out: Path
    names: Pseudonyms
    options: Options
    passed: frozenset[str]
    result: FolderResult = field(default_factory=FolderResult)

    def take(self, path: Path) -> None:
        """De-identify one file, or note why not."""
        try:
            with guarded(path):
                header = open_header(path, pixels=True)
                _check_object(header)
                reason = burned_in.look(header)
                digest = _digest(path) if reason else ""
                if reason and digest not in self.passed:
                    self._withhold(path, "look", reason, digest)
                    return
                header = deidentify(header, self.names, self.options)
                content = _content(header)
        except CaseError as error:
            self._withhold(path, "unusable", error.public)
            return
        folder = files.folder(self.out / str(header.PatientID))
        target = folder / f"{header.SOPInstanceUID}.dcm"
        if files.new(target, content):
            self.result.written += 1
        elif target.read_bytes() == content:
            self.result.there += 1
        else:
            self._withhold(path, "conflict", CONFLICT)

    def _withhold(self, path: Path, kind: str, reason: str, digest: str = "") -> None:
        self.result.withheld.append(Withheld(str(path), kind, reason, digest))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_object(header: Dataset) -> None:
    meta = getattr(header, "file_meta", Dataset())
    if (
        "DirectoryRecordSequence" in header
        or meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage
    ):
        raise CaseError("dicom.directory")
    if not all(
        isinstance(header.get(name), str) and header.get(name)
        for name in ("SOPClassUID", "SOPInstanceUID")
    ):
        raise CaseError("dicom.no_object")
    if "Image Storage" in UID(str(header.SOPClassUID)).name and not any(
        name in header for name in _PIXELS
    ):
        raise CaseError("dicom.torn")


def _content(header: Dataset) -> bytes:
    file = BytesIO()
    header.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _lines(withheld: list[Withheld]) -> Iterator[str]:
    yield from (json.dumps(asdict(entry)) + "\n" for entry in withheld)
