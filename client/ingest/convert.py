"""One case from its source into the hospital's folder.

It is converted, read back with the hospital's own reader, compared, and only then named.

A file that stands under its name is complete, shows exactly the values of its source, and is never
written again.
"""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from client.deidentify import burned_in
from client.deidentify.pseudonyms import Pseudonyms
from client.ingest import case_facts, convert_dicom, convert_nifti, convert_raster
from client.ingest.case_facts import CaseFacts, ScanDigest
from client.ingest.cases import CaseSource
from client.ingest.convert_dicom import ConvertedFile
from client.readers import Scan, _registry, raster
from common.errors import CaseError, SiteError

DRAFTS = ".drafts"


def take(source: CaseSource, name: str, patient: str, names: Pseudonyms, site: Path) -> CaseFacts:
    """Write a case under its name.

    Raises:
        CaseError: it cannot be used as it is; the local text names the file.
        SiteError: the hospital's folder cannot be written.
    """
    converted = _convert(source, patient, names)
    target = site / converted.folder / f"{name}{converted.ending}"
    scan = place(converted.content, target, site, converted.digest)
    return case_facts.of(
        scan,
        name=target.relative_to(site).as_posix(),
        sha256=hashlib.sha256(converted.content).hexdigest(),
        patient=patient,
        modality=converted.modality,
        scanner=converted.scanner,
        stamp=source.stamp,
    )


def take_mask(path: Path, case: CaseFacts, site: Path) -> CaseFacts:
    """The mask of a case, under the case's name.

    Raises:
        CaseError: it cannot be read.
        SiteError: as :func:`take`.
    """
    converted = _plain(path)
    stem = Path(case.name).name.removesuffix(_registry.ending(case.name) or "")
    target = site / "masks" / f"{stem}{converted.ending}"
    if not target.exists():
        place(converted.content, target, site, converted.digest, mask=path)
    return replace(case, mask=target.relative_to(site).as_posix())


def place(
    content: bytes, target: Path, site: Path, expected: ScanDigest, mask: Path | None = None
) -> Scan:
    """Write a file that reads as ``expected`` under its name, whole or not at all.

    Raises:
        CaseError: it reads otherwise, or another file has that name.
        SiteError: it cannot be written.
    """
    draft = site / DRAFTS / target.name
    try:
        draft.parent.mkdir(exist_ok=True)
        target.parent.mkdir(exist_ok=True)
        draft.write_bytes(content)
        scan = _registry.read(draft)
        if not case_facts.scan_digest(scan).same(expected) or (
            mask is not None and not _same_numbers(draft, mask)
        ):
            raise CaseError("case.changed")
        _name(draft, target)
        return scan
    except FileExistsError:
        # an earlier run was stopped before it could note the case
        if _holds(target, content):
            return scan
        raise CaseError("case.taken", f"{target}") from None
    except OSError as error:
        raise SiteError("data.unwritable", f"{error}") from None
    finally:
        draft.unlink(missing_ok=True)


def _name(draft: Path, target: Path) -> None:
    """Give a draft its name unless there is one."""
    try:
        os.link(draft, target)
    except OSError as error:
        # some network disks know no second names for a file
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        if target.exists():
            raise FileExistsError from None
        draft.rename(target)


def _convert(source: CaseSource, patient: str, names: Pseudonyms) -> ConvertedFile:
    if source.kind in ("picture", "nifti"):
        return _plain(source.files[0], look=source.kind == "picture" and not source.cleared)
    return convert_dicom.convert(source, patient, names)


def _plain(path: Path, look: bool = False) -> ConvertedFile:
    digest = _looked_at(path, look)
    content, ending = (
        convert_nifti.bare(path)
        if (_registry.ending(path.name) or "").startswith(".nii")
        else convert_raster.bare(path)
    )
    return ConvertedFile(
        content,
        folder="images",
        ending=ending,
        digest=digest,
        modality={".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}.get(ending, "NIfTI"),
    )


def _looked_at(path: Path, look: bool) -> ScanDigest:
    """What a file shows; its values are freed before anything is made of it."""
    scan = _registry.read(path)
    reason = convert_dicom.printed(scan.array) if look else None
    if reason:
        raise CaseError(burned_in.CODES[reason])
    return case_facts.scan_digest(scan)


def _holds(path: Path, content: bytes) -> bool:
    return path.stat().st_size == len(content) and path.read_bytes() == content


def _same_numbers(draft: Path, mask: Path) -> bool:
    """Whether a palette picture kept its numbers, which a mask may mean rather than the colours."""
    try:
        return bool(
            np.array_equal(raster.read_indices(draft).array, raster.read_indices(mask).array)
        )
    except CaseError:
        return True
