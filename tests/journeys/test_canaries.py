"""Strings that nobody has by chance stand in every identifier of the hospitals.

After runs that finish, fail and are refused, none has left.

Where they may be: the hospital's own data, and ``site.log``, the private file in which its IT finds
the image that an id stands for.
"""

from __future__ import annotations

import base64
import codecs
import json
from pathlib import Path
from typing import Any

import pydicom
import pytest

from common.simulation.phantoms import write
from common.study import toml
from tests.journeys.federation import Federation, federation, until

SITES = ("harbour", "north", "valley")
MARK = "Zqxw"
"""Begins every canary; no encoding of it is likely by chance."""
TEXTS = {
    "PatientName": "PN",
    "PatientID": "LO",
    "OtherPatientNames": "PN",
    "PatientAddress": "LO",
    "AccessionNumber": "SH",
    "InstitutionName": "LO",
    "ReferringPhysicianName": "PN",
    "StudyDescription": "LO",
    "SeriesDescription": "LO",
    "StudyID": "SH",
    "ImageComments": "LT",
    "PatientComments": "LT",
    "DeviceSerialNumber": "LO",
    "StationName": "SH",
    "PatientBirthName": "PN",
}
TABLE: dict[str, Any] = {
    "name": "watched",
    "seed": 3,
    "task": {"name": "segmentation", "classes": ["lesion"]},
    "model": {"name": "unet", "channels": [8, 16], "strides": [2]},
    "data": {"prepare": [{"step": "resize", "size": [32, 32]}], "max_bad_fraction": 0.5},
    "training": {"local_steps": 2, "batch_size": 2, "precision": "float32"},
    "federation": {"rounds": 2, "min_sites": 3},
    "secure_aggregation": {"enabled": True},
    "evaluation": {"every": 1, "bootstrap": 10},
}
FAILING: dict[str, dict[str, Any]] = {
    "columns": {
        "task": {"name": "classification", "classes": ["no", "yes"], "target": ["malignancy"]},
        "model": {"name": "cnn"},
    },
    "labels": {
        "task": {"name": "classification", "classes": ["no", "yes"], "target": ["verdict"]},
        "model": {"name": "cnn"},
    },
    "patients": {"data": {**TABLE["data"], "min_patients": 900}},
    "damaged": {"data": {**TABLE["data"], "max_bad_fraction": 0.0}},
}
"""Studies that no hospital can serve.

Each fails at another place, whose sentence might quote what it found.
"""


def planted(folder: Path, site: str) -> None:
    """Plant canaries in every text of the headers, in names of files and patients,
    in a column and its values; damage two files.
    """
    names = {}
    for number, path in enumerate(sorted((folder / "dicom").iterdir())):
        image = pydicom.dcmread(path)
        for keyword, kind in TEXTS.items():
            image.add_new(
                keyword, kind, f"{MARK}{site}{keyword}{number}"[: 16 if kind == "SH" else 60]
            )
        image.private_block(0x0009, "ACME", create=True).add_new(1, "LO", f"{MARK}private{number}")
        image.save_as(path)
        names[path.stem] = f"{MARK}{site}_{number:02}_Mueller"
    damaged = sorted((folder / "dicom").iterdir())[:2]
    damaged[0].write_bytes(damaged[0].read_bytes()[:700])
    damaged[1].write_bytes(f"{MARK}no DICOM at all".encode() * 40)
    for part in ("dicom", "masks"):
        for path in (folder / part).iterdir():
            path.rename(path.with_stem(names[path.stem]))
    for table in ("labels.csv", "boxes.json"):
        text = (folder / table).read_text()
        for old, new in names.items():
            text = text.replace(f"{old}.dcm", f"{new}.dcm")
        (folder / table).write_text(text)
    lines = (folder / "labels.csv").read_text().splitlines()
    rows = [f"{line}{MARK}P,{MARK}maybe,{MARK}{site}" for line in lines[1:]]
    (folder / "labels.csv").write_text(
        "\n".join([f"{lines[0]},verdict,{MARK}column", *rows]) + "\n"
    )
    (folder / "PHANTOM").unlink()


