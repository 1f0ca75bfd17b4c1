"""The numbers of system calls are those of the kernel's own headers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from client.isolation import call_numbers

HEADERS = {
    "X86_64": ("x86_64-linux-gnu/asm/unistd_64.h", 0xC000_003E),
    "AARCH64": ("asm-generic/unistd.h", 0xC000_00B7),
}


@pytest.mark.parametrize("machine", sorted(HEADERS))
def test_the_headers_say_so_too(machine: str) -> None:
    name, arch = HEADERS[machine]
    header = Path("/usr/include") / name
    if not header.is_file():
        pytest.skip(f"no {header} here")
    numbers = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text()))
    table = dict(getattr(call_numbers, machine))
    assert table.pop("arch") == arch
    assert table == {call: int(numbers[call]) for call in table}


def test_both_machines_name_the_same_calls() -> None:
    assert call_numbers.X86_64.keys() == call_numbers.AARCH64.keys()
