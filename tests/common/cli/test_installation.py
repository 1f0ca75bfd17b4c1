"""How facts about an installation are judged: one fault at a time."""

from __future__ import annotations

import pytest

from common.checks import CheckResult
from common.cli import installation


def test_versions() -> None:
    assert installation.versions({"flwr": "1.41.0"}, [("consilium", "flwr==1.41.*", True)]) == [
        CheckResult("versions", "ok", "flwr 1.41.0")
    ]
    [result] = installation.versions(
        {}, [("consilium", "flwr==1.41.*", False), ("monai", "torch>=2", None)]
    )
    assert result.state == "wrong"
    assert (
        "version mismatch: consilium needs flwr==1.41.*, which is not what is installed; monai"
        " needs torch>=2, which is not installed"
    ) in result.text


def test_one_place_is_well() -> None:
    [result] = installation.roots({}, {"server": "/a", "client": "/a"}, "/a", "", "")
    assert result.state == "ok"


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"doubles": {"flwr": ["/a", "/b"]}}, "wrong", "flwr is installed twice, in /a and in /b"),
        (
            {"ours": {"server": "/a", "client": "/b"}},
            "wrong",
            "client is imported from /b instead of /a",
        ),
        ({"home": None}, "warning", "is not installed and runs from /a"),
        (
            {"home": None, "ours": {"server": "/a", "client": "/b"}},
            "wrong",
            "come from /a and from /b",
        ),
        ({"python_path": "/x"}, "warning", "PYTHONPATH is set to /x"),
        ({"user_site": "/u"}, "warning", "packages of this user in /u are used too"),
    ],
)
def test_two_roots(changes: dict[str, object], state: str, words: str) -> None:
    facts = {
        "doubles": {},
        "ours": {"server": "/a", "client": "/a"},
        "home": "/a",
        "python_path": "",
        "user_site": "",
        **changes,
    }
    [result] = installation.roots(**facts)  # type: ignore[arg-type]
    assert result.state == state
    assert words in result.text
