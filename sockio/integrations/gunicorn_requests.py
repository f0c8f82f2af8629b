"""What gunicorn's settings have to do with each request, whether gevent.pywsgi answers it or the
event loop: what stands in its environ, its line in the access log, and how many there were."""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gunicorn import glogging

from ..config.forwarded import TrustedProxies
from ..server.heads import malformed
from ..server.proxy_protocol import Source, Sources

__all__ = ["AccessLines", "Hooks", "Request", "Requests", "Response"]

#: Headers of a request that have names of their own in the environ.
_BARE = {"CONTENT_TYPE": "Content-Type", "CONTENT_LENGTH": "Content-Length"}


class Requests:
    """The requests of one worker, which is gunicorn's."""

    def __init__(self, worker: Any) -> None:
        cfg = worker.cfg
        self._worker = worker
        #: Whether :meth:`count` wants to be called.
        self.counts = cfg.max_requests > 0
        self._schemes = {
            "HTTP_" + name.upper().replace("-", "_"): value
            for name, value in cfg.secure_scheme_headers.items()
        }
        #: The headers by which a proxy tells the scheme, as keys of the environ.
        self.scheme_keys = tuple(self._schemes)
        # Whoever connects over a Unix socket is one, as with gunicorn's own workers.
        self._proxies = TrustedProxies.named([*cfg.forwarded_allow_ips, "unix"])
        #: ``proxy_protocol``, from ``proxy_allow_ips``; None where it is not spoken.
        self.sources = None
        if cfg.proxy_protocol and cfg.proxy_protocol != "off":
            allowed = TrustedProxies.named([*cfg.proxy_allow_ips, "unix"])
            self.sources = Sources(str(cfg.proxy_protocol), allowed)
        #: What writes the access log; None where nobody asks for one.
        self.lines = AccessLines(worker.log) if _is_logged(worker.log) else None
        #: ``pre_request`` and ``post_request``; None where neither is set.
        self.hooks = Hooks(worker) if Hooks.wanted(cfg) else None

    def begin(self, environ: dict[str, Any], target: str, sock: Any, address: Any) -> None:
        """A request begins: add to its environ what gunicorn puts there, and count it. ``address``
        is whose connection ``sock`` is.

        Raises :class:`~sockio.server.heads.BadHead` where a proxy's headers disagree about the
        scheme, as gunicorn refuses them.
        """
        environ["RAW_URI"] = target
        environ["gunicorn.sock"] = sock
        for key in self.scheme_keys:
            if key in environ:
                self.set_scheme(environ, address)
                break
        if self.sources is not None:
            self.add_source(environ, address)
        if self.counts:
            self.count()

    def set_scheme(self, environ: dict[str, Any], address: Any) -> None:
        """Believe ``secure_scheme_headers``, of which one is there, of those whom
        ``forwarded_allow_ips`` names. Raises as :meth:`begin`."""
        if isinstance(address, Source):
            # It is the proxy that has to be known, not whom it speaks for.
            address = address.peer
        peer = {"REMOTE_ADDR": address[0]} if isinstance(address, tuple) else {}
        if self._proxies is None or not self._proxies.trusts(peer):
            return
        found = {
            "https" if environ[key] == secure else "http"
            for key, secure in self._schemes.items()
            if key in environ
        }
        if len(found) > 1:
            raise malformed("headers of a proxy that disagree about the scheme")
        (environ["wsgi.url_scheme"],) = found

    def add_source(self, environ: dict[str, Any], address: Any) -> None:
        """Tell what the PROXY protocol said; the client's address stands in the environ already."""
        if isinstance(address, Source):
            environ["PROXY_PROTOCOL"] = address.protocol
            environ["PROXY_ADDR"], environ["PROXY_PORT"] = address.at[0], str(address.at[1])

    def count(self) -> None:
        """One more of ``max_requests``. With the last one the worker begins to leave."""
        worker = self._worker
        worker.nr += 1
        if worker.nr >= worker.max_requests and worker.alive:
            worker.log.info("Autorestarting worker after current request.")
            worker.leave()


