"""A twin has the hospital's form and nothing of its patients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from client.dataset import manifest as manifests
from client.ingest import ingestion
from client.ingest.layout import Places
from client.ingest.readiness import twin
from client.readers import _registry
from client.site import only_phantoms
from common import networks
from common.cli.main import main
from common.errors import ArgumentError, SiteError
from common.study import study as studies
from tests import small
from tests.client.ingest import export

TASKS = (
    {
        "task": {"name": "classification", "target": ["finding"], "classes": ["0", "1"]},
        "model": {"name": "cnn"},
    },
    {
        "task": {"name": "segmentation", "classes": ["disc"]},
        "model": {"name": "unet", "channels": [4, 8], "strides": [2]},
    },
    {"task": {"name": "detection", "classes": ["disc"]}, "model": {"name": "retinanet"}},
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return small.hospital(tmp_path / "north", images=43, patients=21)


@pytest.mark.parametrize("sections", TASKS)
def test_a_twin_loads_as_the_hospital_does(
    site: Path, tmp_path: Path, sections: dict[str, object]
) -> None:
    twin.make(site, tmp_path / "twins" / "north", 3)
    study = studies.parse({**small.TABLE, **sections})
    manifest = manifests.index(tmp_path / "twins" / "north", networks.task(study), study.data)
    assert len(manifest.cases) == 45 and manifest.patients == 20 and not manifest.left_out
    assert only_phantoms(tmp_path / "twins" / "north")


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    site: Path, tmp_path: Path
) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        twin.make(site, tmp_path / name, seed)
    content = {
        n: {
            p.relative_to(tmp_path / n): p.read_bytes()
            for p in (tmp_path / n).rglob("*")
            if p.is_file()
        }
        for n in "abc"
    }
    assert content["a"] == content["b"] != content["c"]


def test_it_depends_on_the_outline_alone(tmp_path: Path) -> None:
    """Two hospitals of one outline but different patients and pictures have the same twin."""
    twins = []
    for name, seed in (("one", 5), ("other", 6)):
        site = small.hospital(
            tmp_path / name,
            images=44 if seed == 5 else 46,
            patients=20 if seed == 5 else 22,
            seed=seed,
        )
        for path in (site / "images").iterdir():  # the same bounds of values
            array = np.asarray(_registry.read(path).array[0]).copy()
            array[0, 0], array[0, 1] = 16, 250
            array = np.clip(array, 16, 250)
            export.Image.fromarray(array).save(path)
        twin.make(site, tmp_path / f"{name}_twin")
        twins.append(
            {
                p.relative_to(tmp_path / f"{name}_twin"): p.read_bytes()
                for p in (tmp_path / f"{name}_twin").rglob("*")
                if p.is_file()
            }
        )
    assert twins[0] == twins[1]


def test_nothing_rare_personal_or_exact_is_told(tmp_path: Path) -> None:
    source = export.researcher(tmp_path / "export", patients=7)
    rows = (source / "labels.csv").read_text().replace(";early;", ";rareone;", 1)
    (source / "labels.csv").write_text(rows)
    outline = twin.make(source, tmp_path / "raw")
    text = json.dumps(outline) + (tmp_path / "raw" / "labels.csv").read_text()
    assert "rareone" not in text and export.NAME not in text and export.NUMBER not in text
    assert not list(export.leaks(tmp_path / "raw"))
    assert outline["images"] == 15 and outline["patients"] == 10
    ingestion.ingest(Places.of(source, tmp_path / "sites" / "north", None))
    twin.make(tmp_path / "sites" / "north", tmp_path / "twin")
    assert "P-" not in "".join(p.read_text() for p in (tmp_path / "twin").glob("*.csv"))


def test_volumes_and_dicom(tmp_path: Path) -> None:
    site = tmp_path / "north"
    for i in range(6):
        export.nifti(
            site / "images" / f"{i}.nii.gz",
            np.random.default_rng(i).integers(-1000, 2000, (20, 24, 12)).astype(np.int16),
        )
        mask = np.zeros((20, 24, 12), np.uint8)
        mask[2:5, 3:9, 4:8] = 1 + i % 2
        export.nifti(site / "masks" / f"{i}.nii.gz", mask)
    outline = twin.make(site, tmp_path / "twin")
    paths = sorted((tmp_path / "twin" / "images").iterdir())
    assert (
        len(paths) == 10
        and _registry.read(paths[0]).array.shape == (1, 16, 24, 16)
        and outline["mask"][0] == ".nii.gz"
    )
    table = {
        **small.TABLE,
        "task": {"name": "segmentation", "classes": ["a", "b"]},
        "data": {"dimensions": 3},
    }
    study = studies.parse(table)
    assert len(manifests.index(tmp_path / "twin", networks.task(study), study.data).cases) == 10
    other = tmp_path / "south"
    for i in range(6):
        export.dicom(
            other / "dicom" / f"{i}",
            export.picture(i).astype(np.uint16) * 8,
            f"{i}",
            (f"1.2.{i}", f"1.2.{i}.1"),
        )
    twin.make(other, tmp_path / "twin2")
    scan = _registry.read(next((tmp_path / "twin2" / "dicom").iterdir()))
    assert scan.array.shape == (1, 24, 32) and scan.spacing == (0.5, 0.5)


def test_an_existing_folder_is_never_touched(site: Path, tmp_path: Path) -> None:
    for out in (site, site / "twin", tmp_path):
        with pytest.raises(ArgumentError):
            twin.make(site, out)
    with pytest.raises(SiteError):
        twin.make(tmp_path / "nothing", tmp_path / "new")


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = export.researcher(tmp_path / "export", patients=8)
    site = tmp_path / "hospitals" / "north"
    assert main(["site", "ingest", str(source), "--out", str(site), "--json"]) == 0
    output = capsys.readouterr()
    report = json.loads(output.out)
    assert report["ok"] and report["cases"] == 16 and "16 of 16" in output.err
    assert (
        export.NAME not in output.out + output.err and export.NUMBER not in output.out + output.err
    )
    assert (tmp_path / "hospitals" / "north.readiness.html").is_file() and (
        tmp_path / "hospitals" / "north.readiness.json"
    ).is_file()
    assert (
        main(["site", "ingest", str(source), "--out", str(site), "--keep", "note, Name"]) == 0
        or capsys.readouterr()
    )
    capsys.readouterr()
    assert main(["site", "pseudonym", f"{export.NUMBER}3", "--key", f"{site}.key"]) == 0
    assert capsys.readouterr().out.strip() in {
        case["patient"] for case in json.loads((site / "manifest.json").read_text())["cases"]
    }
    assert main(["site", "pseudonym", "1", "--key", str(site / "nothing")]) == 2
    assert (
        main(["site", "twin", str(site), "--out", str(tmp_path / "twins" / "north"), "--json"]) == 0
    )
    capsys.readouterr()
    assert main(["site", "ingest", str(source), "--out", str(source / "x")]) == 2
    assert (
        main(
            [
                "site",
                "ingest",
                str(tmp_path / "twins" / "north"),
                "--out",
                str(tmp_path / "e" / "n"),
            ]
        )
        == 0
    )
