"""Looking at a server that is running, from outside: through its proxy, as a browser would."""

from __future__ import annotations

import re
import statistics
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import gevent

from ..exceptions import PacketError, UsageError
from ..protocol.handshake import Handshake, decode_handshake
from ..testing import Browser, Client, ClientError, Refused, Reply
from .findings import Finding

__all__ = ["examine_url"]

#: A namespace that nobody has: the server's refusal of it is an answer that it always gives.
ECHO = "/sockio-doctor"

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

#: Refusals of clients that are not to be served, or not by polling.
_NOT_MEANT = {"other-engine", "transport-not-offered"}

#: Seconds, besides the latency, after which an answer does not count as coming at once.
AT_ONCE = 2.0

_NGINX = (
    'nginx, in http: map $http_upgrade $connection_upgrade { default upgrade; "" ""; } and in the '
    "location: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    "proxy_set_header Connection $connection_upgrade; proxy_set_header Host $http_host; "
    "proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; "
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; "
    "proxy_buffering off; proxy_read_timeout 90s; proxy_send_timeout 90s;"
)


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

    Makes some ten sessions and thirty connections, and connects to a namespace ``/sockio-doctor``
    that does not exist, which its log will mention. Blocks.
    """
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
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
        yield from self._upgrade()
        yield from self._foreign_origin()
        if handshake is None:
            return
        yield self._later_clients()
        process = list(self._same_process())
        yield from process
        if any(each.level == "problem" for each in process):
            return  # whatever else fails fails by that
        for transport, check in (
            ("websocket", self._websocket),
            ("xhr-polling", self._polling),
            ("htmlfile", self._streaming),
        ):
            if transport in handshake.transports:
                yield from check()

    # ---- reaching it

    def _reach(self) -> list[Finding]:
        browser = self.browser()
        path = f"/{self.resource}/"
        try:
            reply = browser.get(path)
            times = [_timed(lambda: browser.get(path)) for _ in range(5)]
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
                    "in SocketIOMiddleware",
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

    def _handshake(self) -> tuple[Handshake | None, Finding]:
        reply = self.browser().get(f"/{self.resource}/1/")
        code = reply.headers.get("X-Sockio-Refusal", "")
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
            return handshake, Finding("handshake", "ok", f"a handshake succeeds: {offered}")
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
        if code == "protocol-version":
            return None, Finding(
                "handshake-refused",
                "warning",
                "the server answers, and serves no clients of 0.9, by which the rest is looked at",
                "nothing, if that is meant; or let generations have '0.9' while it is looked at",
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

    def _later_clients(self) -> Finding:
        """Whether clients since 1.0 get a session as well, who ask at another address."""
        served = []
        for revision, clients, goodbye in ((4, "3.x and 4.x", "1"), (3, "1.x and 2.x", "1:1")):
            browser = self.browser()
            path = f"/{self.resource}/?EIO={revision}&transport=polling"
            reply = browser.get(path)
            told = re.search(r'"sid":"([\w.~-]+)"', reply.text)
            if reply.status == 200 and told:
                browser.request("POST", f"{path}&sid={told[1]}", goodbye)
                served.append(clients)
            elif reply.headers.get("X-Sockio-Refusal") not in _NOT_MEANT:
                return Finding(
                    "later-clients-refused",
                    "warning",
                    f"clients 0.7 to 0.9 get a session, those of {clients} do not: GET "
                    f"/{self.resource}/ is answered {reply.status}",
                    f"let /{self.resource}/ itself reach the server, with its query, and not only "
                    "what is below it",
                )
        also = f"; clients {', '.join(served)} are served too" if served else ""
        return Finding("later-clients", "ok", f"clients 0.7 to 0.9 are served{also}")

    def _foreign_origin(self) -> Iterator[Finding]:
        reply = self.browser(Origin=STRANGER).get(f"/{self.resource}/1/")
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
                "run one process (one gunicorn worker), or let the balancer keep the requests "
                "of a session together",
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
            yield Finding(
                "upgrade-removed",
                "problem",
                f"a request for a websocket is answered {reply.status} instead of 101"
                f"{f' [{code}]' if code else ''}: something in front removes the upgrade",
                f"let the headers Upgrade and Connection pass. {_NGINX}",
            )

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

    def _websocket(self) -> Iterator[Finding]:
        try:
            client, seconds = self._talk("websocket")
        except Refused:
            return  # said before: the upgrade did not come through
        except (ClientError, OSError, EOFError) as error:
            yield Finding(
                "websocket-cut",
                "problem",
                f"the upgrade to websocket succeeds, and nothing comes through: {_first(error)}",
                "let the proxy treat the connection as a tunnel from then on",
            )
            return
        told = f"a websocket opens and answers in {1000 * seconds:.0f} ms"
        yield Finding("websocket", "ok", told)
        yield from self._stay(client, "a websocket")

    def _polling(self) -> Iterator[Finding]:
        fix = (
            "switch buffering off for this path (nginx: proxy_buffering off), and let requests "
            "wait (proxy_read_timeout 60s)"
        )
        try:
            client, seconds = self._talk("xhr-polling")
        except (ClientError, OSError, EOFError) as error:
            yield Finding(
                "polling-held-back", "problem", f"a poll is not answered: {_first(error)}", fix
            )
            return
        if seconds > AT_ONCE + 4 * self.latency:
            yield Finding(
                "polling-held-back", "problem", f"a poll is answered {seconds:.1f} s late", fix
            )
            return
        yield Finding("polling", "ok", f"a poll is answered in {1000 * seconds:.0f} ms")
        yield from self._stay(client, "a poll")

    def _streaming(self) -> Iterator[Finding]:
        try:
            _, seconds = self._talk("htmlfile")
        except Refused as refused:
            fix = "let the proxy speak HTTP/1.1 to the server (nginx: proxy_http_version 1.1)"
            told = f"streams are refused: {_first(refused)}"
            yield Finding("streaming-held-back", "warning", told, fix)
            return
        except (ClientError, OSError, EOFError):
            seconds = float("inf")
        if seconds > AT_ONCE + 4 * self.latency:
            yield Finding(
                "streaming-held-back",
                "warning",
                "an answer that never ends does not arrive while it is written: something collects "
                "it. Clients that stream (htmlfile: Internet Explorer) hear nothing",
                "switch buffering off for this path (nginx: proxy_buffering off), or leave "
                "htmlfile out of transports",
            )
        else:
            yield Finding("streaming", "ok", "a streamed answer arrives as it is written")

    def _talk(self, transport: str) -> tuple[Client | None, float]:
        """A client with that transport open, and in how many seconds the server answers over it;
        no client where the global namespace is not for everybody: that is an answer as well."""
        started = time.monotonic()
        try:
            client = self.browser().connect(transport=transport)
            return client, _timed(lambda: _asked(client))
        except Refused as refused:
            if refused.status is not None:
                raise
            return None, time.monotonic() - started

    def _stay(self, client: Client | None, what: str) -> Iterator[Finding]:
        if client is None or not self.idle:
            return
        started = time.monotonic()
        try:
            client.expect_end(timeout=self.idle)
        except TimeoutError:
            yield Finding("idle", "ok", f"{what} was kept for {self.idle:g} s")
            return
        yield Finding(
            "idle-cut",
            "problem",
            f"{what} on which nothing happens is cut after {time.monotonic() - started:.0f} s",
            "raise the timeouts of what is in front above heartbeat_interval and polling_duration "
            "(nginx: proxy_read_timeout, HAProxy: timeout tunnel)",
        )


def _text_at(browser: Browser, path: str) -> str:
    try:
        return browser.get(path).text
    except (OSError, HTTPException):
        return ""


def _asked(client: Client) -> None:
    try:
        client.of(ECHO)
    except Refused as refused:
        if refused.status is not None:
            raise


def _timed(fn: Callable[[], Any]) -> float:
    started = time.monotonic()
    fn()
    return time.monotonic() - started


def _first(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error) or type(error).__name__).splitlines()[0][:200]
