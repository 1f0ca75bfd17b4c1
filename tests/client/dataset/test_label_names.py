"""labels.toml: a hospital's words become the study's wherever labels, masks and boxes are read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from client.dataset import box_files, label_names, labels, masks
from client.dataset import manifest as manifests
from common import networks
from common.errors import CaseError, SiteError
from common.study import study as studies
from common.tasks import Task


def task(**table: object) -> Task:
    model = {"classification": "cnn", "segmentation": "unet", "detection": "retinanet"}[
        str(table["name"])
    ]
    return networks.task(studies.parse({"name": "s", "task": table, "model": {"name": model}}))


CLASSES = task(name="classification", target=["pneumonia"], classes=["0", "1"])
MASKS = task(name="segmentation", classes=["liver", "tumour"])
BOXES = task(name="detection", classes=["red", "white"])


def write(folder: Path, text: str) -> None:
    (folder / "labels.toml").write_text(text, "utf-8")


def test_columns_and_values(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "file,Befund,patient_id\na.png,ja,ja\nb.png,nein,2\nc.png,unklar,3\nd.png,1,4\n"
    )
    write(
        tmp_path, '[columns]\nBefund = "pneumonia"\n[labels]\nja = "1"\nnein = "0"\nunklar = ""\n'
    )
    table = labels.read_table(tmp_path, CLASSES.columns)
    assert [labels.read_target(table.rows[f"{n}.png"], CLASSES) for n in "abcd"] == [1, 0, None, 1]
    assert table.rows["a.png"]["patient_id"] == "ja"


def test_values_may_change_places(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,pneumonia\na.png,1\nb.png,0\n")
    write(tmp_path, '[labels]\n1 = "0"\n0 = "1"\n')
    table = labels.read_table(tmp_path, CLASSES.columns)
    assert [labels.read_target(table.rows[f"{n}.png"], CLASSES) for n in "ab"] == [0, 1]


def test_boxes(tmp_path: Path) -> None:
    objects = [{"label": name, "box_xyxy": [0, 0, 2, 2]} for name in ("RBC", "WBC", "Platelets")]
    (tmp_path / "boxes.json").write_text(
        json.dumps(
            {
                "a.png": {"width": 4, "height": 4, "objects": objects},
                "b.png": {"objects": 3},
                "c.png": 1,
            }
        )
    )
    write(tmp_path, '[labels]\nRBC = "red"\nWBC = "white"\nPlatelets = ""\n')
    entries = box_files.read_boxes(tmp_path)
    assert box_files.parse_boxes(entries["a.png"], BOXES, 2).classes.tolist() == [0, 1]
    assert entries["b.png"] == {"objects": 3} and entries["c.png"] == 1
    assert len(box_files.read_boxes(tmp_path, label_names.LabelNames())["a.png"]["objects"]) == 3


def test_masks_by_value_and_classes_that_the_study_does_not_ask_for(tmp_path: Path) -> None:
    for subfolder in ("images", "masks"):
        (tmp_path / subfolder / "deep").mkdir(parents=True)
    stored = np.array([[0, 7, 9], [5, 5, 0]], np.uint8)
    path, image = tmp_path / "masks" / "deep" / "a.png", tmp_path / "images" / "deep" / "a.png"
    Image.fromarray(stored).save(path)
    Image.fromarray(stored).save(image)
    write(tmp_path, '[masks]\n7 = "liver"\n9 = "tumour"\n5 = "kidney"\n')
    assert masks.read_mask(path, image, (2, 3), MASKS)[0].tolist() == [[0, 1, 2], [0, 0, 0]]
    write(tmp_path, '[masks]\n7 = "liver"\n')
    with pytest.raises(CaseError, match="does not list"):
        masks.read_mask(path, image, (2, 3), MASKS)
    (tmp_path / "labels.toml").unlink()
    with pytest.raises(CaseError, match="does not name"):
        masks.read_mask(path, image, (2, 3), MASKS)


@pytest.mark.parametrize(
    "text",
    [
        "labels = 1",
        "[labels]\na = 1",
        "[label]\na = 'b'",
        "[masks]\nx = 'liver'",
        "not toml",
        "[columns]\na = 'x'\nb = 'x'",
        "[labels]\n" + "a" * 2_000_000,
    ],
)
def test_a_wrong_file_is_one_kind_of_error_without_its_content(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    with pytest.raises(SiteError) as caught:
        label_names.read(tmp_path)
    assert "labels.toml" in caught.value.public and str(tmp_path) not in caught.value.public


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    names = label_names.LabelNames({"Bé fund": "x"}, {'ja "sicher"': "1", "": ""}, {3: "liver"})
    write(tmp_path, label_names.dumps(names))
    assert label_names.read(tmp_path) == names
    write(tmp_path, label_names.dumps(label_names.LabelNames()))
    assert label_names.read(tmp_path) == label_names.LabelNames()


def test_training_sees_the_study_s_names(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for n in "abcd":
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "images" / f"{n}.png")
    (tmp_path / "labels.csv").write_text(
        "file,Befund\n" + "\n".join(f"{n}.png,{'ja' if n in 'ab' else 'nein'}" for n in "abcd")
    )
    write(tmp_path, '[columns]\nBefund = "pneumonia"\n[labels]\nja = "1"\nnein = "0"\n')
    study = studies.parse(
        {
            "name": "s",
            "task": {"name": "classification", "target": ["pneumonia"], "classes": ["0", "1"]},
            "model": {"name": "cnn"},
        }
    )
    assert [
        case.stated["label"] for case in manifests.index(tmp_path, CLASSES, study.data).cases
    ] == [1, 1, 0, 0]
