"""Looking at a server that is running, from outside: through its proxy, as a browser would."""

from __future__ import annotations

import statistics
from base64 import b64encode
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from urllib.parse import urlsplit

import gevent

from ..exceptions import PacketError, UsageError
from ..protocol.handshake import decode_handshake
from ..testing import Browser, Reply
from .conversation import Conversation, timed, upgrade_removed
from .findings import LET_THEM_MEET, Finding
from .later import LATER, LaterClients

__all__ = ["examine_url"]

#: A website that cannot exist.
STRANGER = "https://sockio-doctor.invalid"

#: Connections that are opened at once, to see whether all lead to the same process.
CONNECTIONS = 24

#: What a session that is not known (any more) is told.
UNKNOWN = "7:::1+0"
#: ... and one whose global namespace is not for everybody.
REFUSED = "7:::2"

#: Refusals that a login changes.
_NEEDS_LOGIN = {"view-refused", "view-redirected", "not-managed", "authorize-refused"}


def examine_url(
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    resource: str = "socket.io",
    timeout: float = 10.0,
    idle: float = 0.0,
) -> list[Finding]:
    """What there is to say about the server at ``url``. ``headers`` (a cookie, perhaps) are sent
    with every request; ``timeout`` is how long to wait for what should come at once. With ``idle``
    a websocket and a poll are kept for so many seconds, to see whether something cuts them.

    Makes some forty sessions and ninety connections, and connects to a namespace ``/sockio-doctor``
    that does not exist, which its log will mention. Blocks.
    """
    try:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        known = False
    if not known:
        raise UsageError(f"{url!r} is no address: write http://host or https://host:port/path")
    resource = f"{parts.path.strip('/')}/{resource}".strip("/")
    patient = _Patient(f"{parts.scheme}://{parts.netloc}", resource, headers or {}, timeout, idle)
    try:
        return list(patient.examine())
    finally:
        patient.close()


