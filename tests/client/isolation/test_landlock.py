"""Files open as they are named and in no other way, inside a process that closed itself in."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.isolation import landlock
from tests.client.isolation.boxed import ACTIONS, REPORT, USERS, WALL, inside

pytestmark = pytest.mark.skipif(not landlock.version(), reason="this kernel offers no Landlock")


@USERS
def test_files_open_as_named_and_in_no_other_way(places: Path, user: str) -> None:
    free = inside(user + ACTIONS + REPORT, places, "1").splitlines()
    assert free == [
        f"{kind} done done done done done done" for kind in ("open", "kept", "closed", "named")
    ]
    assert inside(user + ACTIONS + WALL + REPORT, places, "2").splitlines() == [
        "open done done EACCES EACCES EACCES EACCES",
        "kept done done done done done done",
        "closed EACCES EACCES EACCES EACCES EACCES EACCES",
        "named EACCES done EACCES EACCES EACCES EACCES",
    ]


def test_links_and_renames_lead_nowhere_else(places: Path) -> None:
    (places / "open" / "link").symlink_to(places / "closed")
    code = """
print(tried(lambda: os.listdir(place / "open" / "link")))
file, copy = place / "open" / "deep" / "file", place / "kept" / "copy"
print(tried(lambda: os.link(file, copy)) in ("EACCES", "EXDEV"))
print(tried(lambda: os.rename(file, copy)) in ("EACCES", "EXDEV"))
print(tried(lambda: os.rename(place / "kept" / "deep" / "file", place / "kept" / "copy")))
"""
    assert inside(ACTIONS + WALL + code, places, "1").splitlines() == [
        "EACCES",
        "True",
        "True",
        "done",
    ]


def test_a_folder_that_others_look_into_holds_files_and_sockets_only(places: Path) -> None:
    code = """
sandbox.only_files([], [place / "kept"], shared=[place / "open"])
shared, kept = place / "open", place / "kept"
def listen(folder):
    socket.socket(socket.AF_UNIX).bind(str(folder / "socket"))
for folder in (shared, kept):
    print(
        tried(write(folder.name)),
        tried(lambda: listen(folder)),
        tried(lambda: os.unlink(folder / "socket")),
        tried(lambda: os.symlink("deep", folder / "link")),
        tried(lambda: os.mkfifo(folder / "pipe")),
        tried(lambda: os.mkdir(folder / "folder")),
    )
link = tried(lambda: os.link(kept / "deep" / "old1", shared / "name"))
move = tried(lambda: os.rename(kept / "link", shared / "link"))
print(link in ("EACCES", "EXDEV"), move in ("EACCES", "EXDEV"))
"""
    assert inside(ACTIONS + code, places, "1").splitlines() == [
        "done done done EACCES EACCES EACCES",
        "done done done done done done",
        "True True",
    ]


def test_children_cannot_read_either(places: Path) -> None:
    code = """
import subprocess
file = str(place / "closed" / "deep" / "file")
command = [sys.executable, "-c", f"open({file!r})"]
print("PermissionError" in subprocess.run(command, capture_output=True, text=True).stderr)
"""
    assert inside(ACTIONS + WALL + code, places, "1") == "True"


@pytest.mark.parametrize("version", range(1, 8))
def test_every_version_of_landlock_is_served(places: Path, version: int) -> None:
    """An older kernel refuses a rule with a right that it does not know.

    Here the rights and the structure's length are compared.
    """
    code = f"""
asked = []
real, landlock.version = kernel.call, lambda: {version}
def noted(number, name, *arguments):
    if number == landlock._CREATE_RULESET:
        asked.append((arguments[0]._obj.fs, arguments[1].value))
    return real(number, name, *arguments)
kernel.call = noted
"""
    report = """
print(*asked[0])
print(*map(tried, (read("open"), read("closed"), write("open"), write("kept"))))
"""
    rights = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}.get(version, 0xFFFF)
    size = 8 if version < 4 else 16 if version < 6 else 24
    assert inside(ACTIONS + code + WALL + report, places, "1").splitlines() == [
        f"{rights} {size}",
        "done EACCES EACCES done",
    ]
