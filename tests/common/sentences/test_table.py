"""What a hospital says in words.

Every code has one sentence, every argument a type, and nothing of anybody's own prose passes.
"""

from __future__ import annotations

import ast
import json
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import errors
from common.errors import SiteError
from common.sentences import _cases, _data, _dicom, _exchange, _hospital
from common.sentences import table as sentences
from common.sentences.kinds import Kind, Value
from common.sentences.table import TABLE, Sentence, heard, say
from tests.common.sentences.surnames import SURNAMES

HOUSE = Path(__file__).resolve().parents[3]
PARTS = (_cases.CASES, _data.DATA, _dicom.DICOM, _exchange.EXCHANGE, _hospital.HOSPITAL)
ROOMS = ("client", "common")
SAMPLES: Mapping[str, object] = {
    "_Whole": 7,
    "_Number": 0.25,
    "_Text": "lesion",
    "_Setting": "data.min_patients",
    "_Hospital": "north",
    "_Spans": ("20:00-06:30",),
    "_Reason": "mask.size",
}
FREE = (
    "",
    " ",
    "Smith, Anna",
    "19570314",
    "/data/smith.dcm",
    "1.2.840.113619.2",
    "a\nb",
    "\u202eabc",
    "<b>",
    "{patients}",
    "PAT-0042",
    "Ünal",
)


@dataclass(frozen=True)
class Around:
    words: frozenset[str] = field(default_factory=lambda: frozenset({"lesion"}))
    settings: frozenset[str] = field(default_factory=lambda: frozenset({"data.min_patients"}))
    hospitals: frozenset[str] = field(default_factory=lambda: frozenset({"north"}))


def sample(kind: Kind) -> object:
    """A value of the kind."""
    name = type(kind).__name__
    if name == "_Literal":
        return kind.choices[0]  # type: ignore[attr-defined]
    if name == "_Several":
        return (sample(kind.one),)  # type: ignore[attr-defined]
    return SAMPLES[name]


def listed(kind: Kind) -> set[str]:
    """Every text that may be said in an argument of the kind."""
    name = type(kind).__name__
    if name == "_Literal":
        return {*kind.choices, kind.other}  # type: ignore[attr-defined]
    if name == "_Several":
        return listed(kind.one)  # type: ignore[attr-defined]
    if name == "_Reason":
        return set(kind.rows)  # type: ignore[attr-defined]
    return {str(SAMPLES[name])} - {"7", "0.25"}


def example(code: str) -> Sentence:
    return say(code, **{name: sample(kind) for name, kind in TABLE[code].kinds.items()})


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for room in ROOMS:
        for path in sorted((HOUSE / room).rglob("*.py")):
            if path.parent != HOUSE / "common" / "sentences":
                yield path, ast.parse(path.read_bytes())


def site_errors() -> set[str]:
    """Names of SiteError and of every class below it, wherever it is written."""
    names, before = {"SiteError"}, 0
    bases = {
        node.name: {ast.unparse(base) for base in node.bases}
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    while len(names) > before:
        before = len(names)
        names |= {name for name, above in bases.items() if above & names}
    return names


def test_no_code_stands_twice_in_the_table() -> None:
    assert len(TABLE) == sum(map(len, PARTS)) == len({entry.template for entry in TABLE.values()})


@pytest.mark.parametrize("code", TABLE)
def test_a_sentence_names_exactly_its_arguments(code: str) -> None:
    entry = TABLE[code]
    fields = {part[1] for part in string.Formatter().parse(entry.template) if part[1] is not None}
    assert fields == set(entry.kinds)
    if entry.short:
        assert {
            part[1] for part in string.Formatter().parse(entry.short) if part[1] is not None
        } == set(entry.kinds) - entry.counts
        assert entry.counts
    assert example(code).render().isprintable() and len(example(code).render()) < 300


def test_every_code_that_is_raised_is_in_the_table_with_its_arguments() -> None:
    raising, seen = site_errors() - {"DicomError"}, 0
    for path, tree in modules():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args):
            if ast.unparse(call.func) not in {"say", *raising}:
                continue
            code = call.args[0]
            assert not isinstance(code, ast.JoinedStr), (path, ast.unparse(call))
            if isinstance(code, ast.Constant):
                assert code.value in TABLE, (path, ast.unparse(call))
                assert {keyword.arg for keyword in call.keywords} == set(TABLE[code.value].kinds), (
                    path,
                    ast.unparse(call),
                )
                seen += 1
    assert seen > 200 and {"CaseError", "DicomError", "IpcError", "SandboxError"} <= site_errors()


