"""A polling client that speaks in packets of the wire: next to ``sockio.testing``, which speaks in
events.

::

    browser = Browser(server.url)
    browser.submit("/login", nickname="ada")
    ada = SocketIOClient(browser).open("/chat")
    ada.send("3::/chat:hello")
    assert ada.next() == "3::/chat:hello"
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from sockio.testing import Browser, Reply

from .wsgi_client import frame, packets_in

__all__ = ["Browser", "Reply", "SocketIOClient"]


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
