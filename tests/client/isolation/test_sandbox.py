"""The sandbox holds, from inside a process that closed it; a part that does not is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.isolation import landlock, sandbox
from client.isolation.kernel import SandboxError
from tests.client.isolation.boxed import ACTIONS, inside

pytestmark = pytest.mark.skipif(not landlock.version(), reason="this kernel offers no Landlock")


def test_torch_computes_inside_the_walls() -> None:
    code = """
sandbox.no_network()
here = file_access.worker([], Path("nowhere"), Path("nowhere") / "s")
sandbox.only_files(here.read, [], devices=here.devices, names=here.names)
import torch
torch.set_num_threads(2)
print(int((torch.ones(600, 600) @ torch.ones(600, 600)).sum()))
"""
    assert inside(code) == str(600**3)


def test_the_gateway_can_still_look_up_names_and_import(tmp_path: Path) -> None:
    code = """
here = file_access.gateway(Path(sys.argv[1]))
sandbox.only_files(here.read, here.write, devices=here.devices, names=here.names)
import cryptography.x509, grpc, numpy, client.isolation.ipc
files = map(Path, ("/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf"))
print(all(file.read_bytes() is not None for file in files if file.exists()))
print(socket.gethostbyname("localhost"))
open("/dev/null", "w").write("x")
"""
    assert inside(code, tmp_path).splitlines() == ["True", "127.0.0.1"]


def test_a_wall_raised_too_late_is_refused(tmp_path: Path) -> None:
    code = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
try:
    sandbox.only_files([], [])
except kernel.SandboxError as error:
    print(error)
print(sandbox.standing())
"""
    assert inside(code).splitlines() == [
        (
            "Walls between files were to be raised after other threads had been started; "
            "raise them first."
        ),
        "[]",
    ]


def test_data_inside_a_folder_to_write_is_refused(tmp_path: Path) -> None:
    code = """
try:
    sandbox.only_files([Path(sys.argv[1]) / "state" / "data"], [Path(sys.argv[1]) / "state"])
except kernel.SandboxError as error:
    print(error.public)
"""
    assert (
        inside(code, tmp_path)
        == "A folder that is only to be read lies in one that may be written to."
    )


def test_a_closed_folder_that_is_open_is_noticed(places: Path) -> None:
    code = """
try:
    sandbox.only_files([place], [], hidden=[place / "closed"])
except kernel.SandboxError as error:
    print(error.public)
"""
    sentence = inside(ACTIONS + code, places, "1")
    assert sentence.startswith("The wall between files does not hold: a closed folder could be ")


def test_a_shared_folder_that_takes_links_is_noticed(places: Path) -> None:
    code = """
landlock.PLAIN = landlock.CHANGE
try:
    sandbox.only_files([], [], shared=[place / "open"])
except kernel.SandboxError as error:
    print(error.local)
print(sorted(os.listdir(place / "open")))
"""
    sentence, names = inside(ACTIONS + code, places, "1").splitlines()
    assert sentence == f"a link could be made in {places / 'open'}" and names == "['deep']"


def test_a_kernel_without_walls_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    with pytest.raises(SandboxError, match="offers no Landlock"):
        sandbox.only_files([], [])
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(
        SandboxError, match="on this kind of machine; they need 64-bit Linux on x86_64 or aarch64"
    ):
        sandbox.no_network()
    assert sandbox.standing() == []


def test_what_an_older_kernel_leaves_open_is_told(places: Path) -> None:
    code = """
for version in (2, 4, 5, 6):
    landlock.version = lambda: version
    landlock.restrict = lambda granted, version: None
    sandbox._check_closed = lambda paths: None
    sandbox.only_files([], [])
    print("told" + sandbox.standing()[-1].partition(" to write")[2])
"""
    assert inside(code).splitlines() == [
        (
            "told; this kernel leaves open: truncating files that may be read, controlling devices "
            "that may be read, signals to this user's other processes"
        ),
        (
            "told; this kernel leaves open: controlling devices that may be read, signals to this "
            "user's other processes"
        ),
        "told; this kernel leaves open: signals to this user's other processes",
        "told",
    ]


@pytest.mark.parametrize(
    ("made", "refused"),
    [
        ("socket.socket(socket.AF_INET)", True),
        ("socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)", True),
        ("socket.socketpair()[0]", False),
        ("open('/dev/null')", False),
    ],
)
def test_an_open_socket_that_sends_anywhere_is_not_brought_along(made: str, refused: bool) -> None:
    code = f"""
kept = {made}
try:
    sandbox.no_network()
except kernel.SandboxError as error:
    print("was open before" in error.local)
print(kept.fileno() >= 0)
"""
    assert inside(code).splitlines() == ["True", "True"][not refused :]


def test_what_stands_is_told(tmp_path: Path) -> None:
    lines = inside(
        "sandbox.no_network(); sandbox.only_files([], [])\nprint('\\n'.join(sandbox.standing()))"
    ).splitlines()
    assert lines[0].startswith("no network: seccomp") and lines[1].startswith(
        "only files named: Landlock version"
    )
