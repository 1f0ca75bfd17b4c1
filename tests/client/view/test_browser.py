"""The page in a real browser: pressed by mouse and keyboard, with and without its script."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from client.home import SiteHome
from client.policy import stop
from client.view import page_server
from client.view.page_server import PageServer
from tests.client.view import scene
from tests.client.view.browser import Browser, browser, needed

pytestmark = needed


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as driven:
        yield driven


@pytest.fixture
def shown(chromium: Browser, server: PageServer) -> Browser:
    chromium.look(1200)
    chromium.asked.clear()
    chromium.complaints.clear()
    chromium.open(server.address)
    return chromium


def test_one_click_stops_and_one_resumes(shown: Browser, hospital: SiteHome) -> None:
    shown.click("#reason")
    shown.type("scanner service")
    shown.click("#press")
    shown.until("document.querySelector('#now .lead.off')")
    stopped = stop.read(hospital.state)
    assert stopped is not None and stopped.reason == "scanner service"
    assert "scanner service" in shown.text("#now") and shown.text("#press") == "Answer again"
    shown.click("#press")
    shown.until("document.querySelector('#reason')")
    assert stop.read(hospital.state) is None


def test_the_keyboard_is_enough(shown: Browser, hospital: SiteHome) -> None:
    for _ in range(20):
        shown.key("Tab", 9)
        if shown.run("document.activeElement.id") == "reason":
            break
    shown.type("by keyboard")
    shown.key("Tab", 9)
    assert shown.run("document.activeElement.id") == "press"
    assert shown.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    shown.key("Enter", 13, "\r")
    shown.until("document.querySelector('#now .lead.off')")
    stopped = stop.read(hospital.state)
    assert stopped is not None and stopped.reason == "by keyboard"


def test_it_is_live(shown: Browser, hospital: SiteHome) -> None:
    """What happens at the hospital appears by itself; what a person is doing on the page stays."""
    shown.until("document.querySelector('#clock').textContent.startsWith('Live')")
    shown.click("#rules summary")
    shown.click("#reason")
    shown.type("half a sen")
    scene.refuse(hospital, study="heart", fault="The study is not signed.", id="99887766")
    shown.until("document.querySelector('#refused').innerText.includes('99887766')")
    assert shown.run("document.querySelector('#reason').value") == "half a sen"
    assert (
        shown.run("document.activeElement.id") == "reason"
        and shown.run("document.querySelector('#rules').open") is True
    )
    shown.run("document.querySelector('#refused-t').focus()")
    scene.refuse(hospital, study="heart", fault="The study is not signed.", id="55443322")
    shown.until("document.querySelector('#refused').innerText.includes('55443322')")
    assert shown.run("document.activeElement.id") == "refused-t"
    stop.stop(hospital.state, "ann", "from the terminal", datetime.now(UTC))
    shown.until("document.querySelector('#now .lead.off')")
    assert "from the terminal" in shown.text("#now") and shown.complaints == []


def test_it_says_when_it_is_no_longer_live(chromium: Browser, hospital: SiteHome) -> None:
    with page_server.open_view(hospital, "127.0.0.1", 0) as server:
        chromium.look(1200)
        chromium.open(server.address)
        chromium.until("document.querySelector('#clock').textContent.startsWith('Live')")
    chromium.until(
        "document.querySelector('#clock.late').textContent.startsWith('Not live any more')"
    )


def test_it_is_whole_without_its_script(
    chromium: Browser, server: PageServer, hospital: SiteHome
) -> None:
    chromium.look(390, dark=True, scripts=False)
    chromium.open(server.address)
    assert (
        chromium.text("#clock").startswith("As of ") and chromium.text("noscript a") == "Look again"
    )
    chromium.click("#press")
    chromium.until("document.querySelector('#now .lead.off')")
    assert stop.read(hospital.state)
    chromium.click("noscript a")
    chromium.until("document.querySelector('#now .lead.off')")


def test_it_loads_nothing_else_and_breaks_no_rule_of_its_own(
    shown: Browser, server: PageServer, hospital: SiteHome
) -> None:
    scene.refuse(hospital, study=scene.HOSTILE, run=scene.HOSTILE, fault=scene.HOSTILE)
    shown.until("document.querySelector('#refused').innerText.includes('onerror')")
    paths = {
        address.removeprefix(server.origin)
        for address in shown.asked
        if not address.startswith("data:")
    }
    assert paths == {
        server.address.removeprefix(server.origin),
        server.base,
        f"{server.base}status.json",
    }
    assert shown.complaints == []
    assert shown.run("document.cookie") == "" and "key" not in shown.run("location.href")
    assert shown.run("fetch('http://127.0.0.1:9/').then(() => 'open', () => 'closed')") == "closed"
    assert any("Content Security Policy" in text for text in shown.complaints)


@pytest.mark.parametrize("width", [320, 390, 800, 1600])
def test_it_fits(chromium: Browser, server: PageServer, width: int) -> None:
    """WCAG 2.2, 1.4.10: no sideways scrolling of the page down to 320 pixels."""
    chromium.look(width, dark=width % 20 == 10)
    chromium.open(server.address)
    assert chromium.run("document.documentElement.scrollWidth <= innerWidth")
