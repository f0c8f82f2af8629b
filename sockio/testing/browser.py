"""A browser without a window: cookies, an origin, a kept connection, and Socket.IO clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http.client import HTTPException, HTTPMessage
from http.cookies import SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import urlencode

from .client import Client
from .engine import GENERATIONS, TRANSPORTS, EngineSession
from .errors import ClientError
from .http import CooperativeConnection
from .wires import WIRES

__all__ = ["Browser", "Reply"]

#: Transports that no later client has.
ONLY_OF_09 = WIRES.keys() - TRANSPORTS

#: Seconds after which a request that should have been answered counts as hanging.
PATIENCE = 10.0


class Reply(NamedTuple):
    """The answer to a request."""

    status: int
    headers: HTTPMessage
    text: str


class Browser:
    """Somebody who visits ``url`` (scheme, host and port) and keeps its cookies.

    Sends its own origin, follows no redirects, and asks one thing at a time. ``generation`` is that
    of its clients where :meth:`connect` is not told another.
    """

    def __init__(
        self,
        url: str,
        *,
        resource: str = "socket.io",
        timeout: float = PATIENCE,
        generation: str = "",
    ) -> None:
        self.url = url.rstrip("/")
        self.resource = resource.strip("/")
        self.timeout = timeout
        self.generation = generation
        #: Cookies by name, as they are sent.
        self.cookies: dict[str, str] = {}
        #: Sent with every request, also those of the clients.
        self.headers: dict[str, str] = {}
        self._connection = CooperativeConnection(self.url, timeout)
        self._others: list[Browser] = []
        self._clients: list[Client] = []

    # ---- pages

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, headers=headers)

    def submit(self, path: str, **fields: str) -> Reply:
        """Send a form, and return the answer: ``status``, ``headers``, ``text``."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", path, urlencode(fields), form)

    def request(
        self,
        method: str,
        path: str,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask, and read the whole answer. A kept connection that has died is replaced, once."""
        data = body.encode() if isinstance(body, str) else body
        sent = self.sent_headers(headers)
        reused = self._connection.sock is not None
        try:
            self._connection.request(method, path, data, sent)
            response = self._connection.getresponse()
        except (HTTPException, OSError) as error:
            self._connection.close()
            if not reused or isinstance(error, TimeoutError):
                raise
            self._connection.request(method, path, data, sent)
            response = self._connection.getresponse()
        text = response.read().decode(errors="replace")
        self.remember(response.headers.get_all("Set-Cookie", []))
        return Reply(response.status, response.headers, text)

    def sent_headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The headers that a request of this browser has: origin, cookies, and ``more``."""
        sent = {"Origin": self.url, **self.headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {**sent, **(more or {})}

    def remember(self, set_cookie: Iterable[str]) -> None:
        """Keep the cookies of these ``Set-Cookie`` headers; forget those that have run out."""
        for line in set_cookie:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or morsel["expires"].startswith("Thu, 01 Jan 1970"):
                    self.cookies.pop(name, None)
                else:
                    # The coded value: it goes back as it came.
                    self.cookies[name] = morsel.coded_value

    # ---- sockets

    def connect(
        self,
        namespace: str = "",
        *,
        transport: str = "websocket",
        generation: str = "",
        auth: Mapping[str, Any] | None = None,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Client:
        """A client of this browser that is connected to ``namespace``.

        ``generation`` is that of the client: ``"eio4"`` (3.x and 4.x), ``"eio3"`` (1.x and 2.x) or
        ``"0.9"``; without it, and without one of the browser's own, ``"eio4"``, but ``"0.9"`` over
        a transport that only those clients have. ``transport`` is ``"websocket"``, ``"polling"`` or
        ``"upgrade"`` (from the one to the other), for 0.9 one of
        :data:`sockio.testing.TRANSPORTS`. ``auth`` is what clients since 3.0 give with the
        connect. ``query`` is added to the URL of the handshake
        (``"room=lobby"``), ``headers`` to all of the client's requests. ``timeout`` is how many
        seconds the client waits for anything, this browser's unless given. Raises
        :class:`Refused` when the server says no.
        """
        namespace = "" if namespace == "/" else namespace
        seconds = self.timeout if timeout is None else timeout
        generation = generation or self.generation
        generation = generation or ("0.9" if transport in ONLY_OF_09 else "eio4")
        if generation == "0.9":
            client = Client(self, transport, query, headers or {}, seconds)
        elif generation in GENERATIONS:
            session = EngineSession(self, transport, generation, query, headers or {}, seconds)
            client = Client.within(session, "")
        else:
            raise ClientError(
                f"there is no generation {generation!r}; known: 0.9, {', '.join(GENERATIONS)}"
            )
        self._clients.append(client)
        client._auth = auth
        client.open(join=not namespace)
        return client.of(namespace, auth=auth) if namespace else client

    def another(self) -> Browser:
        """Somebody else's browser; it is closed with this one."""
        other = Browser(
            self.url, resource=self.resource, timeout=self.timeout, generation=self.generation
        )
        self._others.append(other)
        return other

    def close(self) -> None:
        """Close every connection, those of the clients too."""
        for client in self._clients:
            client.close()
        for browser in self._others:
            browser.close()
        self._clients.clear()
        self._connection.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
