"""The study file.

Resolved with every default, hashed over its meaning, and refused with one sentence where it is
wrong.
"""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import StudyError
from common.study import study as studies
from common.study import toml
from common.study.sections import Training

SMALL = """
name = "lungs"
[task]
name = "segmentation"
[model]
name = "unet"
"""
FULL = """
name = "lungs"
description = "Lungs on chest radiographs"
seed = 7
[task]
name = "segmentation"
classes = ["left", "right"]
[model]
name = "unet"
channels = [8, 16]
strides = [2]
[strategy]
name = "fedprox"
mu = 0.1
[data]
channels = 3
prepare = [{ step = "resize", size = [64] }, { step = "standardise" }]
augment = [{ step = "random_crop", size = [32] }, { step = "flip", axes = [0, 1] }]
[training]
learning_rate = 1
local_steps = 5
[federation]
rounds = 3
[evaluation]
every = 0
"""
CLASSIFICATION = (
    'name = "x"\n[task]\nname = "classification"\ntarget = ["finding"]\n[model]\nname = "unet"\n'
)


def parse(text: str) -> studies.Study:
    return studies.parse(tomllib.loads(text))


def changed(place: str, value: Any) -> dict[str, Any]:
    """The full study with one value put at a dotted place."""
    table: dict[str, Any] = tomllib.loads(FULL)
    *path, last = place.split(".")
    inner = table
    for key in path:
        inner = inner.setdefault(key, {})
    inner[last] = value
    return table


def test_defaults_are_spelled_out() -> None:
    study = parse(SMALL)
    assert (study.description, study.seed, study.prepare, study.augment) == ("", 1, (), ())
    assert study.strategy.name == "fedavg"
    assert study.training == Training()
    table = study.to_table()
    assert table["training"]["optimizer"] == "adamw"
    assert table["strategy"] == {"name": "fedavg", "server_rate": 1.0}
    assert table["data"]["prepare"] == []


def test_given_values_are_kept_and_converted() -> None:
    study = parse(FULL)
    assert study.task.options.classes == ("left", "right")
    assert study.strategy.options.mu == 0.1
    assert isinstance(study.training.learning_rate, float)
    assert [s.name for s in (*study.prepare, *study.augment)] == [
        "resize",
        "standardise",
        "random_crop",
        "flip",
    ]
    assert study.augment[1].options.axes == (0, 1)


@pytest.mark.parametrize("text", [SMALL, FULL])
def test_the_resolved_study_reads_back_as_the_same_study(text: str) -> None:
    study = parse(text)
    again = parse(toml.dumps(study.to_table()))
    assert again == study
    assert again.digest == study.digest


def test_the_hash_is_over_the_meaning() -> None:
    """Spelled-out defaults, comments and order do not matter; every value does."""
    digest = parse(SMALL).digest
    assert len(bytes.fromhex(digest)) == 32
    assert parse("# a comment\n" + SMALL + '[training]\noptimizer = "adamw"\n').digest == digest
    assert (
        parse(
            '[model]\nname = "unet"\n[task]\nname = "segmentation"\n'.replace(
                "[model]", 'name = "lungs"\n[model]', 1
            )
        ).digest
        == digest
    )
    others = [
        SMALL.replace("lungs", "lung"),
        SMALL.replace("unet", "segresnet"),
        SMALL + "[training]\nbatch_size = 9\n",
        "seed = 2\n" + SMALL,
    ]
    assert len({digest, *(parse(text).digest for text in others)}) == 5


