"""A polling client inside the process: it calls the WSGI callable, and there is no server between.

::

    client.handshake()
    assert client.poll().packets == ["1::"]
    waiting = client.poll()
    client.post("3:::hello")
    assert waiting.packets == ["3:::hello"]

Every request goes through :mod:`wsgiref.validate`, so whatever a test does is also a test that the
answer is one which any WSGI server can send: native strings, one ``start_response``, a body of
bytes that is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.validate import validator

import gevent
from webob import Request, Response

from sockio.sessions.registry import SessionRegistry
from sockio.testing import ManualRuntime
from sockio.virtsocket import Socket

__all__ = ["Poll", "PollingClient", "frame", "packets_in", "spoken"]

WSGIApp = Callable[..., Iterable[bytes]]

MARK = "\ufffd"

#: Seconds after which a request that should have been answered counts as hanging.
PATIENCE = 10


def frame(*packets: str) -> str:
    """A payload as the JavaScript client writes it: one packet bare, several with their lengths."""
    if len(packets) == 1:
        return packets[0]
    lengths = [len(packet.encode("utf-16-le")) // 2 for packet in packets]
    return "".join(f"{MARK}{n}{MARK}{text}" for n, text in zip(lengths, packets, strict=True))


def packets_in(payload: str) -> list[str]:
    """The packets of a payload, read as the JavaScript client does: lengths in UTF-16 units."""
    if not payload.startswith(MARK):
        return [payload]
    packets = []
    units = payload.encode("utf-16-le")
    while units:
        mark, digits, rest = units.decode("utf-16-le").split(MARK, 2)
        assert mark == ""
        start = 2 * (len(digits) + 2)
        end = start + 2 * int(digits)
        assert end <= len(units), f"a packet of {digits} units, and {rest!r} is left"
        packets.append(units[start:end].decode("utf-16-le"))
        units = units[end:]
    return packets


def spoken(app: WSGIApp) -> WSGIApp:
    """``app`` behind the validator of the standard library."""
    checked: WSGIApp = validator(app)
    return checked


class Poll:
    """A GET that was sent, and that may still be waiting for its answer."""

    def __init__(self, greenlet: gevent.Greenlet[..., Response]) -> None:
        self._greenlet = greenlet

    @property
    def waiting(self) -> bool:
        return not self._greenlet.ready()

    @property
    def answer(self) -> Response:
        answer = self._greenlet.get(timeout=PATIENCE)
        assert isinstance(answer, Response)
        return answer

    @property
    def packets(self) -> list[str]:
        assert self.answer.status_code == 200, self.answer.status
        return packets_in(self.answer.text)

    def abandon(self) -> None:
        """End the greenlet of a poll that nobody will answer: for the end of a test."""
        self._greenlet.kill()


class PollingClient:
    """One client of ``app``, which may be a middleware or something with a middleware inside.

    ``headers`` go with each of its requests, ``environ`` too. ``mount`` is where the middleware's
    resource is found.
    """

    def __init__(
        self,
        app: WSGIApp,
        registry: SessionRegistry,
        runtime: ManualRuntime,
        *,
        headers: Mapping[str, str] | None = None,
        environ: Mapping[str, Any] | None = None,
        mount: str = "/socket.io",
        base_url: str = "http://localhost",
    ) -> None:
        self.app = app
        self.registry = registry
        self.runtime = runtime
        self.headers = dict(headers or {})
        self.environ = {"REMOTE_ADDR": "192.0.2.1", **(environ or {})}
        self.mount = mount
        self.base_url = base_url
        self.sid = ""
        self._polls: list[Poll] = []

    def another(self, **headers: str) -> PollingClient:
        """A second client of the same application."""
        client = type(self)(
            self.app,
            self.registry,
            self.runtime,
            headers=headers or self.headers,
            environ=self.environ,
            mount=self.mount,
            base_url=self.base_url,
        )
        client._polls = self._polls
        return client

    # ---- any request

    def blank(
        self,
        path: str,
        method: str = "GET",
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
        **environ: Any,
    ) -> Request:
        """A request that was not sent yet; ``path`` is below the mount."""
        request = Request.blank(
            self.mount + path,
            base_url=self.base_url,
            environ={**self.environ, **environ},
            headers={**self.headers, **(headers or {})},
        )
        request.environ["REQUEST_METHOD"] = method
        if body or method == "POST":
            request.body = body.encode() if isinstance(body, str) else body
        return request

    def request(
        self,
        path: str,
        method: str = "GET",
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
        **environ: Any,
    ) -> Response:
        """The whole answer to one request. Blocks until it has come."""
        with gevent.Timeout(PATIENCE):
            return self._complete(self.blank(path, method, body, headers, **environ))

    def _complete(self, request: Request) -> Response:
        response = request.get_response(spoken(self.app))
        response.body  # noqa: B018 - reads the answer to its end, as a server would
        return response

    # ---- a session

    def handshake(self, query: str = "", **headers: str) -> Response:
        """Ask for a session; its id is in ``sid`` from then on."""
        if "jsonp=" in query:
            # As a script that a page includes.
            headers.setdefault("Referer", f"{self.base_url}/")
        response = self.request(f"/1/{query}", headers=headers)
        if response.status_code == 200 and "jsonp" not in query:
            self.sid = response.text.partition(":")[0]
        return response

    def open(self) -> PollingClient:
        """Handshake and first poll."""
        assert self.handshake().status_code == 200
        assert self.poll().packets == ["1::"]
        return self

    @property
    def url(self) -> str:
        return f"/1/xhr-polling/{self.sid}"

    @property
    def socket(self) -> Socket:
        """The server's side of this client's session."""
        socket = self.registry.get_socket(self.sid)
        assert socket is not None, "the session has ended"
        return socket

    def poll(self, query: str = "", **headers: str) -> Poll:
        """Send a GET, and let everything run that can."""
        request = self.blank(self.url + query, headers=headers)
        poll = Poll(gevent.spawn(self._complete, request))
        self._polls.append(poll)
        self.runtime.settle()
        return poll

    def post(self, *packets: str, **headers: str) -> Response:
        """Send packets in one POST, let them be handled, and return its answer."""
        return self.post_body(frame(*packets), **headers)

    def post_body(self, body: str | bytes, **headers: str) -> Response:
        """Send a POST with any body."""
        response = self.request(self.url, "POST", body, headers)
        self.runtime.settle()
        return response

    def close(self) -> None:
        """Leave the polls of this client, and of :meth:`another`, that are still waiting."""
        for poll in self._polls:
            poll.abandon()
