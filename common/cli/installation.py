"""How facts about an installation are judged; common/cli/packages.py collects them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from common.checks import CheckResult, ok, warning, wrong

_NAME = "packages"
_ONE_ENVIRONMENT = "keep one environment for Consilium and install into that"
_MOST_FAULTS = 3
"""More in one line are noise: one wrong installation makes them all."""


def versions(
    installed: Mapping[str, str], required: Iterable[tuple[str, str, bool | None]]
) -> list[CheckResult]:
    """Whether what is installed is what the installed packages ask for.

    Args:
        installed: version of each package that is worth a line.
        required: ``(package, requirement, met)``; met is None if what is required is missing.
    """
    faults = [
        f"{package} needs {requirement}, which is"
        f" {'not installed' if met is None else 'not what is installed'}"
        for package, requirement, met in required
        if not met
    ]
    if faults:
        mismatch = f"version mismatch: {'; '.join(faults[:_MOST_FAULTS])}"
        return [wrong("versions", mismatch, "install anew, with the constraints file")]
    return [ok("versions", ", ".join(f"{name} {version}" for name, version in installed.items()))]


def roots(
    doubles: Mapping[str, Sequence[str]],
    ours: Mapping[str, str],
    home: str | None,
    python_path: str,
    user_site: str,
) -> list[CheckResult]:
    """Whether every package comes from one place.

    Args:
        doubles: folders of each package that is installed more than once.
        ours: folder from which each of our own packages is imported.
        home: folder where they are installed; None if they are not.
        python_path: PYTHONPATH.
        user_site: the user's own packages' folder, "" if it is not looked into.
    """
    findings = [
        wrong(_NAME, f"{name} is installed twice, in {' and in '.join(places)}", _ONE_ENVIRONMENT)
        for name, places in doubles.items()
    ]
    findings += _uninstalled(ours) if home is None else _imported_from_elsewhere(ours, home)
    findings += _additions(python_path, user_site)
    return findings or [ok(_NAME, f"all from one place, {home}")]


def _imported_from_elsewhere(ours: Mapping[str, str], home: str) -> list[CheckResult]:
    return [
        wrong(_NAME, f"{name} is imported from {place} instead of {home}", _ONE_ENVIRONMENT)
        for name, place in ours.items()
        if place != home
    ]


def _uninstalled(ours: Mapping[str, str]) -> list[CheckResult]:
    places = sorted(set(ours.values()))
    if len(places) > 1:
        sentence = f"our own packages come from {' and from '.join(places)}"
        return [wrong(_NAME, sentence, _ONE_ENVIRONMENT)]
    place = places[0] if places else "nowhere"
    return [warning(_NAME, f"Consilium is not installed and runs from {place}", "install it")]


def _additions(python_path: str, user_site: str) -> Iterator[CheckResult]:
    """What is looked into beside the environment."""
    if python_path:
        yield warning(
            _NAME,
            f"PYTHONPATH is set to {python_path}",
            "unset it: it puts other packages before the installed ones",
        )
    if user_site:
        yield warning(
            _NAME,
            f"packages of this user in {user_site} are used too",
            "use a virtual environment, or set PYTHONNOUSERSITE=1",
        )
