"""The registry: single use, two writers, damaged files."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.errors import ConsiliumError
from server.host import site_registry
from server.host.site_registry import REFUSED, AdmissionError, Enrolment, Registry

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENROLLED = Enrolment(NOW.isoformat(), "0ab1", "c", "n", "i", "tls", "identity")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    entry = site_registry.invited("secret", NOW + timedelta(days=14))
    (tmp_path / "sites.json").write_bytes(site_registry.dumps({"north": entry}))
    return Registry(tmp_path)


def admit(
    registry: Registry,
    name: str = "north",
    token: str = "secret",
    now: datetime = NOW,
    same: bool = False,
) -> Enrolment:
    return registry.admit(name, token, now, lambda _: same, lambda _: ENROLLED)


def test_a_token_is_used_once(registry: Registry) -> None:
    assert registry.status(NOW) == {"north": "token good until 2026-03-15"}
    assert admit(registry) == ENROLLED
    assert registry.load()["north"].enrolled == ENROLLED
    assert registry.status(NOW) == {"north": "enrolled since 2026-03-01"}
    assert admit(registry, same=True, now=NOW + timedelta(days=99)) == ENROLLED
    with pytest.raises(AdmissionError) as caught:
        admit(registry)
    assert caught.value.status == 409 and "already enrolled" in caught.value.public


def test_refusals(registry: Registry) -> None:
    for name, token, reason in (
        ("north", "wrong", "wrong token"),
        ("south", "secret", "no hospital is called south"),
        ("south", "", "no hospital"),
    ):
        with pytest.raises(AdmissionError, match=reason) as caught:
            admit(registry, name, token)
        assert (caught.value.status, caught.value.public) == (403, REFUSED)
    with pytest.raises(AdmissionError) as caught:
        admit(registry, now=NOW + timedelta(days=15))
    assert (
        caught.value.public
        == "This kit's token expired on 2026-03-15; ask the coordinator for a new kit."
    )
    assert registry.status(NOW + timedelta(days=15)) == {"north": "token expired on 2026-03-15"}
    assert registry.load()["north"].enrolled is None


def test_a_failure_leaves_the_token_unused(registry: Registry) -> None:
    def fail(_: object) -> Enrolment:
        raise ConsiliumError("no")

    with pytest.raises(ConsiliumError):
        registry.admit("north", "secret", NOW, lambda _: False, fail)
    assert admit(registry) == ENROLLED


def test_serial_numbers(registry: Registry) -> None:
    assert registry.is_revoked("0ab1")
    admit(registry)
    assert not registry.is_revoked("0AB1") and not registry.is_revoked("0a:b1")
    assert registry.is_revoked("0ab2") and registry.is_revoked("")


def test_two_of_one_name(registry: Registry) -> None:
    with pytest.raises(ConsiliumError, match="called North is registered already"):
        registry.add({"North": site_registry.invited("x", NOW)})
    registry.add({"south": site_registry.invited("x", NOW)})
    assert set(registry.load()) == {"north", "south"}


def test_many_writers_lose_nothing(registry: Registry, tmp_path: Path) -> None:
    def add(i: int) -> None:
        Registry(tmp_path).add({f"site{i}": site_registry.invited(str(i), NOW)})

    threads = [threading.Thread(target=add, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registry.load()) == 13


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"north": {}}',
        '{"north": {"token_sha256": "", "token_expires": "x", "enrolled": null}}',
    ],
)
def test_a_damaged_file(registry: Registry, tmp_path: Path, text: str) -> None:
    (tmp_path / "sites.json").write_text(text)
    with pytest.raises(ConsiliumError, match="is damaged; restore it"):
        registry.load()
    (tmp_path / "sites.json").unlink()
    with pytest.raises(ConsiliumError, match="cannot be read"):
        registry.load()


def test_a_certificate_s_number_leads_to_its_holder_until_it_is_revoked(registry: Registry) -> None:
    assert registry.holder("0ab1") is None
    admit(registry)
    # As nginx writes it, as it is kept, and with a zero more.
    assert [registry.holder(text) for text in ("0AB1", "0ab1", "00AB1")] == ["north"] * 3
    assert [registry.holder(text) for text in ("", "0", "0AB2", "north")] == [None] * 4
    renewed = registry.load()["north"].renewed("token", NOW)
    registry._path.write_bytes(site_registry.dumps({"north": renewed}))
    assert registry.holder("0AB1") is None
