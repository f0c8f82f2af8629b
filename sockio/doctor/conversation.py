"""Talking to a server over one transport after the other, and what there is to say about that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from ..testing import Browser, Client, ClientError, Refused
from .findings import Finding

__all__ = ["NGINX", "Conversation", "first_line", "timed", "upgrade_removed"]

#: A namespace that nobody has: the server's refusal of it is an answer that it always gives.
ECHO = "/sockio-doctor"

#: Seconds, besides the latency, after which an answer does not count as coming at once.
AT_ONCE = 2.0

#: What nginx needs in front of sockio.
NGINX = (
    'nginx, in http: map $http_upgrade $connection_upgrade { default upgrade; "" ""; } and in the '
    "location: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    "proxy_set_header Connection $connection_upgrade; proxy_set_header Host $http_host; "
    "proxy_set_header X-Forwarded-Proto $scheme; "
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; "
    "proxy_buffering off; proxy_read_timeout 90s; proxy_send_timeout 90s;"
)

#: Refusals of a websocket that say nothing about what is in front of the server.
_NOT_ITS_FAULT = ("server-cannot-upgrade", "transport-not-offered")


class Conversation:
    """``browser`` makes a visitor, ``latency`` is that of a page and ``idle`` how long a connection
    is kept to see whether it stays, both in seconds.

    ``who`` in front of a finding names the clients that it is about; ``way`` are options of
    :meth:`~sockio.testing.Browser.connect`.
    """

    def __init__(self, browser: Callable[[], Browser], latency: float, idle: float) -> None:
        self._browser = browser
        self._latency = latency
        self._idle = idle

    def websocket(self, who: str = "", **way: Any) -> Iterator[Finding]:
        try:
            client, seconds = self._talk(transport="websocket", **way)
        except Refused as refused:
            if who and refused.code not in _NOT_ITS_FAULT:
                yield upgrade_removed(refused.status, refused.code, who)
            return  # of 0.9 said before: the upgrade did not come through
        except (ClientError, OSError, EOFError) as error:
            yield Finding(
                "websocket-cut",
                "problem",
                f"{who}the upgrade to websocket succeeds, and nothing comes through: "
                f"{first_line(error)}",
                "let the proxy treat the connection as a tunnel from then on",
            )
            return
        told = f"{who}a websocket opens and answers in {1000 * seconds:.0f} ms"
        yield Finding("websocket", "ok", told)
        yield from self._stay(client, f"{who}a websocket")

    def polling(self, who: str = "", **way: Any) -> Iterator[Finding]:
        fix = (
            "switch buffering off for this path (nginx: proxy_buffering off), and let requests "
            "wait (proxy_read_timeout 60s)"
        )
        try:
            client, seconds = self._talk(**way)
        except (ClientError, OSError, EOFError) as error:
            told = f"{who}a poll is not answered: {first_line(error)}"
            yield Finding("polling-held-back", "problem", told, fix)
            return
        if self._is_late(seconds):
            told = f"{who}a poll is answered {seconds:.1f} s late"
            yield Finding("polling-held-back", "problem", told, fix)
            return
        yield Finding("polling", "ok", f"{who}a poll is answered in {1000 * seconds:.0f} ms")
        yield from self._stay(client, f"{who}a poll")

    def upgrade(self, who: str, **way: Any) -> Iterator[Finding]:
        """From polling to a websocket, for clients whose websocket opens."""
        try:
            _, seconds = self._talk(transport="upgrade", **way)
        except (ClientError, OSError, EOFError) as error:
            yield Finding(
                "upgrade-failed",
                "problem",
                f"{who}a websocket opens, and a session that polls does not go over to one: "
                f"{first_line(error)}",
                "let requests for websockets go where the session's polls go: by the sid in their "
                "query",
            )
            return
        told = f"{who}from polling to a websocket, which answers in {1000 * seconds:.0f} ms"
        yield Finding("upgrade", "ok", told)

    def streaming(self) -> Iterator[Finding]:
        try:
            _, seconds = self._talk(transport="htmlfile")
        except Refused as refused:
            fix = "let the proxy speak HTTP/1.1 to the server (nginx: proxy_http_version 1.1)"
            told = f"streams are refused: {first_line(refused)}"
            yield Finding("streaming-held-back", "warning", told, fix)
            return
        except (ClientError, OSError, EOFError):
            seconds = float("inf")
        if self._is_late(seconds):
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

    def _is_late(self, seconds: float) -> bool:
        return seconds > AT_ONCE + 4 * self._latency

    def _talk(self, **way: Any) -> tuple[Client | None, float]:
        """A client with that transport open, and in how many seconds the server answers over it;
        no client where the global namespace is not for everybody: that is an answer as well."""
        started = time.monotonic()
        try:
            client = self._browser().connect(**way)
            return client, timed(lambda: _asked(client))
        except Refused as refused:
            if refused.status is not None:
                raise
            return None, time.monotonic() - started

    def _stay(self, client: Client | None, what: str) -> Iterator[Finding]:
        if client is None or not self._idle:
            return
        started = time.monotonic()
        try:
            client.expect_end(timeout=self._idle)
        except TimeoutError:
            yield Finding("idle", "ok", f"{what} was kept for {self._idle:g} s")
            return
        yield Finding(
            "idle-cut",
            "problem",
            f"{what} on which nothing happens is cut after {time.monotonic() - started:.0f} s",
            "raise the timeouts of what is in front above heartbeat_interval, ping_interval and "
            "polling_duration (nginx: proxy_read_timeout, HAProxy: timeout tunnel)",
        )


def upgrade_removed(status: int | None, code: str, who: str = "") -> Finding:
    """For a request for a websocket that was answered otherwise."""
    return Finding(
        "upgrade-removed",
        "problem",
        f"{who}a request for a websocket is answered {status} instead of 101"
        f"{f' [{code}]' if code else ''}: something in front removes the upgrade",
        f"let the headers Upgrade and Connection pass. {NGINX}",
    )


def _asked(client: Client) -> None:
    try:
        client.of(ECHO)
    except Refused as refused:
        if refused.status is not None:
            raise


def timed(fn: Callable[[], Any]) -> float:
    """In how many seconds it returns."""
    started = time.monotonic()
    fn()
    return time.monotonic() - started


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error) or type(error).__name__).splitlines()[0][:200]
