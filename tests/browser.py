"""A real browser (Chromium) for the tests of pages, driven through a pipe: no port, no library, no network.

`Browser` opens files, tells what its console says, runs JavaScript in them, makes pictures and prints to PDF.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--remote-debugging-pipe",
)
TIMEOUT_S = 30


def installed():
    """The path of Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser():
    """A browser of its own, with a profile that goes with it."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        its_input, commands = os.pipe()
        answers, its_output = os.pipe()
        process = _started(profile, its_input, its_output)
        os.close(its_input)
        os.close(its_output)
        try:
            yield Browser(commands, answers)
        finally:
            os.close(commands)
            os.close(answers)
            process.terminate()
            process.wait(TIMEOUT_S)


def _started(profile, its_input, its_output):
    """Chromium reads commands from its descriptor 3 and answers on 4; plain sh knows none above 9."""
    command = f'exec "$@" 3<&{its_input} 4>&{its_output}'
    arguments = [installed(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(["bash", "-c", command, "bash", *arguments], pass_fds=(its_input, its_output), **quiet)


class Browser:
    """One tab. `console` has what its console was told, errors and warnings first of all."""

    def __init__(self, commands, answers):
        self.commands, self.answers = commands, answers
        self.console, self.events, self.rest, self.n_sent, self.session = [], [], b"", 0, None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        self.n_sent += 1
        message = {"id": self.n_sent, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            found = self._read()
            if found.get("id") == self.n_sent:
                assert "error" not in found, found["error"]
                return found["result"]

    def open(self, path, width=1280, height=900, dark=False, scripts=True):
        """Open a file in a window of that size (below 500: a phone's), and wait until it is loaded."""
        self.console.clear()
        self.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.send("Page.navigate", url=f"file://{path}")
        while "Page.loadEventFired" not in self.events:
            self._read()

    def run(self, script):
        """The value of an expression in the page; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, script):
        """Until the expression is true."""
        until = time.monotonic() + TIMEOUT_S
        while not self.run(script):
            assert time.monotonic() < until, f"never true: {script}"
            time.sleep(0.05)

    def press(self, key):
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key])

    def picture(self, whole=True):
        """A PNG of the page."""
        return base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def pdf(self):
        return base64.b64decode(self.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])

    def _read(self):
        """The next message; what the console was told is kept."""
        while b"\0" not in self.rest:
            assert select.select([self.answers], [], [], TIMEOUT_S)[0], "the browser does not answer"
            read = os.read(self.answers, 1 << 20)
            assert read, "the browser is gone"
            self.rest += read
        text, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(text)
        method, said = message.get("method"), message.get("params", {})
        self.events.append(method)
        if method == "Runtime.consoleAPICalled":
            self.console.append(
                f"{said['type']}: {[each.get('value', each.get('description')) for each in said['args']]}"
            )
        if method == "Runtime.exceptionThrown":
            self.console.append(f"exception: {said['exceptionDetails']}")
        if method == "Log.entryAdded":
            self.console.append(f"{said['entry']['level']}: {said['entry']['text']}")
        return message


KEYS = {"Tab": 9, "Enter": 13}
