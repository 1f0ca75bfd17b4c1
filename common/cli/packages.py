"""What is installed in this Python: versions, what packages ask for, and the folders that they come from."""

from __future__ import annotations

import json
import os
import site
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata, util
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from common import checks
from common.checks import CheckResult

_OURS = ("server", "client", "common")
_TOLD = ("consilium", "flwr", "torch", "monai")
_GATEWAY = ("consilium", "flwr", "cryptography", "grpcio", "httpx", "numpy")
"""What a gateway without torch is made of."""


def look(*, small: bool = False) -> list[CheckResult]:
    """Findings about versions and places. ``small``: a gateway's installation, which lacks most of what Consilium asks for."""
    told = {name: version for name in _TOLD if (version := _version(name)) is not None}
    wanted = _required("consilium")
    if small:
        wanted = (
            entry
            for entry in wanted
            if entry[2] is not None
            or (entry[0] == "consilium" and Requirement(entry[1]).name in _GATEWAY)
        )
    found = checks.versions(told, wanted)
    places = {name: place for name in _OURS if (place := _place(name))}
    python_path, user = os.environ.get("PYTHONPATH", ""), site.getusersitepackages()
    return found + checks.roots(
        _doubles(sys.path),
        places,
        _installed(),
        python_path,
        user if user in sys.path and any(Path(user).glob("*")) else "",
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _required(first: str) -> Iterator[tuple[str, str, bool | None]]:
    """``(who, requirement, met)`` for a package and all that it needs, as installed; nothing if it is not installed."""
    todo, seen = [(first, frozenset[str]())], set()
    while todo:
        who, extras = todo.pop()
        seen.add((canonicalize_name(who), extras))
        for wanted in _requirements(who, extras):
            version = _version(wanted.name)
            yield (
                who,
                f"{wanted.name}{wanted.specifier}",
                None if version is None else wanted.specifier.contains(version, prereleases=True),
            )
            entry = (wanted.name, frozenset(wanted.extras))
            if version is not None and (canonicalize_name(entry[0]), entry[1]) not in seen:
                todo.append(entry)


def _requirements(who: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """What a package asks for on this machine."""
    try:
        texts = metadata.requires(who) or []
    except metadata.PackageNotFoundError:
        return
    for text in texts:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:  # of an old package; pip has looked at it when it was installed
            continue
        if wanted.marker is None or any(
            wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)
        ):
            yield wanted


def _doubles(path: Sequence[str]) -> dict[str, list[str]]:
    """Packages that are installed in more than one folder of the path."""
    places: dict[str, set[str]] = {}
    for distribution in metadata.distributions(path=list(path)):
        name = distribution.metadata["Name"]
        if name:
            places.setdefault(canonicalize_name(name), set()).add(
                str(Path(str(distribution.locate_file(""))).resolve())
            )
    return {name: sorted(found) for name, found in sorted(places.items()) if len(found) > 1}


def _place(name: str) -> str:
    """The folder that one of our own packages is imported from."""
    found = util.find_spec(name)
    return (
        ""
        if found is None or found.origin is None
        else str(Path(found.origin).resolve().parent.parent)
    )


def _installed() -> str | None:
    """The folder where Consilium is installed, or the source folder that an editable installation points at."""
    try:
        distribution = metadata.distribution("consilium")
    except metadata.PackageNotFoundError:
        return None
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        return str(Path(unquote(urlsplit(origin["url"]).path)).resolve())
    return str(Path(str(distribution.locate_file(""))).resolve())
