"""What left the hospital in an answer, in words for people, from the names in its audit log."""

from __future__ import annotations

from typing import Any

_COUNTS = frozenset(
    (
        "train",
        "validation",
        "test",
        "patients",
        "train_patients",
        "left_out",
        "weight",
        "steps",
        "counted",
        "images",
    )
)
_SCORES = frozenset(("loss", "seconds", "intervals"))
_SENTENCES = frozenset(("notes", "reasons", "refused"))
_PLAIN = frozenset(("pooled", "trains", "compute", "counts"))
_KEYS = frozenset(("Advert", "Parcel", "Confirm", "Reveal", "Bundle", "Masked"))
_SUMMED = {
    "train": "weight changes, masked",
    "tally": "counts, masked",
    "evaluate": "scores, masked",
}
CLEAR = ("weight changes in clear", "counts in clear", "scores in clear")
"""Kinds of what left that are this hospital's own and not hidden in a sum."""

_NAMED = _COUNTS | _SCORES | _SENTENCES | _PLAIN | _KEYS | {"vector", "metrics", "examples", "head"}


def kinds(question: str, left: Any, refused: bool) -> list[str]:
    """Kinds of what an answer held.

    Args:
        question: kind of question, e.g. "train".
        left: names of what left, as the audit log has them.
        refused: the answer was a refusal.
    """
    if refused:
        return ["refusals"]
    names = {name for name in left if isinstance(name, str)} if isinstance(left, list) else set()
    words: list[str] = []
    if "vector" in names:
        words.append(_SUMMED.get(question, "sums, masked") if "Masked" in names else CLEAR[0])
    if names & _COUNTS:
        words.append(CLEAR[1])
    if names & _SCORES or ("metrics" in names and question == "evaluate"):
        words.append(CLEAR[2])
    words += _words(names)
    # whatever has no words yet is shown by its name rather than hidden
    return words + [f"other: {name}" for name in sorted(names - _NAMED)]


def _words(names: set[str]) -> list[str]:
    """What is neither a vector nor a number of this hospital's own."""
    groups = {
        "keys for masks": _KEYS - {"Masked"},
        "notes": _SENTENCES,
        "pictures of phantoms": {"examples"},
        "readiness": _PLAIN,
        "signed head of the journal": {"head"},
    }
    return [words for words, members in groups.items() if names & members]
