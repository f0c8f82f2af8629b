"""A real browser, its tabs, and the JavaScript client in their pages, for tests to talk to.

::

    tab = browser.open(server.url + "/")
    ada = tab.connect(server.url + "/chat", "websocket")
    ada.next("connect")
    assert ada.ask("echo", "hello") == ["hello"]

drive.py is the other end of the pipe, page.js that in the page.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import gevent
import pytest

from ..support.node import NODE_MODULES
from ..support.transcript import Transcript

__all__ = ["CLIENT_JS", "NEW_CLIENT_JS", "Browser", "Client", "Tab", "find_browser"]

HERE = Path(__file__).parent
CLIENT_JS = NODE_MODULES / "socket.io-client" / "dist" / "socket.io.js"
NEW_CLIENT_JS = NODE_MODULES / "socket.io-client-4.8.4" / "dist" / "socket.io.js"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str:
    """The path of the browser; skips the test where it, its driver or the client is missing.

    CI has to have all three: there the test fails.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        missing = f"needs a browser on PATH, one of {', '.join(PROGRAMS)}: apt install chromium"
    elif importlib.util.find_spec("playwright") is None:
        missing = "needs playwright: pip install playwright (its own browsers are not used)"
    elif not (CLIENT_JS.is_file() and NEW_CLIENT_JS.is_file()):
        missing = "needs socket.io-client of two versions: run npm install in tests/js"
    else:
        return program
    if os.environ.get("CI"):
        pytest.fail(f"{missing} (CI is set: it may not be skipped)")
    pytest.skip(missing)


class Browser:
    """One browser process and the tabs in it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "drive.py"), find_browser()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        #: Everything said in both directions since the last :meth:`forget_all`.
        self.transcript = Transcript("browser")
        self.tabs: list[Tab] = []
        self._numbers = itertools.count(1)
        self._listener = gevent.spawn(self._listen)
        self.transcript.next("ready")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def open(self, url: str, visitor: str = "somebody") -> Tab:
        """A new tab with that page, loaded. Tabs of one visitor share their cookies."""
        tab = Tab(self, f"tab {self.number()}")
        self.ask("open", tab=tab.name, visitor=visitor)
        self.tabs.append(tab)
        tab.do("goto", url)
        return tab

    def number(self) -> int:
        return next(self._numbers)

    def ask(self, command: str, **details: Any) -> Any:
        """Have something done, and wait until it is. Raises ``AssertionError`` if it failed."""
        assert self._process.stdin is not None
        number = self.number()
        self.transcript.add(f"> {command}", details)
        line = json.dumps({"ask": number, "do": command, **details})
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer, error = self.transcript.next("answer", number)[1:]
        assert error is None, f"{command} {details}: {error}\n{self.transcript}"
        return answer

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                self.transcript.add("said", line.rstrip())
                continue
            if "ready" in said:
                self.transcript.add("ready", said["ready"])
            elif "ask" in said:
                self.transcript.add("answer", said["ask"], said.get("answer"), said.get("error"))
            elif said["event"] == "report":
                client, event, args, sid, transport = said["args"]
                self.transcript.add(client, event, args, sid, transport)
            else:
                self.transcript.add(said["tab"], said["event"], *said["args"])
        self.transcript.end()

    def keep_evidence(self, folder: Path, title: str) -> list[Path]:
        """Pictures of all tabs, and the transcript with their consoles; the files' paths."""
        folder.mkdir(exist_ok=True)
        name = re.sub(r"[^\w-]+", "-", title).strip("-")
        kept = [folder / f"{name}.log"]
        kept[0].write_text(f"{self.transcript}\n", "utf-8")
        for number, tab in enumerate(self.tabs, 1):
            picture = folder / f"{name}-{number}.png"
            try:
                tab.do("screenshot", path=str(picture))
            except AssertionError:
                continue  # a tab that was closed, or hangs
            kept.append(picture)
        return kept

    def forget_all(self) -> None:
        """Close every tab; what they still say concerns nobody."""
        if self.alive:
            self.ask("forget all")
        self.tabs.clear()
        self.transcript = Transcript("browser")

    def quit(self) -> None:
        """End the process, and the browser with it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._listener.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Tab:
    """One tab."""

    def __init__(self, browser: Browser, name: str) -> None:
        self._browser = browser
        self.name = name

    def do(self, method: str, *args: Any, **options: Any) -> Any:
        """Call a method of Playwright's ``Page``, and wait for what it gives."""
        return self._browser.ask(method, tab=self.name, args=args, **options)

    def evaluate(self, script: str, arg: Any = None) -> Any:
        """The value of an expression, or of a function ``(arg) => ...``, in the page."""
        return self.do("evaluate", script, arg)

    def run(self, command: str, *args: Any) -> Any:
        """Run a command of page.js."""
        return self.evaluate("([command, args]) => commands[command](...args)", [command, args])

    def wait_for(self, selector: str) -> None:
        """Wait until the page shows an element."""
        self.do("wait_for_selector", selector)

    def forget_cors(self) -> None:
        """Make the client believe that the browser has no cross-origin XMLHttpRequest."""
        self.evaluate("() => { io.util.ua.hasCORS = false; }")

    def leave(self) -> None:
        """Go elsewhere, as by a link: the page unloads."""
        self.do("goto", "about:blank")

    def close(self) -> None:
        """Close the tab as its cross does: the page unloads."""
        self.do("close", run_before_unload=True)

    def connect(self, url: str, transport: str, **options: Any) -> Client:
        """A new connection, and its namespace that the URL's path names.

        ``options`` are the client's own, with underscores for spaces (``reconnection_delay=10``).
        Connections do not come back by themselves unless ``reconnect=True``.
        """
        client = Client(self, f"client {self._browser.number()}")
        spaced = {name.replace("_", " "): value for name, value in options.items()}
        self.run("connect", client.name, url, transport, spaced)
        return client

    def heard(self, event: str) -> list[tuple[Any, ...]]:
        """What the browser said about this tab so far: console, response, websocket failed..."""
        entries = self._browser.transcript.all(self.name)
        return [details for what, *details in entries if what == event]  # type: ignore[misc]

    def next(self, event: str, *details: Any) -> tuple[Any, ...]:
        """The same, one by one, here already or still to come."""
        return self._browser.transcript.next(self.name, event, *details)[1:]