def forms(text: str) -> list[bytes]:
    """The ways in which a text might stand in a file."""
    plain = [
        text.encode(),
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
        text.encode().hex().encode(),
    ]
    encoded = [base64.b64encode(b"x" * shift + text.encode())[4:-4] for shift in range(3)]
    return [*plain, *(e for e in encoded if len(e) >= 4), codecs.encode(text, "rot13").encode()]


def files_with_canaries(folder: Path, but: tuple[str, ...] = ()) -> list[str]:
    """Files below a folder in which a canary stands, or whose name holds one."""
    needles = forms(MARK)
    files = [
        f for f in folder.rglob("*") if f.is_file() and not f.is_symlink() and f.name not in but
    ]
    assert files
    return [
        str(f)
        for f in files
        if MARK in str(f.relative_to(folder)) or any(n in f.read_bytes() for n in needles)
    ]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Three hospitals full of canaries, through a run that finishes and runs that cannot."""
    with federation() as made:
        write.write(made.data, hospitals=3, patients=10, size=64, seed=1)
        for site in SITES:
            planted(made.data / site, site)
        made.provision(*SITES)
        made.start_server()
        for site in SITES:
            made.enrol(site)
            made.start_site(site)
        (made.top / "watched.toml").write_text(toml.dumps(TABLE))
        made.submit(made.top / "watched.toml", "watched")
        made.wait_for("watched")
        ends = {
            "watched": made.state("watched")["state"],
            **{name: _failed(made, name, change) for name, change in FAILING.items()},
        }
        made.stop(*SITES)
        made.stop("server")
        return seen(made, ends)


def _failed(made: Federation, name: str, change: dict[str, Any]) -> str:
    file = made.top / f"{name}.toml"
    file.write_text(toml.dumps({**TABLE, "name": name, **change}))
    made.submit(file, name)
    ended = ("failed", "finished", "stopped")
    state: str = until(
        lambda: made.state(name)["state"] in ended and made.state(name)["state"],
        f"{name} does not end",
    )
    return state


def seen(made: Federation, ends: dict[str, str]) -> dict[str, Any]:
    """Where canaries are, by place."""
    report = json.loads((made.home / "runs" / "watched" / "report.json").read_text())
    homes = {site: made.top / site for site in SITES}
    (made.top / "printed").mkdir()
    for out in made.top.glob("*.out"):
        out.rename(made.top / "printed" / out.name)
    return {
        "ends": ends,
        "report": report,
        "coordinator": files_with_canaries(made.home),
        "printed": files_with_canaries(made.top / "printed"),
        "hospitals": [
            path for home in homes.values() for path in files_with_canaries(home, but=("site.log",))
        ],
        "private": [
            path
            for home in homes.values()
            for path in files_with_canaries(home)
            if path.endswith("site.log")
        ],
        "headers": [
            str(home)
            for home in homes.values()
            for keyword in TEXTS
            if keyword.encode() in _private(home)
        ],
        "data": files_with_canaries(made.data),
    }


def _private(home: Path) -> bytes:
    return (home / "worker" / "state" / "site.log").read_bytes()


def test_the_runs_ended_as_they_should(walked: dict[str, Any]) -> None:
    assert walked["ends"] == {"watched": "finished", **dict.fromkeys(FAILING, "failed")}
    assert walked["report"]["metrics"]["federated"]["mean"]["dice"] is not None


def test_the_search_finds_what_is_there(walked: dict[str, Any]) -> None:
    assert len(walked["data"]) > 60 and len(walked["private"]) == len(SITES)


def test_nothing_reached_the_coordinator(walked: dict[str, Any]) -> None:
    assert walked["coordinator"] == []


def test_no_log_and_nothing_printed_holds_any(walked: dict[str, Any]) -> None:
    assert walked["printed"] == [] and walked["hospitals"] == []


def test_the_private_log_names_files_and_no_header(walked: dict[str, Any]) -> None:
    assert walked["headers"] == []
