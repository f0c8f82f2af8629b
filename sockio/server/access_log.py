"""A line for each request, where somebody wants that: the logger ``sockio.access``, at INFO.

::

    127.0.0.1 - - [30/Nov/2026:12:00:00 +0000] "GET /chat HTTP/1.1" 200 512 0.004

In the common log format, with the seconds from the request's head to its answer behind it: for a
poll, those that it waited. A websocket has a line when it opens, or where it stays in its request,
when it ends. Bytes are those of the whole answer. Session ids, which let in
whoever knows them, are cut.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..config.forwarded import TrustedProxies, client_of
from ..sessions.ids import cut
from ..sessions.sayings import printable

__all__ = ["AccessLog", "RequestLog", "send_to", "without_sids"]

#: Characters of a request line that are logged.
LONGEST = 500

_SID = re.compile(r"(/\d+/[a-z-]*/|[?&]sid=)([\w.~-]{16,})")
# A page makes it, of whatever characters.
_TOKEN = re.compile(r"([?&]recovery=[^&\s]{6})[^&\s]+")


def without_sids(line: str) -> str:
    """The line with session ids, and what clients are known again by, cut to what tells them
    apart."""
    return _TOKEN.sub(r"\1…", _SID.sub(_cut, line))


def _cut(found: re.Match[str]) -> str:
    return found[1] + cut(found[2])


def send_to(handler: logging.Handler) -> None:
    """Have the lines written by ``handler`` and nobody else."""
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("sockio.access")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


class RequestLog(Protocol):
    """Whoever wants to know of each request that the event loop answers."""

    def answered(
        self,
        environ: Mapping[str, Any],
        status: str,
        size: int | None,
        seconds: float,
        headers: Callable[[], list[tuple[str, str]]],
    ) -> None:
        """A request was answered: with ``size`` bytes, the headers among them, after so many
        seconds. ``headers`` makes a list of those of the answer. Must not block."""
        ...


class AccessLog:
    """What writes the lines of one server."""

    __slots__ = ("_log", "_proxies", "_second", "_time")

    def __init__(self, proxies: TrustedProxies | None = None) -> None:
        """``proxies`` are those whose word on the client's address counts."""
        self._log = logging.getLogger("sockio.access")
        self._proxies = proxies
        self._second, self._time = 0, ""

    def answered(
        self,
        environ: Mapping[str, Any],
        status: str,
        size: int | None,
        seconds: float,
        headers: object = None,
    ) -> None:
        """A request was answered: with ``size`` bytes, the headers among them, after so many
        seconds."""
        query = environ.get("QUERY_STRING", "")
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        self.line(
            client_of(environ, self._proxies),
            f"{environ.get('REQUEST_METHOD', '-')} {path}{'?' + query if query else ''} "
            f"{environ.get('SERVER_PROTOCOL', 'HTTP/1.1')}",
            status,
            size,
            seconds,
        )

    def line(
        self, address: str, request: str, status: str, size: int | None, seconds: float
    ) -> None:
        """The same of a request that has no environ."""
        self._log.info(
            '%s - - [%s] "%s" %s %s %.3f',
            address or "-",
            self._now(),
            printable(without_sids(request), LONGEST).replace('"', "'"),
            status[:3],
            "-" if size is None else size,
            seconds,
        )

    def _now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._time = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
        return self._time
