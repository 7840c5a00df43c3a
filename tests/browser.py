"""A small client for a Chromium without a window: pages opened, looked at and clicked, through Chrome's DevTools protocol.

It talks over a pipe, for which the standard library is enough: https://chromedevtools.github.io/devtools-protocol/
"""

import json
import os
import select
import shutil
import subprocess
import sys
import time

EXECUTABLE = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
_TIMEOUT = 30
# Chromium reads requests from file 3 and answers on file 4; what comes into the places of both is moved out of the way first.
_LAUNCH = """
import os, sys
requests, answers = os.dup(int(sys.argv[1])), os.dup(int(sys.argv[2]))
os.dup2(requests, 3)
os.dup2(answers, 4)
os.set_inheritable(3, True)
os.set_inheritable(4, True)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """A running Chromium, with a profile and downloads in `folder`."""

    def __init__(self, folder):
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        command = [EXECUTABLE, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        command += [f"--user-data-dir={folder / 'profile'}", "--no-first-run"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, str(requests), str(answers), *command], pass_fds=(requests, answers),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(requests)
        os.close(answers)
        self._buffer, self._number = b"", 0
        self.events = []
        self.downloads = folder / "downloads"
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))

    def close(self):
        self._process.terminate()
        os.close(self._requests)
        os.close(self._answers)
        self._process.wait(_TIMEOUT)

    def send(self, method, session=None, **params):
        """The answer to a command; what comes before it is kept in `events`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._requests, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _receive(self):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], _TIMEOUT)
            assert ready, "the browser does not answer"
            received = os.read(self._answers, 2**16)
            assert received, "the browser has ended"
            self._buffer += received
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, path, width, *, height=900, dark=False):
        """The `Tab` that shows a file on a screen of so many pixels."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, target, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.send(f"{domain}.enable")
        tab.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        tab.send("Emulation.setEmulatedMedia", features=[scheme])
        tab.send("Page.navigate", url=path.as_uri())
        end = time.monotonic() + _TIMEOUT
        while tab.run("document.readyState + location.protocol") != "completefile:":
            assert time.monotonic() < end, "the page does not load"
        return tab


class Tab:
    """One page in the browser."""

    def __init__(self, browser, target, session):
        self.browser, self.target, self.session = browser, target, session

    def send(self, method, **params):
        return self.browser.send(method, self.session, **params)

    def run(self, expression):
        """The value of a JavaScript expression."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def events(self, *methods):
        return [e["params"] for e in self.browser.events if e.get("sessionId") == self.session and e["method"] in methods]

    def complaints(self):
        """Exceptions, and what the page or the browser logged."""
        return self.events("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")

    def close(self):
        self.browser.send("Target.closeTarget", targetId=self.target)
