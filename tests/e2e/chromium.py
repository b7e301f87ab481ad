"""A real headless Chromium over its DevTools protocol. The site's CA goes into a profile of its own; nothing is told to ignore certificates."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect

FAILURE = Path(__file__).resolve().parents[2] / ".cache" / "e2e" / "chromium-failure.png"
PACKAGES = {"chromium": "chromium", "certutil": "libnss3-tools"}


def install() -> None:
    """Installs Debian's Chromium and certutil when they are missing. Raises CalledProcessError."""
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if missing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "--quiet"], check=True, env=environment, stdout=subprocess.DEVNULL)
        subprocess.run(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing, "fonts-dejavu-core"], check=True, env=environment)


class Tab:
    """One page of the browser. What a page shows is asked for with JavaScript expressions."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.number = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One DevTools command and its result. Raises AssertionError when the browser refuses it."""
        self.number += 1
        self.connection.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.connection.recv(timeout=60))
            if answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)["result"].get("value")

    def wait(self, expression: str, limit_seconds: float = 60) -> Any:
        """Waits until the expression is true. Raises AssertionError with the page's address and text at the limit."""
        deadline = time.monotonic() + limit_seconds
        while not (value := self.value(expression)):
            if time.monotonic() > deadline:
                text = self.value("document.location.href.split('?')[0] + ' ' + document.title + ': ' + (document.body?.innerText || '').slice(0, 400)")
                raise AssertionError(f"{expression} was not true within {limit_seconds:g} s; the page is {text}")
            time.sleep(0.2)
        return value

    def go(self, url: str) -> None:
        """Opens an address. Raises AssertionError when it cannot be opened, for example for its certificate."""
        result = self.call("Page.navigate", url=url)
        assert not result.get("errorText"), f"{url}: {result['errorText']}"

    def fill(self, selector: str, text: str) -> None:
        """Types into a field."""
        self.wait(f"!!document.querySelector({selector!r})")
        self.value(f"document.querySelector({selector!r}).focus()")
        self.call("Input.insertText", text=text)

    def press(self, key: str, code: int, modifiers: int = 0) -> None:
        """Presses a key; modifiers: 1 alt, 2 control, 4 meta, 8 shift."""
        text = {"text": "\r"} if key == "Enter" and not modifiers else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, modifiers=modifiers, **(text if kind == "keyDown" else {})
            )

    def click(self, selector: str) -> None:
        """Clicks in the middle of an element, with the mouse."""
        self.wait(f"!!document.querySelector({selector!r})")
        box = self.value(
            f"(() => {{ const r = document.querySelector({selector!r}).getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }})()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def screenshot(self, path: Path) -> None:
        """Saves what the page shows as PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextlib.contextmanager
def chromium(ca_file: Path, width: int = 1280, height: int = 800) -> Iterator[Tab]:
    """A browser with an empty profile that trusts ``ca_file`` besides the usual authorities. Ended with the block."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as home:
        store = Path(home, ".pki", "nssdb")
        store.mkdir(parents=True)
        subprocess.run(["certutil", "-d", f"sql:{store}", "-N", "--empty-password"], check=True)
        subprocess.run(["certutil", "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", "site", "-i", str(ca_file)], check=True)
        process = subprocess.Popen(
            [
                *("chromium", "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={home}/profile"),
                *("--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"),
                "--no-sandbox",  # Chromium's sandbox refuses to run as root, which the local site needs to be
                "about:blank",
            ],
            env={"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            port_file = Path(home, "profile", "DevToolsActivePort")
            deadline = time.monotonic() + 60
            while not (port_file.exists() and port_file.read_text().count("\n")):
                assert process.poll() is None, f"chromium ended with {process.returncode}"
                assert time.monotonic() < deadline, "chromium did not open its DevTools port within 60 s"
                time.sleep(0.1)
            port = int(port_file.read_text().split()[0])
            pages = httpx.get(f"http://127.0.0.1:{port}/json/list", trust_env=False).json()
            address, *_others = [page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"]
            with connect(address, max_size=2**26, proxy=None, compression=None) as connection:
                tab = Tab(connection)
                tab.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
                try:
                    yield tab
                except AssertionError:
                    tab.screenshot(FAILURE)
                    raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
