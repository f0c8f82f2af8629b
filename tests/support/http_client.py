"""A browser and a Socket.IO 0.9 client that talk to a real server over real connections.

::

    browser = Browser(server.url)
    browser.submit("/login", nickname="ada")
    ada = SocketIOClient(browser).open("/chat")
    assert ada.ask("user message", "hello") == [True]
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPMessage
from http.cookies import SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from .wsgi_client import frame, packets_in

__all__ = ["Browser", "Reply", "SocketIOClient"]

#: Seconds after which a request that should have been answered counts as hanging.
PATIENCE = 10


class Reply(NamedTuple):
    status: int
    headers: HTTPMessage
    text: str


class Browser:
    """Keeps cookies and a connection, and follows no redirects."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies: dict[str, str] = {}
        self._others: list[Browser] = []
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, headers=headers)

    def submit(self, path: str, **fields: str) -> Reply:
        """Send a form."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", path, urlencode(fields), form)

    def request(
        self, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None
    ) -> Reply:
        sent = {"Origin": self.url, **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self._connection.request(method, path, body.encode(), sent)
        response = self._connection.getresponse()
        text = response.read().decode()
        for line in response.headers.get_all("Set-Cookie", []):
            # The coded value: it goes back as it came.
            self.cookies.update({n: c.coded_value for n, c in SimpleCookie(line).items()})
        return Reply(response.status, response.headers, text)

    def another(self) -> Browser:
        """Somebody else's browser; it is closed with this one."""
        other = Browser(self.url)
        self._others.append(other)
        return other

    def close(self) -> None:
        for browser in (self, *self._others):
            browser._connection.close()


class SocketIOClient:
    """One client over xhr-polling, as far as tests of applications need it."""

    def __init__(self, browser: Browser, resource: str = "/socket.io") -> None:
        self.browser = browser
        self.resource = resource
        self.namespace = ""
        self.url = ""
        self._ack_ids = itertools.count(1)
        self._received: list[str] = []

    def handshake(self, query: str = "") -> Reply:
        """Ask for a session."""
        reply = self.browser.get(f"{self.resource}/1/{query}")
        if reply.status == 200:
            self.url = f"{self.resource}/1/xhr-polling/{reply.text.partition(':')[0]}"
        return reply

    def open(self, namespace: str = "", query: str = "") -> SocketIOClient:
        """Handshake, first poll, and connect to a namespace."""
        reply = self.handshake(query)
        assert reply.status == 200, reply
        assert self.next() == "1::"
        if namespace:
            self.send(f"1::{namespace}")
            assert self.next() == f"1::{namespace}"
        self.namespace = namespace
        return self

    def send(self, *packets: str) -> None:
        """Send packets in one POST."""
        reply = self.browser.request("POST", self.url, frame(*packets))
        assert (reply.status, reply.text) == (200, "1"), reply

    def next(self) -> str:
        """The next packet that is no noop; polls until one comes."""
        while not self._received:
            reply = self.browser.get(self.url)
            assert reply.status == 200, reply
            self._received = [packet for packet in packets_in(reply.text) if packet != "8::"]
        return self._received.pop(0)

    def ask(self, event: str, *args: Any) -> Any:
        """Emit an event and wait for its acknowledgement: the arguments of that."""
        ack_id = next(self._ack_ids)
        data = json.dumps({"name": event, "args": args})
        self.send(f"5:{ack_id}+:{self.namespace}:{data}")
        wanted = f"6::{self.namespace}:{ack_id}"
        others = []
        while not (packet := self.next()).startswith(wanted):
            others.append(packet)
        self._received[:0] = others
        return json.loads(packet.removeprefix(wanted).removeprefix("+") or "[]")

    def event(self) -> tuple[str, list[Any]]:
        """The next event: its name and arguments."""
        packet = self.next()
        head = f"5::{self.namespace}:"
        assert packet.startswith(head), packet
        event = json.loads(packet.removeprefix(head))
        return event["name"], event.get("args", [])
