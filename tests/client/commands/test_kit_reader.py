"""Kits that are damaged, incomplete or tricky are refused before anything is made."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from client.commands import kit_reader
from common.errors import CertificateError, InputError
from common.study import toml
from common.trust import certificates

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CA = certificates.authority("chest-4", NOW, 3650)
OTHER = certificates.authority("chest-4", NOW, 3650)
CONTENTS = {
    "kit.toml": toml.dumps(
        {"name": "north", "consortium": "chest-4", "address": "localhost"}
    ).encode(),
    "ca.crt": CA.certificate,
    "coordinator.crt": certificates.signer(CA, "coordinator", NOW, 365).certificate,
    "roster.crt": certificates.signer(CA, "roster", NOW, 365).certificate,
    "token": b"secret\n",
    "README.md": b"read me",
}


def folder(path: Path, **change: bytes) -> Path:
    path.mkdir()
    for name, content in {**CONTENTS, **change}.items():
        (path / name).write_bytes(content)
    return path


def archive(path: Path, change: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {**CONTENTS, **(change or {})}.items():
            file.writestr(name, content)
    return path


def test_a_folder_and_a_file_are_read_alike(tmp_path: Path) -> None:
    one, other = (
        kit_reader.read(folder(tmp_path / "north"), NOW),
        kit_reader.read(archive(tmp_path / "north.kit"), NOW),
    )
    assert one == other
    assert (one.settings.name, one.settings.port, one.token) == ("north", 443, "secret")
    assert one.roster == CONTENTS["roster.crt"]
    assert "secret" not in repr(one)


@pytest.mark.parametrize("name", ["kit.toml", "ca.crt", "coordinator.crt", "roster.crt", "token"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    (folder(tmp_path / "north") / name).unlink()
    with pytest.raises(InputError, match=f"lacks {name}; ask the coordinator"):
        kit_reader.read(tmp_path / "north", NOW)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("kit.toml", b"name =", "is damaged"),
        ("kit.toml", b"\xff", "is damaged"),
        ("kit.toml", b'name = "north"', "kit.consortium is missing"),
        ("kit.toml", CONTENTS["kit.toml"] + b'adress = "x"\n', "did you mean 'address'"),
        ("token", b"\n", "empty token"),
        ("token", b"\xc3\xa9", "is damaged"),
        ("token", b"x" * 70000, "token in the kit .* has 70000 bytes; at most 65536"),
        ("ca.crt", b"x", "cannot be used: A certificate is damaged"),
        (
            "ca.crt",
            certificates.authority("chest-4", NOW, 3650).certificate,
            "not issued by this consortium",
        ),
        ("ca.crt", CONTENTS["coordinator.crt"], "not signed by itself"),
        (
            "coordinator.crt",
            certificates.server(CA, "localhost", NOW, 365).certificate,
            'made for "server"; "coordinator" is needed',
        ),
        ("roster.crt", CONTENTS["coordinator.crt"], 'made for "coordinator"; "roster" is needed'),
        (
            "roster.crt",
            certificates.signer(OTHER, "roster", NOW, 365).certificate,
            "not issued by this consortium",
        ),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        kit_reader.read(folder(tmp_path / "north", **{name: content}), NOW)
    with pytest.raises(InputError, match=words):
        kit_reader.read(archive(tmp_path / "north.kit", {name: content}), NOW)


def test_an_expired_kit(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match='coordinator" expired on 2027-03-01'):
        kit_reader.read(folder(tmp_path / "north"), NOW + timedelta(days=366))


@pytest.mark.parametrize("name", ["../token", "/etc/passwd", "sub/token", "extra", "sub/"])
def test_names_that_no_kit_has(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="holds other files than"):
        kit_reader.read(archive(tmp_path / "north.kit", {name: b""}), NOW)


def test_a_name_twice(tmp_path: Path) -> None:
    archive(tmp_path / "north.kit")
    with (
        zipfile.ZipFile(tmp_path / "north.kit", "a") as file,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        file.writestr("token", b"other")
    with pytest.raises(InputError, match="holds other files than"):
        kit_reader.read(tmp_path / "north.kit", NOW)


def test_files_that_are_no_kit(tmp_path: Path) -> None:
    whole = archive(tmp_path / "north.kit").read_bytes()
    for content in (b"", b"text", whole[:-10], whole[: len(whole) // 2]):
        (tmp_path / "bad.kit").write_bytes(content)
        with pytest.raises(InputError, match="is damaged or not a kit"):
            kit_reader.read(tmp_path / "bad.kit", NOW)
    with pytest.raises(InputError, match="is not there"):
        kit_reader.read(tmp_path / "none.kit", NOW)


def test_any_flipped_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    whole, good = (
        archive(tmp_path / "north.kit").read_bytes(),
        kit_reader.read(tmp_path / "north.kit", NOW),
    )
    refused = 0
    for i in range(0, len(whole), 7):
        (tmp_path / "bad.kit").write_bytes(whole[:i] + bytes([whole[i] ^ 0x55]) + whole[i + 1 :])
        try:
            assert kit_reader.read(tmp_path / "bad.kit", NOW) == good
        except InputError:
            refused += 1
    assert refused > len(whole) / 14


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at most 65536 are allowed"):
        kit_reader.read(archive(tmp_path / "north.kit", {"README.md": b"0" * (1 << 24)}), NOW)


def test_a_file_that_states_a_smaller_size_than_it_has(tmp_path: Path) -> None:
    size = 1 << 20
    path = archive(tmp_path / "north.kit", {"token": b"x" * size})
    stated, smaller = size.to_bytes(4, "little"), (6).to_bytes(4, "little")
    content = path.read_bytes()
    assert content.count(stated) == 2  # in its own header and in the directory
    path.write_bytes(content.replace(stated, smaller))
    with pytest.raises(InputError, match="is damaged or not a kit"):
        kit_reader.read(path, NOW)
