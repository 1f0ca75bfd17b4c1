"""Ports for servers are free, different, and out of reach of outgoing connections."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import pytest

from tests import ports


def test_they_are_different_free_and_below_those_of_outgoing_connections() -> None:
    some = ports.free_ports(20)
    assert len(set(some)) == 20 and max(some) < 32768
    for port in some:
        with socket.create_server(("127.0.0.1", port)):
            pass


def test_one_that_is_taken_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    [taken, other] = ports.free_ports(2)
    draws: Iterator[int] = iter([taken, other])
    monkeypatch.setattr(random.SystemRandom, "choice", lambda _, places: next(draws))
    with socket.create_server(("127.0.0.1", taken)):
        assert ports.free_ports(1) == [other]
