"""The folders of a simulation's hospitals: only their names are read here, never a file in them."""

from __future__ import annotations

from pathlib import Path

from common.errors import InputError


def hospital_folders(sites: Path) -> list[Path]:
    """The hospital folders, in the order of their numbers.

    Both apps count them here, so that a number means the same hospital to each.

    Raises:
        InputError: there is none.
    """
    if not sites.is_dir():
        raise InputError(
            f"--sites is {str(sites)!r}, which is not a folder; give a folder with one sub-folder"
            " per hospital."
        )
    folders = sorted(f for f in sites.iterdir() if f.is_dir() and not f.name.startswith("."))
    if {"images", "dicom"} & {f.name for f in folders}:
        raise InputError(
            f"--sites is {str(sites)!r}, which is one hospital; give the folder above it, with one"
            " sub-folder per hospital."
        )
    if not folders:
        raise InputError(
            f"--sites {str(sites)!r} has no sub-folder; each hospital is one sub-folder with"
            " images/ or dicom/."
        )
    return folders
