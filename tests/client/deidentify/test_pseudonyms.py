from __future__ import annotations

import hashlib
import hmac
import re
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from client.deidentify import pseudonyms as module
from client.deidentify.pseudonyms import Pseudonyms
from common.errors import InputError

KEY = bytes(range(32))


def test_a_uid_is_the_first_128_bits_of_its_hmac_under_a_key_of_its_own() -> None:
    key = HKDF(SHA256(), 32, b"", b"consilium/deidentify/1/uid").derive(KEY)
    number = int.from_bytes(hmac.new(key, b"1.2.3", hashlib.sha256).digest()[:16])
    assert Pseudonyms(KEY).uid("1.2.3") == f"2.25.{number}"
    assert Pseudonyms(KEY).uid("1.2.3\0") == Pseudonyms(KEY).uid("1.2.3")


def test_uids_are_valid_and_all_different() -> None:
    uids = {Pseudonyms(KEY).uid(f"1.2.{n}") for n in range(2000)}
    assert len(uids) == 2000
    assert all(len(uid) <= 44 and re.fullmatch(r"2\.25\.(0|[1-9]\d*)", uid) for uid in uids)


def test_a_pseudonym_is_short_can_be_read_aloud_and_stays() -> None:
    one = Pseudonyms(KEY)
    assert re.fullmatch(r"P(-[0-9A-HJKMNP-TV-Z]{4}){3}", one.patient("4711", "MERCY"))
    assert one.patient("4711", "MERCY") == Pseudonyms(KEY).patient(" 4711 ", "MERCY\0")
    assert len({one.patient(str(n)) for n in range(5000)}) == 5000


@pytest.mark.parametrize(
    ("one", "other"),
    [(("4711", "A"), ("4711", "B")), (("4711", ""), ("471", "1")), (("1:2", ""), ("1", ":2"))],
)
def test_other_patients_have_other_names(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert Pseudonyms(KEY).patient(*one) != Pseudonyms(KEY).patient(*other)


def test_two_spellings_of_one_character_are_one_patient() -> None:
    assert Pseudonyms(KEY).patient("MU\u0308LLER") == Pseudonyms(KEY).patient("MÜLLER")


def test_another_key_makes_everything_anew() -> None:
    one, other = Pseudonyms(KEY), Pseudonyms(bytes(32))
    assert one.uid("1.2.3") != other.uid("1.2.3")
    assert one.patient("4711") != other.patient("4711")
    assert [one.days(str(n)) for n in range(20)] != [other.days(str(n)) for n in range(20)]


def test_dates_move_back_by_one_to_ten_years_and_by_many_different_days() -> None:
    shifts = [Pseudonyms(KEY).days(str(n)) for n in range(3000)]
    assert min(shifts) >= -3652
    assert max(shifts) <= -366
    assert len(set(shifts)) > 1500
    assert min(shifts) < -3600
    assert max(shifts) > -420


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    first = Pseudonyms.open(tmp_path / "k")
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    assert (tmp_path / "k").stat().st_size == 32
    assert Pseudonyms.open(tmp_path / "k").uid("1.2") == first.uid("1.2")
    assert Pseudonyms.open(tmp_path / "other").uid("1.2") != first.uid("1.2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k", "other"]


def test_of_two_processes_that_make_the_key_the_first_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "k"

    def late(count: int) -> bytes:
        path.write_bytes(KEY)
        path.chmod(0o600)
        return bytes(count)

    monkeypatch.setattr(module.secrets, "token_bytes", late)
    assert Pseudonyms.open(path).uid("1.2") == Pseudonyms(KEY).uid("1.2")
    assert path.read_bytes() == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "k").write_bytes(KEY)
    (tmp_path / "k").chmod(mode)
    with pytest.raises(InputError, match="chmod 600"):
        Pseudonyms.open(tmp_path / "k")


@pytest.mark.parametrize("size", [0, 31, 33, 4096])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "k").write_bytes(bytes(size))
    (tmp_path / "k").chmod(0o600)
    with pytest.raises(InputError, match="32"):
        Pseudonyms.open(tmp_path / "k")


def test_a_key_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        Pseudonyms.open(tmp_path / "no" / "k")
