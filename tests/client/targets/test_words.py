"""A hospital's own words beside the study's: one check result, with a hint and not too long."""

from __future__ import annotations

from collections import Counter

from client.targets._words import strange


def test_no_strange_value_is_well() -> None:
    check = strange(Counter(), "dx", ("mel", "nv"))
    assert (check.name, check.state) == ("names", "ok")
    assert check.text == "every value of dx is one of the study's: mel, nv"


def test_a_near_miss_comes_with_what_may_be_meant() -> None:
    check = strange(Counter({"stones": 1}), "boxes.json", ("cyst", "stone"))
    assert check.state == "wrong"
    assert check.text.startswith("1 values are none of the study's (cyst, stone): 'stones'")
    assert "did you mean" in check.text


def test_only_the_most_frequent_values_are_listed() -> None:
    check = strange(Counter({f"v{i}": 10 - i for i in range(10)}), "dx", ("0", "1"))
    assert check.text.startswith("10 values")
    assert all(f"'v{i}'" in check.text for i in range(6))
    assert not any(f"'v{i}'" in check.text for i in range(6, 10))