def _is_logged(log: Any) -> bool:
    """Whether anything comes of it when a request is logged."""
    if type(log).access is not glogging.Logger.access:
        # A class of somebody's own, such as the one that counts for statsd.
        return True
    cfg = log.cfg
    # As Logger.access has it; in its later releases it is a property, too.
    return bool(
        cfg.accesslog
        or cfg.logconfig
        or cfg.logconfig_dict
        or cfg.logconfig_json
        or (cfg.syslog and not cfg.disable_redirect_access_to_syslog)
    )


class Response:
    """What gunicorn's logger and hooks read of an answer."""

    __slots__ = ("headers", "response_length", "sent", "status", "status_code")

    def __init__(self, status: str, headers: Sequence[tuple[str, str]], size: int | None) -> None:
        #: Such as ``200 OK``, or what became of the connection.
        self.status = status
        self.status_code = int(status[:3]) if status[:3].isdecimal() else None
        self.headers = headers
        #: Bytes of the whole answer, headers among them, as gevent counts them.
        self.sent = self.response_length = size


class AccessLines:
    """gunicorn's access log, in its format: whatever class its logger has.

    A logger may block, which the event loop must not: for requests that are answered there the
    lines are written by a task, those of one turn by one.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._waiting: deque[Callable[[], None]] = deque()
        self._writing = False
        #: Starts a task that the server waits for when it stops.
        self.run: Callable[[Callable[[], object]], object]

    def answered(
        self,
        environ: Mapping[str, Any],
        status: str,
        size: int | None,
        seconds: float,
        headers: Callable[[], list[tuple[str, str]]],
    ) -> None:
        """Have it written that a request was answered from the event loop. Does not block."""
        response = Response(status, headers(), size)
        self._waiting.append(lambda: self.write(environ, response, seconds))
        if not self._writing:
            self._writing = True
            self.run(self._write)

    def _write(self) -> None:
        try:
            while self._waiting:
                try:
                    self._waiting.popleft()()
                except Exception:
                    self._log.exception("A line of the access log was not written")
        finally:
            self._writing = False

    def write(self, environ: Mapping[str, Any], response: Response, seconds: float) -> None:
        """Write a line. Blocks as the logger's handlers do."""
        self._log.access(
            response, headers_of(environ), environ, datetime.timedelta(seconds=max(0.0, seconds))
        )


def headers_of(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The headers of a request, with names in their usual spelling."""
    found = []
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            found.append((key[5:].replace("_", "-").title(), value))
        elif key in _BARE:
            found.append((_BARE[key], value))
    return found


class Request:
    """What gunicorn's hooks may read of a request; header names are in upper case, as there."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self.method: str = environ["REQUEST_METHOD"]
        self.uri: str = environ["RAW_URI"]
        self.path, _, self.query = self.uri.partition("?")
        self.fragment = ""
        self.scheme: str = environ["wsgi.url_scheme"]
        major, _, minor = environ["SERVER_PROTOCOL"].partition("/")[2].partition(".")
        self.version = (int(major), int(minor or 0))
        self.headers = [(name.upper(), value) for name, value in headers_of(environ)]
        self.peer_addr = (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT", 0)))
        self.body = environ["wsgi.input"]


class Hooks:
    """``pre_request`` and ``post_request`` of gunicorn's settings, which may do anything: with one
    of them set no request is answered from the event loop."""

    NAMES = ("pre_request", "post_request")

    @classmethod
    def wanted(cls, cfg: Any) -> bool:
        """Whether any is set."""
        return any(getattr(cfg, name) is not cfg.settings[name].default for name in cls.NAMES)

    def __init__(self, worker: Any) -> None:
        self._worker = worker

    def before(self, request: Request) -> None:
        """A request is about to be answered. Raises what the hook raises."""
        self._worker.cfg.pre_request(self._worker, request)

    def after(self, request: Request, environ: Mapping[str, Any], response: Response) -> None:
        """It was answered."""
        try:
            self._worker.cfg.post_request(self._worker, request, environ, response)
        except Exception:
            self._worker.log.exception("Exception in post_request hook")