class Client:
    """One namespace of one connection, seen from the page that uses it."""

    def __init__(self, tab: Tab, name: str) -> None:
        self._tab = tab
        self._browser = tab._browser
        self.name = name
        #: The session id and the transport as of the last thing that was waited for.
        self.sid = ""
        self.transport = ""

    def open(self, namespace: str) -> Client:
        """One more namespace of the connection; the global one is ``""``."""
        client = Client(self._tab, f"client {self._browser.number()}")
        self._tab.run("open", client.name, self.name, namespace)
        return client

    def next(self, event: str) -> list[Any]:
        """The arguments of the next such event, here already or still to come. The client's own
        are among them: connect, connect_failed, disconnect, reconnect, error, message."""
        args, self.sid, self.transport = self._browser.transcript.next(self.name, event)[1:]
        assert isinstance(args, list)
        return args

    def got(self, event: str) -> list[Any]:
        """The arguments of all such events so far."""
        entries = self._browser.transcript.all(self.name)
        return [args for name, args, *_ in entries if name == event]

    def emit(self, event: str, *args: Any) -> None:
        self._tab.run("emit", self.name, event, *args)

    def emit_many(self, event: str, times: int) -> None:
        """Emit at once as many events as asked for, with their numbers from 0 as argument."""
        self._tab.run("emitMany", self.name, event, times)

    def ask(self, event: str, *args: Any) -> list[Any]:
        """Emit with a callback, and wait for the arguments that it gets."""
        answer = self._tab.run("ask", self.name, event, *args)
        assert isinstance(answer, list)
        return answer

    def send(self, text: str) -> None:
        self._tab.run("send", self.name, text)

    def send_json(self, value: Any) -> None:
        self._tab.run("sendJson", self.name, value)

    def all_sent(self) -> None:
        """Wait until the client is no longer busy with a post.

        What it says meanwhile it keeps. A goodbye is then never sent, or ends the session after the
        next reconnection (client 0.9.17, ``Socket.packet`` and ``flushBuffer``).
        """
        self._tab.run("allSent", self.name)

    def answer(self, event: str, *args: Any) -> None:
        """From now on acknowledge ``event`` with these arguments."""
        self._tab.run("answer", self.name, event, args)

    def disconnect(self) -> None:
        """End the connection."""
        self._tab.run("disconnect", self.name)

    def disconnect_sync(self) -> None:
        """End it by a synchronous request, as the client's 'sync disconnect on unload' does."""
        self._tab.run("disconnectSync", self.name)
