"""A real browser, driven as a person would, by mouse and keyboard.

It speaks the Chrome DevTools Protocol over two pipes and nothing else.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.patience import patient, until

PROGRAM = next(
    (
        result
        for name in ("chromium", "chromium-browser", "google-chrome", "chrome")
        if (result := shutil.which(name))
    ),
    None,
)
needed = pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")
_WORDS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-pipe",
    "about:blank",
)
_PATIENCE = 60.0


class Browser:
    """One page of a browser without a window.

    Attributes:
        asked: address of every request of the page.
        complaints: what the page's console and its security policy complained about.
    """

    def __init__(self, reads: int, writes: int) -> None:
        self._reads = reads
        self._writes = writes
        self._rest = b""
        self._number = 0
        self._session = ""
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """One command and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": values} | (
            {"sessionId": self._session} if self._session else {}
        )
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            self._hear(answer)
        assert "error" not in answer, (method, answer)
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, address: str) -> None:
        """Go to an address and wait until its page is there."""
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        result = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until an expression in the page is true."""
        until(lambda: self._holds(script), script, _PATIENCE)

    def text(self, selector: str) -> str:
        """What an element shows."""
        return str(self.run(f"document.querySelector({selector!r}).innerText"))

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element."""
        middle = (
            f"(() => {{ const e = document.querySelector({selector!r});"
            " e.scrollIntoView({block: 'center', behavior: 'instant'});"
            " const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        x, y = self.run(middle)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, name: str, code: int, text: str = "") -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=name,
                code=name,
                windowsVirtualKeyCode=code,
                **more,
            )

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def look(self, width: int, dark: bool = False, scripts: bool = True) -> None:
        """Width of the window in pixels, its colours, and whether pages may run scripts."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)

    def picture(self, path: Path) -> None:
        """The whole page as a PNG file."""
        result = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(result["data"]))

    def _holds(self, script: str) -> bool:
        result = self.call("Runtime.evaluate", expression=f"Boolean({script})", returnByValue=True)
        return result["result"].get("value") is True

    def _hear(self, event: dict[str, Any]) -> None:
        method = event.get("method")
        values = event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.asked.append(values["request"]["url"])
        elif method == "Log.entryAdded":
            self.complaints.append(values["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(values["exceptionDetails"]))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._reads], [], [], patient(_PATIENCE))
            block = os.read(self._reads, 1 << 16) if ready else b""
            assert block, "the browser has ended or does not answer"
            self._rest += block
        message, _, self._rest = self._rest.partition(b"\0")
        result: dict[str, Any] = json.loads(message)
        return result


@contextmanager
def browser() -> Iterator[Browser]:
    """A fresh browser with a profile of its own; nothing of it outlives the block."""
    assert PROGRAM is not None
    theirs = os.pipe()
    ours = os.pipe()
    profile = tempfile.mkdtemp(prefix="c-browser-")

    def wire() -> None:  # the browser reads at 3 and writes at 4
        low = os.dup(theirs[0])
        high = os.dup(ours[1])
        os.dup2(low, 3)
        os.dup2(high, 4)

    process = subprocess.Popen(
        [PROGRAM, f"--user-data-dir={profile}", *_WORDS],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=wire,  # noqa: PLW1509 (it only copies two handles)
        close_fds=False,
        start_new_session=True,
    )
    os.close(theirs[0])
    os.close(ours[1])
    try:
        yield Browser(ours[0], theirs[1])
    finally:
        os.killpg(process.pid, 9)
        process.wait()
        for handle in (theirs[1], ours[0]):
            os.close(handle)
        shutil.rmtree(profile, ignore_errors=True)
