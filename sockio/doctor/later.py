"""Clients since 1.0, as a running server is seen from outside: who gets a session, whether its
requests find it again, and over what it converses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import NamedTuple

import gevent

from ..testing import Browser, ClientError, Refused
from .conversation import Conversation
from .findings import LET_THEM_MEET, Finding

__all__ = ["LATER", "Generation", "LaterClients"]


class Generation(NamedTuple):
    """One that the setting ``generations`` names."""

    name: str
    revision: int
    #: The releases of its clients.
    clients: str
    #: What ends a session, as the body of a POST.
    goodbye: str

    @property
    def who(self) -> str:
        return f"clients {self.clients}: "


#: The newest first.
LATER = (
    Generation("eio4", 4, "3.x and 4.x", "1"),
    Generation("eio3", 3, "1.x and 2.x", "1:1"),
)

#: Sessions that are begun at once, to see whether their requests reach them. A prime: where servers
#: take turns, the second requests, in the order of the first, would else find the same servers.
SESSIONS = 13

#: Refusals of clients that are not to be served.
_NOT_MEANT = {"other-engine"}
#: ... or not by polling.
_NO_POLLING = "transport-not-offered"

_STICKY = (
    f"{LET_THEM_MEET}; where they are on several hosts, let the balancer keep together what has "
    "one sid in its query: give each server a sid_prefix (a., b.) and choose by it. nginx: map "
    "$request_uri $upstream { default any; ~^/socket\\.io/?\\?(.*&)?sid=a\\. a; ... }; HAProxy: "
    "use-server a if { url_param(sid) -m beg a. }. Not by the client's address, nor by a hash of "
    "the sid"
)


class LaterClients:
    """What there is to say about them. ``browser`` makes a visitor, ``resource`` is where the
    endpoint is, without slashes around; ``timeout`` in seconds."""

    def __init__(self, browser: Callable[[], Browser], resource: str, timeout: float) -> None:
        self._browser = browser
        self._resource = resource
        self._timeout = timeout
        #: Those that get a session by polling, and those by a websocket only.
        self.polling: list[Generation] = []
        self.websocket: list[Generation] = []

    def path(self, generation: Generation) -> str:
        """Of the requests that poll; the first of them is the handshake."""
        return f"/{self._resource}/?EIO={generation.revision}&transport=polling"

    def who_is_served(self, *, old: bool) -> Finding:
        """Asks each, with ``old`` true where clients of 0.9 are served."""
        for generation in LATER:
            browser = self._browser()
            path = self.path(generation)
            reply = browser.get(path)
            code = reply.headers.get("X-Sockio-Refusal")
            sid = _sid_in(reply.text)
            if reply.status == 200 and sid:
                browser.request("POST", f"{path}&sid={sid}", generation.goodbye)
                self.polling.append(generation)
            elif code == _NO_POLLING:
                if self._opens_a_websocket(generation):
                    self.websocket.append(generation)
            elif code not in _NOT_MEANT:
                others = "clients 0.7 to 0.9" if old else "others"
                return Finding(
                    "later-clients-refused",
                    "warning",
                    f"{others} get a session, those of {generation.clients} do not: GET "
                    f"/{self._resource}/ is answered {reply.status}",
                    f"let /{self._resource}/ itself reach the server, with its query, and not only "
                    "what is below it",
                )
        served = [each.clients for each in (*self.polling, *self.websocket)]
        also = f"; clients {', '.join(served)} are served too" if served else ""
        if not old:
            return Finding("later-clients", "ok", f"clients {', '.join(served)} are served")
        return Finding("later-clients", "ok", f"clients 0.7 to 0.9 are served{also}")

    def _opens_a_websocket(self, generation: Generation) -> bool:
        try:
            self._browser().connect(generation=generation.name, transport="websocket")
        except Refused as refused:
            # By the global namespace: the websocket is open.
            return refused.status is None
        except (ClientError, OSError, EOFError):
            return False
        return True

    def same_process(self) -> Iterator[Finding]:
        """Whether requests over connections of their own find the session in whose name they come.

        Of many sessions at once, one request each: two at a time would end a session.
        """
        if not self.polling:
            return
        generation = self.polling[0]
        asking = [gevent.spawn(self._come_back, generation) for _ in range(SESSIONS)]
        gevent.joinall(asking, timeout=2 * self._timeout)
        gevent.killall(asking)
        answers = [each.value for each in asking if isinstance(each.value, int)]
        lost = answers.count(400)
        if lost:
            yield Finding(
                "session-lost",
                "problem",
                f"{generation.who}{lost} of {len(answers)} requests do not find their session, "
                "whose sid is in the query: they reach another process than the one that has it",
                _STICKY,
            )
        elif answers:
            told = f"{generation.who}requests over new connections find their session"
            yield Finding("sessions-found", "ok", told)

    def _come_back(self, generation: Generation) -> int:
        """Begin a session and end it over another connection; the status of the answer to that, or
        0 where it did not come so far."""
        path = self.path(generation)
        try:
            sid = _sid_in(self._browser().get(path).text)
            if not sid:
                return 0
            return self._browser().request("POST", f"{path}&sid={sid}", generation.goodbye).status
        except (OSError, HTTPException):
            return 0

    def converse(self, conversation: Conversation, *, upgrades: bool) -> Iterator[Finding]:
        """By each transport. Without ``upgrades`` it is known that websockets do not come
        through."""
        for generation in self.polling:
            yield from conversation.polling(
                generation.who, generation=generation.name, transport="polling"
            )
            if not upgrades:
                continue
            opened = list(conversation.websocket(generation.who, generation=generation.name))
            yield from opened
            if any(each.code == "websocket" for each in opened):
                yield from conversation.upgrade(generation.who, generation=generation.name)
        for generation in self.websocket:
            yield from conversation.websocket(generation.who, generation=generation.name)


def _sid_in(text: str) -> str:
    """The session id in what a handshake was answered, or ""."""
    found = re.search(r'"sid":"([\w.~-]+)"', text)
    return found[1] if found else ""
