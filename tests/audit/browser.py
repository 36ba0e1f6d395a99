"""A headless Chromium, driven over its debugging pipe: what a person would do, and what a page asks of the network."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EXECUTABLE = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",
)


class Page:
    """One page. Every call waits for the browser's answer."""

    def __init__(self, send: int, receive: int) -> None:
        self._send = send
        self._receive = receive
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.errors: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, path: Path) -> None:
        """Load a file."""
        self._call("Page.navigate", url=path.as_uri())
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of a script in the page, outside of its content security policy."""
        answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 30.0) -> None:
        """Until a script gives something true."""
        end = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < end, f"{condition} did not become true"
            time.sleep(0.02)

    def pdf(self) -> bytes:
        """The page as it is printed, in base64."""
        return str(self._call("Page.printToPDF", printBackground=True)["data"]).encode()

    def sized(self, width: int, height: int = 900, *, dark: bool = False, printed: bool = False) -> None:
        """A window of this size, on screen or as if printed, with a light or dark preference."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", media="print" if printed else "screen", features=[scheme])

    def screenshot(self) -> bytes:
        """The whole page as a PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def _call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._next()
            if heard.get("id") == self._number:
                assert "error" not in heard, heard
                return heard["result"]
            self._note(heard)

    def _note(self, heard: dict[str, Any]) -> None:
        if heard.get("method") == "Network.requestWillBeSent":
            self.requests.append(heard["params"]["request"]["url"])
        elif heard.get("method") == "Log.entryAdded":
            self.errors.append(heard["params"]["entry"]["text"])
        elif heard.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(heard["params"]["exceptionDetails"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            more = os.read(self._receive, 1 << 16)
            assert more, "the browser is gone"
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A page of a fresh browser, which ends with the block."""
    assert EXECUTABLE is not None
    to_read, to_send = os.pipe()
    from_read, from_send = os.pipe()

    # the browser reads commands from descriptor 3 and answers on 4
    put = f"import os,sys; a,b=os.dup({to_read}),os.dup({from_send}); os.dup2(a,3); os.dup2(b,4)"
    put += "; os.set_inheritable(3,True); os.set_inheritable(4,True)"
    launch = [sys.executable, "-c", f"{put}; os.execv(sys.argv[1],sys.argv[1:])"]
    process = subprocess.Popen(
        [*launch, EXECUTABLE, *_FLAGS, f"--user-data-dir={profile}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(to_read, from_send),
    )
    os.close(to_read)
    os.close(from_send)
    try:
        yield Page(to_send, from_read)
    finally:
        process.kill()
        process.wait()
        os.close(to_send)
        os.close(from_read)
