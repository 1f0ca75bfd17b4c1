"""What is installed, looked at in processes of their own over folders of made-up packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.patience import patient

HOUSE = Path(__file__).resolve().parent.parent.parent.parent
LOOK = (
    "import json; from common import checks; from common.cli import packages;"
    " print(json.dumps(checks.to_json(packages.look(small={}))))"
)


def install(folder: Path, name: str, version: str, *requires: str) -> None:
    place = folder / f"{name}-{version}.dist-info"
    place.mkdir(parents=True)
    lines = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
        *(f"Requires-Dist: {text}" for text in requires),
    ]
    (place / "METADATA").write_text("\n".join(lines) + "\n")


def look(*folders: Path, small: bool = False) -> list[dict[str, str]]:
    """Findings of a process that sees these folders before its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*folders, HOUSE)))}
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(small)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        timeout=patient(60),
    )
    findings: list[dict[str, str]] = json.loads(done.stdout)["findings"]
    return findings


def test_what_is_installed_fits_together() -> None:
    [versions, *others] = look()
    assert versions["state"] == "ok"
    assert "flwr 1.41" in versions["found"]
    assert any("PYTHONPATH is set" in finding["found"] for finding in others)


def test_a_requirement_that_is_not_met(tmp_path: Path) -> None:
    install(tmp_path, "consilium", "9.9", "flwr==1.40.*", 'ray>1 ; extra == "ray"', "middle")
    install(tmp_path, "middle", "1.0", "absent>=2")
    versions = look(tmp_path)[0]
    assert versions["state"] == "wrong"
    assert "consilium needs flwr==1.40.*, which is not what is installed" in versions["found"]
    assert "middle needs absent>=2, which is not installed" in versions["found"]
    assert "ray" not in versions["found"]


def test_a_gateway_may_lack_what_it_does_not_use(tmp_path: Path) -> None:
    install(tmp_path, "consilium", "9.9", "absent>=2", "flwr==1.41.*")
    assert look(tmp_path, small=True)[0]["state"] == "ok"
    assert look(tmp_path)[0]["state"] == "wrong"


def test_a_package_in_two_places_and_ours_elsewhere_than_installed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        install(tmp_path / name, "twice", "1.0")
    install(tmp_path / "one", "consilium", "9.9")
    observations = [
        finding["found"]
        for finding in look(tmp_path / "one", tmp_path / "two")
        if finding["state"] == "wrong"
    ]
    assert (
        f"twice is installed twice, in {tmp_path / 'one'} and in {tmp_path / 'two'}" in observations
    )
    assert f"client is imported from {HOUSE} instead of {tmp_path / 'one'}" in observations


def test_an_editable_installation_counts_as_its_source(tmp_path: Path) -> None:
    install(tmp_path, "consilium", "9.9")
    (tmp_path / "consilium-9.9.dist-info" / "direct_url.json").write_text(
        json.dumps({"url": HOUSE.as_uri(), "dir_info": {"editable": True}})
    )
    assert [finding for finding in look(tmp_path) if "imported from" in finding["found"]] == []