class _Patient:
    def __init__(
        self, url: str, resource: str, headers: Mapping[str, str], timeout: float, idle: float
    ) -> None:
        self.url = url
        self.resource = resource
        self.headers = headers
        self.timeout = timeout
        self.idle = idle
        self.latency = 0.0
        #: Whether clients of 0.9 are served.
        self.old = True
        #: Where they are not, those by whom the server is looked at.
        self.newest = LATER[0]
        self.later = LaterClients(self.browser, resource, timeout)
        self._browsers: list[Browser] = []

    def browser(self, **headers: str) -> Browser:
        browser = Browser(self.url, resource=self.resource, timeout=self.timeout)
        browser.headers |= {**self.headers, **headers}
        self._browsers.append(browser)
        return browser

    def close(self) -> None:
        for browser in self._browsers:
            browser.close()

    def examine(self) -> Iterator[Finding]:
        reached = self._reach()
        yield from reached
        if reached[0].level == "problem":
            return
        if self.url.startswith("http://") and urlsplit(self.url).hostname not in (
            "localhost",
            "127.0.0.1",
            "::1",
        ):
            yield Finding(
                "no-tls",
                "warning",
                "the connection is not encrypted: cookies and messages can be read on the way, and "
                "old proxies break websockets that they can look into",
                "serve over https",
            )
        handshake, finding = self._handshake()
        if finding.code == "origin-lost":
            yield finding
            # The rest is looked at as a program that is no browser: that is let in without one.
            self.headers = {**self.headers, "Origin": ""}
            handshake, finding = self._handshake()
        yield finding
        upgrade = list(self._upgrade()) if self.old else []
        yield from upgrade
        yield from self._foreign_origin()
        if handshake is None:
            return
        yield self.later.who_is_served(old=self.old)
        process = [*(self._same_process() if self.old else ()), *self.later.same_process()]
        yield from process
        if any(each.level == "problem" for each in process):
            return  # whatever else fails fails by that
        conversation = Conversation(self.browser, self.latency, self.idle)
        if "websocket" in handshake:
            yield from conversation.websocket()
        if "xhr-polling" in handshake:
            yield from conversation.polling(transport="xhr-polling")
        if "htmlfile" in handshake:
            yield from conversation.streaming()
        yield from self.later.converse(
            # What stays with one generation stays with all, and waiting takes its time.
            Conversation(self.browser, self.latency, 0 if self.old else self.idle),
            upgrades=not upgrade,
        )

    # ---- reaching it

    def _reach(self) -> list[Finding]:
        browser = self.browser()
        path = f"/{self.resource}/"
        try:
            reply = browser.get(path)
            times = [timed(lambda: browser.get(path)) for _ in range(5)]
        except (OSError, HTTPException) as error:
            return [
                Finding(
                    "unreachable",
                    "problem",
                    f"{self.url} does not answer: {error}",
                    "see that the server and its proxy run, and that the address is right",
                )
            ]
        self.latency = statistics.median(times)
        if reply.status != 200 or reply.text.strip() != "Welcome to socket.io.":
            return [
                Finding(
                    "not-sockio",
                    "problem",
                    f"{self.url}{path} is answered by somebody else: {reply.status} "
                    f"{reply.text[:80]!r}",
                    "let the proxy pass everything under that path to the application, and wrap it "
                    "in SocketIOMiddleware; with another setting resource name that: --resource",
                )
            ]
        told = f"sockio answers at {self.url}{path}, in {1000 * self.latency:.0f} ms"
        if self.latency > 0.5:
            return [
                Finding(
                    "slow",
                    "warning",
                    told,
                    "look for what blocks: handlers of an unpatched process, or a long way",
                )
            ]
        return [Finding("reached", "ok", told)]

    # ---- getting in

    @property
    def first(self) -> str:
        """The first request of a client."""
        return f"/{self.resource}/1/" if self.old else self.later.path(self.newest)

    def _handshake(self) -> tuple[tuple[str, ...] | None, Finding]:
        """The transports that a session of 0.9 is offered; None where there is none."""
        reply = self.browser().get(self.first)
        code = reply.headers.get("X-Sockio-Refusal", "")
        if self.old and code == "protocol-version":
            return self._handshake_of_later_clients()
        if reply.status == 200 and not self.old:
            told = f"a handshake succeeds, of clients {self.newest.clients}"
            return (), Finding("handshake", "ok", f"{told}; those of 0.7 to 0.9 are not served")
        if reply.status == 200:
            try:
                handshake = decode_handshake(reply.text)
            except PacketError as error:
                return None, Finding(
                    "handshake-refused",
                    "problem",
                    f"the handshake was answered by somebody else: {error}",
                    "let the proxy pass everything under that path unchanged",
                )
            offered = ", ".join(handshake.transports)
            told = f"a handshake succeeds: {offered}"
            return handshake.transports, Finding("handshake", "ok", told)
        if code in ("origin-not-allowed", "host-not-allowed"):
            return None, Finding(
                "origin-lost",
                "problem",
                f"a page of {self.url} itself is refused: the server does not know that this is "
                "its name",
                "let the proxy pass it (nginx: proxy_set_header Host $http_host; proxy_set_header "
                "X-Forwarded-Proto $scheme;) and let the server believe it "
                f"(trusted_proxies=['127.0.0.1'], or where the proxy is; hosts, where that is set, "
                f"with this name), or set origins=['{self.url}']",
            )
        needs_login = code in _NEEDS_LOGIN
        return None, Finding(
            "handshake-refused",
            "note" if needs_login else "problem",
            f"the handshake is refused: {reply.status} {reply.text[:80]!r} "
            f"({code or 'by no sockio: no X-Sockio-Refusal'}); what comes behind it was not looked "
            "at",
            "give the cookie of a login: --header 'Cookie: session=...'"
            if needs_login
            else "see docs/refusals.md",
        )

    def _handshake_of_later_clients(self) -> tuple[tuple[str, ...] | None, Finding]:
        self.old = False
        for self.newest in LATER:
            if self.browser().get(self.first).headers.get("X-Sockio-Refusal") != "other-engine":
                break
        return self._handshake()

    def _foreign_origin(self) -> Iterator[Finding]:
        reply = self.browser(Origin=STRANGER).get(self.first)
        if reply.status == 200:
            yield Finding(
                "foreign-origin",
                "warning",
                "a page of any other site can connect, as whoever is logged in here",
                "set origins to the sites that may, on the server",
            )

    def _same_process(self) -> Iterator[Finding]:
        """Whether requests over connections of their own find the session.

        Many at once: one after the other, several idle processes leave all to the same one.
        """
        sid = self.browser().get(f"/{self.resource}/1/").text.partition(":")[0]
        path = f"/{self.resource}/1/xhr-polling/{sid}"
        polls = [gevent.spawn(_text_at, self.browser(), path) for _ in range(CONNECTIONS)]
        # Each replaces the one before, and the last of them is left waiting.
        ended = list(gevent.iwait(polls, timeout=self.timeout, count=CONNECTIONS - 1))
        gevent.killall(polls)
        self.browser().get(f"{path}?disconnect")
        answers = [poll.value for poll in ended]
        if any(answer and REFUSED in answer for answer in answers):
            return  # by the global namespace: the session is over, and rightly unknown
        lost = answers.count(UNKNOWN)
        if lost:
            yield Finding(
                "session-lost",
                "problem",
                f"{lost} of {CONNECTIONS} requests do not find their session: they reach another "
                "process than the one that has it",
                f"{LET_THEM_MEET}; where they are on several hosts, let the balancer keep the "
                "requests of a session together, and join the hosts by the setting backplane",
            )
        else:
            yield Finding(
                "sessions-found", "ok", "requests over new connections find their session"
            )

    # ---- talking

    def _upgrade(self) -> Iterator[Finding]:
        """Whether the request for a websocket comes through, by a session that nobody has."""
        reply = self._ask_to_upgrade()
        if reply is None or reply.status == 101:
            return
        code = reply.headers.get("X-Sockio-Refusal", "")
        if code == "server-cannot-upgrade":
            yield Finding(
                "upgrade-removed",
                "problem",
                "the server itself cannot open websockets",
                "serve with 'sockio serve', or gunicorn -k gevent_pywsgi",
            )
        elif code == "transport-not-offered":
            yield Finding(
                "no-websocket", "warning", "websocket is not offered", "name it in transports"
            )
        else:
            yield upgrade_removed(reply.status, code)

    def _ask_to_upgrade(self) -> Reply | None:
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": b64encode(b"sockio doctor ok").decode(),
            "Sec-WebSocket-Version": "13",
        }
        browser = self.browser()
        try:
            return browser.request("GET", f"/{self.resource}/1/websocket/nobody", headers=headers)
        except (OSError, HTTPException):
            return None
        finally:
            browser.close()


def _text_at(browser: Browser, path: str) -> str:
    try:
        return browser.get(path).text
    except (OSError, HTTPException):
        return ""
