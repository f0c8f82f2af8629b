"""Who gets in: the handshake's questions, in order.

Is the origin allowed? Does ``authorize`` agree? Does the view (in the view form) attach namespaces
and answer without a refusal? The handshake is the one request that browsers send with cookies even
across domains, and the one whose refusal has an HTTP status, so everything is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from webob import Request

from .config import Settings
from .exceptions import ConnectionRefused, RequestRefused
from .forwarded import forwarded_headers
from .origins import host_of, is_allowed, own_origins, source_of
from .virtsocket import Socket

__all__ = ["ask_authorize", "ask_view", "check_host", "check_origin"]

UNAUTHORIZED = "handshake unauthorized"
ERROR = "handshake error"
BAD_ORIGIN = "handshake bad origin"
BAD_HOST = "handshake bad host"

_FORBIDDEN = "403 Forbidden"
_FAILED = "500 Internal Server Error"


def check_host(settings: Settings, environ: Mapping[str, Any]) -> None:
    """Raise ``RequestRefused`` when the request asks for a host that is not one of ours."""
    hosts = settings.hosts
    if hosts is None:
        return
    host = host_of(environ, settings.trusted_proxies)
    if not hosts.have(host):
        raise RequestRefused(
            _FORBIDDEN,
            BAD_HOST,
            code="host-not-allowed",
            detail=f"{host[:100]!r} is not among hosts. If clients know this server by that name, "
            f"add it.{_not_counted(settings, environ)}",
        )


def check_origin(settings: Settings, environ: Mapping[str, Any], *, script: bool = False) -> None:
    """Raise ``RequestRefused`` when the request's origin may not talk to this server. ``script``
    says that it is answered by a script."""
    proxies = settings.trusted_proxies
    if is_allowed(settings.origins, environ, proxies, script=script):
        return
    source = source_of(environ)
    if source is None and script:
        raise RequestRefused(
            _FORBIDDEN,
            BAD_ORIGIN,
            code="no-source",
            detail="a script was asked for, without Origin or Referer: the page may be a "
            "stranger's that hides itself. Let the page send them (no Referrer-Policy: "
            "no-referrer), let the program send Origin or take another transport, or set "
            "origins='*', or to a callable that allows None.",
        )
    raise RequestRefused(
        _FORBIDDEN,
        BAD_ORIGIN,
        code="origin-not-allowed",
        detail=f"origin {(source or 'none')[:100]!r} is not allowed; this server sees itself as "
        f"{own_origins(environ, proxies)[0][:100]!r}. Set origins=[...] to allow it, or let the "
        f"proxy pass Host and X-Forwarded-Proto.{_not_counted(settings, environ)}",
    )


def _not_counted(settings: Settings, environ: Mapping[str, Any]) -> str:
    """What to do about a proxy's headers, if the request has some that do not count."""
    headers = forwarded_headers(environ)
    proxies = settings.trusted_proxies
    if not headers or (proxies is not None and proxies.trusts(environ)):
        return ""
    peer = environ.get("REMOTE_ADDR") or "unix"
    return (
        f" {' and '.join(headers)} did not count, for {peer[:60]} is not trusted: if that is your "
        f"proxy, set trusted_proxies=[{peer[:60]!r}]."
    )


def ask_authorize(authorize: Callable[[Request], Any], request: Request) -> None:
    """Ask the ``authorize`` setting. Raises ``RequestRefused``: 403 for no, 500 if it failed."""
    try:
        allowed = authorize(request)
    except ConnectionRefused as refused:
        raise RequestRefused(
            _FORBIDDEN, UNAUTHORIZED, code="authorize-refused", detail=str(refused)
        ) from None
    except RequestRefused:
        raise
    except Exception as error:
        raise RequestRefused(_FAILED, ERROR, code="authorize-failed", detail=repr(error)) from error
    if not allowed:
        raise RequestRefused(
            _FORBIDDEN, UNAUTHORIZED, code="authorize-refused", detail="authorize said no"
        )


def ask_view(
    app: Callable[..., Any], environ: dict[str, Any], socket: Socket
) -> list[tuple[str, str]]:
    """Run the wrapped application as the handshake's view; its cookies, if it lets the client in.

    Raises ``RequestRefused`` otherwise: with the view's own 401 or 403, with 500 when it failed,
    and with 403 for everything else that is not a yes.
    """
    answer = _run(app, environ)
    cookies = [(k, v) for k, v in answer.headers if k.lower() == "set-cookie"]
    status = answer.status
    if answer.error is not None:
        raise RequestRefused(
            _FAILED, ERROR, code="view-failed", detail=repr(answer.error), headers=cookies
        ) from answer.error
    said = f"the view answered {status}"
    if status.startswith("5"):
        raise RequestRefused(_FAILED, ERROR, code="view-failed", detail=said, headers=cookies)
    if status[:3] in ("401", "403"):
        challenge = [(k, v) for k, v in answer.headers if k.lower() == "www-authenticate"]
        raise RequestRefused(
            status, UNAUTHORIZED, code="view-refused", detail=said, headers=cookies + challenge
        )
    if status and not status.startswith("2"):
        code = "view-refused"
        if status.startswith("404"):
            code = "view-not-found"
            said += f": route all of {environ['PATH_INFO'].rpartition('/1')[0]}/* to your view"
        elif status.startswith("3"):
            code = "view-redirected"
            said += ": a redirect (to a login, perhaps) refuses a client"
        elif status.startswith("405"):
            said += ": the view must accept GET"
        raise RequestRefused(_FORBIDDEN, UNAUTHORIZED, code=code, detail=said, headers=cookies)
    if not environ.get("sockio.attached"):
        raise RequestRefused(
            _FORBIDDEN,
            UNAUTHORIZED,
            code="not-managed",
            detail="the view did not call socketio_manage(environ, namespaces)",
            headers=cookies,
        )
    return cookies


class _Answer:
    """What a WSGI application said: nothing ("" and no headers), or a status and headers."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.error: Exception | None = None

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        self.status = status
        self.headers = list(headers)
        return lambda data: None


def _run(app: Callable[..., Any], environ: dict[str, Any]) -> _Answer:
    """Run an application to its end with a ``start_response`` of our own; the body is dropped."""
    answer = _Answer()
    body: Iterable[bytes] | None = None
    try:
        body = app(environ, answer.start_response)
        # Bare views may return None: they said what they had to by socketio_manage().
        for _ in body or ():
            pass
    except Exception as error:
        answer.error = error
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            try:
                close()
            except Exception as error:
                answer.error = answer.error or error
    return answer