def test_parsing_changes_nothing_of_what_is_given() -> None:
    table = tomllib.loads(FULL)
    before = copy.deepcopy(table)
    studies.parse(table)
    assert table == before


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (
            "trainig",
            {},
            (
                "trainig is not a section of a study (did you mean 'training'?); allowed: name, "
                "description,"
            ),
        ),
        (
            "name",
            "",
            (
                'name is ""; give 1 to 64 letters, digits, dots, hyphens or underscores, starting '
                "with a letter or digit, in quotes."
            ),
        ),
        ("name", 3, "name is 3; give 1 to 64 letters"),
        ("name", "../x", 'name is "../x"; give 1 to 64 letters'),
        ("name", 65 * "x", 'name is "xxxxx'),
        ("name", "x\n", 'name is "x\\n"; give 1 to 64 letters'),
        ("name", "\u202ex", 'name is "\\u202ex"; give 1 to 64 letters'),
        ("name", None, "name is null; give 1 to 64 letters"),
        ("description", 3, "description is 3; give a text in quotes."),
        ("seed", -1, "seed is -1; give a whole number from 0 to 2^63 - 1."),
        ("seed", 2**63, "seed is 9223372036854775808; give a whole number"),
        ("seed", True, "seed is true; give a whole number"),
        ("seed", 1.0, "seed is 1.0; give a whole number"),
        ("training", 3, "training is 3; give a table."),
        ("task", "segmentation", 'task is "segmentation"; give a table.'),
        (
            "task.name",
            "segmentaton",
            'task.name is "segmentaton" (did you mean "segmentation"?); installed: ',
        ),
        ("task.name", 3, "task.name is 3; give one of classification, detection, segmentation"),
        (
            "task.clases",
            [],
            "task.clases is not a setting (did you mean 'classes'?); allowed here: ",
        ),
        ("model.name", "../unet", 'model.name is "../unet" (did you mean "unet"?); installed: '),
        ("model.name", "os", 'model.name is "os"; installed: '),
        ("strategy.mu", -1, "strategy.mu is -1.0; allowed: 0 to 100."),
        ("training.learning_rate", 0, "training.learning_rate is 0.0; allowed: 1e-08 to 100."),
        (
            "training.optimizer",
            "adam",
            'training.optimizer is "adam" (did you mean "adamw"?); allowed: "adamw", "sgd".',
        ),
        ("federation.rounds", 0, "federation.rounds is 0; allowed: 1 to 100000."),
        (
            "data.test_fraction",
            0.9,
            (
                "data.test_fraction + data.validation_fraction is 1 or more; leave patients for "
                "training."
            ),
        ),
        (
            "data.prepare",
            {"step": "resize"},
            'data.prepare is {step = "resize"}; give a list of tables, each with a step.',
        ),
        ("data.prepare", ["resize"], 'data.prepare[0] is "resize"; give a table.'),
        ("data.prepare", [{}], "data.prepare[0].step is missing; give one of "),
        (
            "data.prepare",
            [{"step": "resize"}],
            "data.prepare[0].size is missing; give a list, each a whole number: ",
        ),
        (
            "data.prepare",
            [{"step": "flip"}],
            'data.prepare[0].step is "flip", which belongs under data.augment.',
        ),
        (
            "data.augment",
            [{"step": "standardise"}],
            'data.augment[0].step is "standardise", which belongs under data.prepare.',
        ),
        (
            "data.augment",
            [{"step": "flip", "axis": 1}],
            "data.augment[0].axis is not a setting (did you mean 'axes'?)",
        ),
    ],
)
def test_a_wrong_study_is_refused_with_one_sentence(place: str, value: Any, sentence: str) -> None:
    with pytest.raises(StudyError) as caught:
        studies.parse(changed(place, value))
    assert str(caught.value).startswith(sentence)


def test_a_network_that_does_not_serve_the_task_is_refused() -> None:
    with pytest.raises(
        StudyError,
        match=r'model\.name is "unet", which serves segmentation; task\.name is "classification"',
    ):
        parse(CLASSIFICATION)


def test_a_study_without_a_task_is_refused() -> None:
    with pytest.raises(StudyError, match=r"task\.name is missing; give one of "):
        parse('name = "x"')
    with pytest.raises(StudyError, match=r"model\.name is missing; give one of "):
        parse('name = "x"\n[task]\nname = "segmentation"')


def test_a_study_without_a_name_is_refused() -> None:
    with pytest.raises(StudyError, match=r"name is missing; give 1 to 64 letters"):
        parse(SMALL.replace('name = "lungs"', "", 1))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"name = ", "is not valid TOML"),
        (b"\xff\xfe", "is not UTF-8 text; save it as UTF-8"),
        (b"#" * (1 << 20) + b"\n", "has 1048577 bytes; at most 1048576 are allowed"),
    ],
)
def test_a_file_that_is_no_study_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=sentence):
        studies.read(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(
            StudyError, match=r"cannot be read \(.+\); give the path of a TOML file"
        ):
            studies.read(path)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
PLACES = (
    "task",
    "model",
    "strategy",
    "data",
    "training",
    "task.name",
    "model.channels",
    "data.prepare",
    "data.augment",
    "seed",
    "training.x",
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PLACES), JSON)
def test_whatever_stands_in_a_study_it_is_read_or_refused(place: str, value: Any) -> None:
    """A study comes from outside.

    No value may raise anything but a StudyError, and what is read reads back the same.
    """
    try:
        study = studies.parse(changed(place, value))
    except StudyError:
        return
    assert parse(toml.dumps(study.to_table())) == study
