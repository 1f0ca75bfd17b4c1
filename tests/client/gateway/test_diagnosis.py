"""From an exception to the hop that broke: the innermost cause counts, and no password is shown."""

from __future__ import annotations

import socket
import ssl

import httpx
import pytest

from client.gateway import diagnosis
from client.site_settings import KitSettings
from common.errors import InputError


def route(proxy: str = "none") -> KitSettings:
    return KitSettings(
        name="north", consortium="chest-4", address="fl.example.org", port=8443, proxy=proxy
    )


def distrusted(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code = code
    error.verify_message = "reason"
    return error


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "hop", "words"),
    [
        (socket.gaierror(-2, "Name not known"), diagnosis.NAME, "the name of fl.example.org"),
        (ConnectionRefusedError(), diagnosis.PORT, "fl.example.org:8443 refuses connections"),
        (httpx.ConnectTimeout("late"), diagnosis.PORT, "does not answer in time"),
        (distrusted(10), diagnosis.TLS, "has expired"),
        (distrusted(9), diagnosis.TLS, "is not valid yet"),
        (distrusted(62), diagnosis.TLS, "was made for another name"),
        (distrusted(19), diagnosis.TLS, "is not from consortium chest-4's authority"),
        (alert("TLSV1_ALERT_UNKNOWN_CA"), diagnosis.CLIENT, "refuses this hospital's client"),
        (alert("WRONG_VERSION_NUMBER"), diagnosis.TLS, "does not speak TLS"),
        (alert("UNSUPPORTED_PROTOCOL"), diagnosis.TLS, "does not offer TLS 1.3"),
        (httpx.ReadTimeout("late"), diagnosis.HTTP, "took the request and gives no answer"),
        (ValueError("anything"), diagnosis.HTTP, 'broke off ("anything")'),
    ],
)
def test_each_error_names_its_hop(error: Exception, hop: str, words: str) -> None:
    fault = diagnosis.fault(error, route())
    assert fault.hop == hop
    assert words in fault.sentence


def test_the_cause_that_saw_the_network_counts() -> None:
    outer = httpx.ConnectError("all attempts failed")
    outer.__cause__ = ConnectionRefusedError()
    assert diagnosis.fault(outer, route()).hop == diagnosis.PORT


def test_behind_a_proxy_the_proxy_is_named_without_its_password() -> None:
    through = route("http://ann:secret@proxy.example.org:3128")
    sentence = diagnosis.explain(ConnectionRefusedError(), through)
    assert "the proxy proxy.example.org:3128 refuses connections" in sentence
    assert "secret" not in sentence
    assert diagnosis.fault(socket.gaierror(-2, "x"), through).hop == diagnosis.PROXY


def test_the_environment_s_proxy_counts_where_the_settings_name_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diagnosis, "proxy_bypass", lambda host: False)
    monkeypatch.setattr(diagnosis, "getproxies", lambda: {"https": "proxy:3128"})
    assert diagnosis.proxy_of(route("")) == "http://proxy:3128"
    assert diagnosis.proxy_of(route("none")) is None
    monkeypatch.setattr(diagnosis, "getproxies", lambda: {"https": "socks5://proxy:1"})
    with pytest.raises(InputError, match="a proxy of kind socks5"):
        diagnosis.proxy_of(route(""))
