"""What is installed in this Python: versions, what packages ask for, and where they lie."""

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

from common.checks import CheckResult
from common.cli import installation

_OURS = ("server", "client", "common")
_SHOWN = ("consilium", "flwr", "torch", "monai")
_GATEWAY = ("consilium", "flwr", "cryptography", "grpcio", "httpx", "numpy")
"""What a gateway without torch is made of."""


def look(*, small: bool = False) -> list[CheckResult]:
    """Findings about versions and places.

    Args:
        small: this is a gateway's installation, which lacks most of what Consilium asks for.
    """
    installed = {name: version for name in _SHOWN if (version := _version(name)) is not None}
    required = _required("consilium")
    if small:
        required = (
            entry
            for entry in required
            if entry[2] is not None
            or (entry[0] == "consilium" and Requirement(entry[1]).name in _GATEWAY)
        )
    user_site = site.getusersitepackages()
    return installation.versions(installed, required) + installation.roots(
        doubles=_doubles(sys.path),
        ours={name: place for name in _OURS if (place := _place(name))},
        home=_installed(),
        python_path=os.environ.get("PYTHONPATH", ""),
        user_site=user_site if user_site in sys.path and any(Path(user_site).glob("*")) else "",
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _required(first: str) -> Iterator[tuple[str, str, bool | None]]:
    """``(package, requirement, met)`` for a package and all that it needs, as installed.

    Nothing if the first one is not installed.
    """
    todo = [(first, frozenset[str]())]
    seen = set()
    while todo:
        package, extras = todo.pop()
        seen.add((canonicalize_name(package), extras))
        for requirement in _requirements(package, extras):
            name = requirement.name
            specifier = requirement.specifier
            version = _version(name)
            met = None if version is None else specifier.contains(version, prereleases=True)
            yield package, f"{name}{specifier}", met
            needed = frozenset(requirement.extras)
            # Packages ask for each other in circles, so each is looked at once for its extras.
            if version is not None and (canonicalize_name(name), needed) not in seen:
                todo.append((name, needed))


def _requirements(package: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """What a package asks for on this machine."""
    try:
        texts = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:  # of an old package; pip has looked at it when it was installed
            continue
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def _doubles(path: Sequence[str]) -> dict[str, list[str]]:
    """Packages that are installed in more than one folder of the path."""
    places: dict[str, set[str]] = {}
    for distribution in metadata.distributions(path=list(path)):
        name = distribution.metadata["Name"]
        if name:
            places.setdefault(canonicalize_name(name), set()).add(
                str(Path(str(distribution.locate_file(""))).resolve())
            )
    return {name: sorted(folders) for name, folders in sorted(places.items()) if len(folders) > 1}


def _place(name: str) -> str:
    """The folder that one of our own packages is imported from."""
    spec = util.find_spec(name)
    if spec is None or spec.origin is None:
        return ""
    return str(Path(spec.origin).resolve().parent.parent)


def _installed() -> str | None:
    """The folder where Consilium is installed; of an editable installation its source folder."""
    try:
        distribution = metadata.distribution("consilium")
    except metadata.PackageNotFoundError:
        return None
    # PEP 610: pip writes this file where it installed from a folder.
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        return str(Path(unquote(urlsplit(origin["url"]).path)).resolve())
    return str(Path(str(distribution.locate_file(""))).resolve())