def test_every_code_of_the_table_is_raised_somewhere() -> None:
    texts = {
        node.value
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(TABLE) - texts == {
        "message.unknown"
    }  # what is made of a code that this side does not know


def test_the_general_sentence_of_every_error_has_no_arguments() -> None:
    for name, cls in vars(errors).items():
        if isinstance(cls, type) and issubclass(cls, errors.ConsiliumError):
            assert TABLE[cls.general].kinds == {}, name


@pytest.mark.parametrize("code", TABLE)
def test_a_sentence_survives_the_wire(code: str) -> None:
    made = example(code)
    travelled = Sentence.from_json(json.loads(json.dumps(made.to_json())))
    assert (
        travelled == made == heard(made.to_json())
        and travelled.render() == made.render()
        and made.stands(Around())
    )


@pytest.mark.parametrize("code", TABLE)
def test_without_counts_no_count_is_left(code: str) -> None:
    short = example(code).without_counts()
    assert (
        short.code in (code, "data.unfit") and not set(dict(short.arguments)) & TABLE[code].counts
    )
    assert Sentence.from_json(short.to_json()) == short


@given(st.sampled_from(sorted(TABLE)), st.data())
def test_whatever_an_argument_is_made_of_it_fits_or_is_refused(
    code: str, data: st.DataObject
) -> None:
    anything = st.one_of(
        st.integers(),
        st.floats(),
        st.text(),
        st.lists(st.text(), max_size=3),
        st.none(),
        st.booleans(),
    )
    arguments = {name: data.draw(anything) for name in TABLE[code].kinds}
    try:
        made = say(code, **arguments)
    except ValueError:
        return
    assert Sentence.from_json(json.loads(json.dumps(made.to_json()))) == made


@given(st.sampled_from(sorted(TABLE)), st.data())
def test_a_text_stands_only_where_the_hospital_has_it_at_hand(
    code: str, data: st.DataObject
) -> None:
    kinds = TABLE[code].kinds
    arguments: dict[str, Any] = {name: sample(kind) for name, kind in kinds.items()}
    for name in kinds:
        text = data.draw(st.text(min_size=1, max_size=30))
        value: Value = (text,) if isinstance(arguments[name], tuple) else text
        try:
            made = Sentence.from_json({"code": code, "arguments": {**arguments, name: value}})
        except ValueError:
            continue
        assert not made.stands(Around()) or text in listed(kinds[name])


@pytest.mark.parametrize(
    "value",
    [
        "The hospital stops.",
        None,
        [],
        {},
        {"code": "policy.stopped"},
        {"code": "policy.stopped", "arguments": []},
        {"code": "policy.stopped", "arguments": {}, "text": "Smith"},
        {"code": "policy.stopped", "arguments": {"by": "Smith"}},
        {"code": ["policy.stopped"], "arguments": {}},
        {"code": "policy.max_rounds", "arguments": {"rounds": 3}},
        {"code": "policy.max_rounds", "arguments": {"rounds": 3, "allowed": {}}},
        {"code": "data.no_labels", "arguments": {"columns": [["a"]]}},
        {"code": "data.no_labels", "arguments": {"columns": ["a"] * 65}},
        {"code": "data.too_few_patients", "arguments": {"asked": 20}},
    ],
    ids=repr,
)
def test_what_is_no_sentence_is_refused_and_read_as_a_neutral_one(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        Sentence.from_json(value)
    assert heard(value) == say("message.unknown")


@pytest.mark.parametrize(
    ("code", "arguments"), [("smith.anna", {}), ("policy.stopped", {"by": 3}), ("sum.number", {})]
)
def test_a_raise_that_does_not_fit_the_table_is_a_mistake_here(
    code: str, arguments: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"not in the table|are needed"):
        SiteError(code, **arguments)


def test_no_usual_surname_passes_in_any_argument() -> None:
    names = {
        name for surname in SURNAMES for name in (surname, surname.capitalize(), surname.upper())
    } | set(FREE)
    assert len(SURNAMES) >= 1000
    for code, entry in TABLE.items():
        right = example(code).to_json()["arguments"]
        for name, kind in entry.kinds.items():
            passed = [
                text
                for text in names
                for value in (text, [text])
                if _passes(code, {**right, name: value})
            ]
            assert not passed, (code, name, type(kind).__name__, passed[:5])


def test_no_surname_is_a_code_nor_the_name_of_an_argument() -> None:
    for text in (*SURNAMES, *FREE):
        assert (
            not _passes(text, {})
            and not _passes("policy.stopped", {text: 1})
            and not _passes(f"data.{text}", {})
        )


def _passes(code: str, arguments: dict[str, Any]) -> bool:
    try:
        return Sentence.from_json({"code": code, "arguments": arguments}).stands(Around())
    except ValueError:
        return False


def test_counted_sentences_are_told_with_their_number() -> None:
    torn = say("picture.damaged")
    assert sentences.rendered([{**torn.to_json(), "images": 3}, torn.to_json(), "Smith"], 5) == (
        f"3 left out: {torn.render()}",
        torn.render(),
        say("message.unknown").render(),
    )
    assert (
        sentences.rendered([torn.to_json()] * 9, 2) == (torn.render(),) * 2
        and sentences.rendered("Smith", 5) == ()
    )
