"""Who gets in: the handshake's questions, in order.

Is the origin allowed? Does ``authorize`` agree? Does the view (in the view form) attach namespaces
and answer without a refusal? The handshake is the one request that browsers send with cookies even
across domains, and the one whose refusal has an HTTP status, so everything is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from webob import Request

from ..config.forwarded import address_of, forwarded_headers
from ..config.origins import host_of, is_allowed, own_origins, source_of
from ..config.plain import PLAIN, NoAnswer, says_yes
from ..config.settings import Settings
from ..exceptions import ConnectionRefused, RequestRefused
from ..runtime.gevent_runtime import ENDS_A_TASK
from ..sessions.sayings import printable, said
from ..sessions.socket import Socket
from ..transports.answers import Answer, Head
from .claims import Claim, is_answer_of_one, is_handshake
from .view_calls import meant_no, overhear

__all__ = [
    "MUST_ACCEPT_GET",
    "ViewAnswer",
    "ask_authorize",
    "ask_view",
    "ask_who",
    "check_host",
    "check_origin",
    "decide",
]

Header = tuple[str, str]

UNAUTHORIZED = "handshake unauthorized"
ERROR = "handshake error"
BAD_ORIGIN = "handshake bad origin"
BAD_HOST = "handshake bad host"

_FORBIDDEN = "403 Forbidden"
_FAILED = "500 Internal Server Error"

MUST_ACCEPT_GET = "the view must accept GET"

_SAID_NO = (
    "the view returned {}. By that nobody is let in: return what socketio_manage() returned, or an "
    "answer of the framework whose status refuses"
)

#: Characters of what a view says to whom it refuses.
TEXT_OF_A_REFUSAL = 500


#: What may be behind a view that looks as if it had failed.
_CLOSED = (
    ". Or the view is a generator that was closed before its end, which looks the same: let a "
    "function call socketio_manage(), and return the generator"
)


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
    """Raise ``RequestRefused`` when the request's origin may not talk to this server (403), or
    when nobody can say (500). ``script`` says that it is answered by a script."""
    proxies = settings.trusted_proxies
    try:
        if is_allowed(settings.origins, environ, proxies, script=script):
            return
    except ConnectionRefused as refused:
        raise RequestRefused(
            _FORBIDDEN, BAD_ORIGIN, code="origin-not-allowed", detail=f"origins: {refused}"
        ) from None
    except ENDS_A_TASK:
        raise
    except NoAnswer as error:
        raise RequestRefused(_FAILED, ERROR, code="origins-failed", detail=str(error)) from None
    except BaseException as error:
        raise RequestRefused(
            _FAILED,
            ERROR,
            code="origins-failed",
            detail=f"the callable in origins, given {(source_of(environ) or 'None')[:100]!r}, "
            f"raised {error!r}; it is to return True or False, for None (no source) as well",
        ) from error
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
    own = own_origins(environ, proxies)[0][:100]
    # What a page has that was opened from a disk; some others have it, too.
    file = f" If the page was opened as a file, open it from the server: {own}/." * (
        source == "null"
    )
    raise RequestRefused(
        _FORBIDDEN,
        BAD_ORIGIN,
        code="origin-not-allowed",
        detail=f"origin {(source or 'none')[:100]!r} is not allowed; this server sees itself as "
        f"{own!r}. Set origins=[...] to allow it, or let the proxy pass Host and "
        f"X-Forwarded-Proto.{file}{_not_counted(settings, environ)}",
    )


def _not_counted(settings: Settings, environ: Mapping[str, Any]) -> str:
    """What to do about a proxy's headers, if the request has some that do not count."""
    headers = forwarded_headers(environ)
    proxies = settings.trusted_proxies
    if not headers or (proxies is not None and proxies.trusts(environ)):
        return ""
    peer = address_of(environ.get("REMOTE_ADDR") or "unix")
    return (
        f" {' and '.join(headers)} did not count, for {peer[:60]} is not trusted: if that is your "
        f"proxy, set trusted_proxies=[{peer[:60]!r}]."
    )


def ask_authorize(authorize: Callable[[Request], Any], request: Request) -> None:
    """Ask the ``authorize`` setting. Raises ``RequestRefused``: 403 for no, 500 if it failed."""
    what = "authorize"
    try:
        answer = authorize(request)
        what = f"authorize returned {type(answer).__name__}, whose truth value"
        allowed = says_yes(answer, "authorize")
    except ConnectionRefused as refused:
        raise RequestRefused(
            _FORBIDDEN,
            UNAUTHORIZED,
            code="authorize-refused",
            detail=said(refused),
            told=printable(said(refused), TEXT_OF_A_REFUSAL),
        ) from None
    except (RequestRefused, *ENDS_A_TASK):
        raise
    except NoAnswer as error:
        raise RequestRefused(_FAILED, ERROR, code="authorize-failed", detail=str(error)) from None
    except BaseException as error:
        raise RequestRefused(
            _FAILED,
            ERROR,
            code="authorize-failed",
            detail=f"{what} raised {error!r}; it is to return True or False, or to raise "
            "ConnectionRefused",
        ) from error
    if not allowed:
        raise RequestRefused(
            _FORBIDDEN, UNAUTHORIZED, code="authorize-refused", detail="authorize said no"
        )


def ask_view(
    app: Callable[..., Any], environ: dict[str, Any], claim: Claim, *, whole: bool = False
) -> ViewAnswer:
    """Run the wrapped application to its end as the handshake's view: what it said, with its
    ``whole`` body or as much of it as is told.

    Does not raise for what goes wrong in it.
    """
    failures = overhear(environ)
    answer = ViewAnswer(claim, failures, whole=whole)
    body: Iterable[bytes] | None = None
    try:
        with claim.by_its_body():
            body = app(environ, answer.start_response)
            # Bare views may return None: they said what they had to by socketio_manage().
            for chunk in body or ():
                answer.write(chunk)
    except ENDS_A_TASK:
        raise
    except BaseException as error:
        answer.error = error
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            try:
                close()
            except Exception as error:
                answer.error = answer.error or error
    if answer.error is not None:
        failures.append(answer.error)
    refused = next((each for each in failures if isinstance(each, ConnectionRefused)), None)
    if refused is not None:
        # In some frameworks it comes this far, others make a page of it.
        answer.refuse(refused)
    if type(body) in PLAIN or not answer.status:
        # A view without a framework. What others give has said its status.
        answer.said_no = meant_no(body, taken=True)
    view = claim.view
    if view is not None:
        blamed = all(map(view.is_blamed_by, failures))
        # In another task its frames do not show it.
        answer.view_failed = view.failed or not blamed
        answer.view_closed = view.may_be_closed
        taken = not failures and answer.status[:1] == "2"
        answer.said_no = answer.said_no or view.meant_no(taken=taken)
        if failures and blamed and not answer.said_no:
            answer.complaint = repr(failures[0])
    # Their tracebacks keep all that was going on, and so does the view's.
    failures.clear()
    claim.view = view = None
    return answer


def ask_who(app: Callable[..., Any], environ: dict[str, Any], claim: Claim) -> ViewAnswer:
    """Ask the application who is inside of it; what it answers, up to as much as says so.

    Raises what it raises.
    """
    answer = ViewAnswer(claim, [])
    with claim.by_its_body():
        body = app(environ, answer.start_response)
        try:
            for chunk in body or ():
                answer.write(chunk)
                if answer.is_long:
                    # A page, which may have no end.
                    break
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()
    return answer


def decide(answer: ViewAnswer, environ: dict[str, Any], socket: Socket) -> list[Header]:
    """What the view's answer means for the client: its cookies, if the client is let in.

    Raises ``RequestRefused`` otherwise: with the view's own 401 or 403, with 500 when it failed,
    and with 403 for everything else that is not a yes.
    """
    cookies = answer.named("set-cookie")
    status = answer.status
    said_no = _SAID_NO.format(answer.said_no) if socket.environ and answer.said_no else ""
    if answer.complaint and socket.environ and _is_that_of_a_complaint(answer):
        # The view has let the client in, and then its framework missed a page. Another status is
        # somebody else's answer.
        return cookies
    if answer.error is not None:
        # Its traceback knows who knows the answer: they would wait for the garbage collector.
        error, answer.error = answer.error, None
        if not said_no:
            raise RequestRefused(
                _FAILED, ERROR, code="view-failed", detail=repr(error), headers=cookies
            ) from error
    said = said_no or f"the view answered {status}"
    if said_no and status[:1] in ("", "2", "5"):
        raise RequestRefused(_FAILED, ERROR, code="view-failed", detail=said, headers=cookies)
    if status.startswith("5"):
        raise RequestRefused(_FAILED, ERROR, code="view-failed", detail=said, headers=cookies)
    if status[:3] in ("401", "403"):
        raise RequestRefused(
            status,
            answer.text or UNAUTHORIZED,
            code="view-refused",
            detail=said,
            headers=cookies + answer.named("www-authenticate"),
        )
    if status and not status.startswith("2"):
        code = "view-refused"
        if status.startswith("404"):
            code = "view-not-found"
            path = environ["PATH_INFO"]
            said += (
                f": route all of {path.rpartition('/1')[0] or path.rstrip('/')}/* to your view, "
            )
            said += "or name the namespaces: SocketIOMiddleware(app, {'/chat': ChatNamespace})"
        elif status.startswith("3"):
            code = "view-redirected"
            said += ": a redirect (to a login, perhaps) refuses a client"
        elif status.startswith("405"):
            said += f": {MUST_ACCEPT_GET}"
        raise RequestRefused(_FORBIDDEN, UNAUTHORIZED, code=code, detail=said, headers=cookies)
    if socket.environ and answer.view_failed:
        # By a page for failures, most likely, that does not say that it is one.
        raise RequestRefused(
            _FORBIDDEN,
            UNAUTHORIZED,
            code="view-refused",
            detail="the view raised something behind socketio_manage(), and whoever handled that "
            f"answered {status or 'nothing'}, which does not let the client in: give that answer a "
            f"status that refuses{_CLOSED * answer.view_closed}",
            headers=cookies,
        )
    if not socket.environ:
        raise RequestRefused(
            _FORBIDDEN,
            UNAUTHORIZED,
            code="not-managed",
            detail="the view did not call socketio_manage(environ, namespaces)",
            headers=cookies,
        )
    return cookies


def _is_that_of_a_complaint(answer: ViewAnswer) -> bool:
    """Whether nobody has answered but the framework that complains. What is raised on behind a
    status that refuses, it was said with it."""
    status = answer.status
    return status[:3] == "500" or (answer.error is not None and status[:1] in ("", "2"))


class ViewAnswer:
    """What a WSGI application said: nothing ("" and no headers), or a status, headers and a body.

    Of the body as much is kept as a refused client is told, or all of it where a middleware inside
    of the application has answered, or where the ``whole`` is wanted.
    """

    def __init__(self, claim: Claim, failures: list[BaseException], *, whole: bool = False) -> None:
        self.status = ""
        self.headers: list[Header] = []
        self.error: BaseException | None = None
        #: What a framework said, and nobody else, about a return value that is no answer.
        self.complaint = ""
        #: Whether somebody else has answered, for a view that attached and then raised something.
        self.view_failed = False
        #: Whether that may be a generator that was closed, and failed in nothing.
        self.view_closed = False
        #: What the view returned that says no, though its framework may have made a page of it.
        self.said_no = ""
        self._claim = claim
        self._failures = failures
        self._all = whole
        self._body = b""

    def start_response(
        self, status: str, headers: list[Header], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        self.status = status
        self.headers = list(headers)
        if exc_info and exc_info[1] is not None:
            self._failures.append(exc_info[1])
        return self.write

    def write(self, data: Any) -> None:
        # Of a view that is none anything may come.
        if isinstance(data, bytes) and not self.is_long:
            self._body += data

    def refuse(self, refused: ConnectionRefused) -> None:
        """The view refused by raising: with its text, if it has any."""
        self.status = _FORBIDDEN
        self.error = None
        self.headers = [
            *self.named("set-cookie"),
            ("Content-Type", "text/plain; charset=utf-8"),
        ]
        self._body = str(refused).encode()

    def named(self, name: str) -> list[Header]:
        return [header for header in self.headers if header[0].lower() == name]

    @property
    def is_long(self) -> bool:
        """Whether nothing more of it is kept: it is no answer of a middleware that was met."""
        return not self._all and not self._claim.taken and len(self._body) >= TEXT_OF_A_REFUSAL

    @property
    def is_of_one(self) -> bool:
        """Whether a middleware has answered that nobody has met: it shows by its answer."""
        return not self._claim.taken and is_answer_of_one(self.status, self.headers, self._body)

    @property
    def lets_in(self) -> bool:
        """Whether a client would read that it was let in, whoever says so."""
        return is_handshake(self._body)

    @property
    def text(self) -> str:
        """The view's own words to the client, in plain text; "" where it said nothing, or made a
        page."""
        kind = self.named("content-type")
        content_type = kind[0][1].lower() if kind else ""
        text = self._body.decode("utf-8", "replace").strip()
        plain = content_type.startswith("text/plain")
        # Frameworks call every string a page.
        if not plain and not (content_type.startswith("text/html") and "<" not in text):
            return ""
        if self.status and text.startswith(self.status):
            # WebOb's page in plain text: the status, what it means, and what the view said.
            text = "\n\n".join(re.split(r"\n\s*\n", text)[2:])
        return printable(text, TEXT_OF_A_REFUSAL)

    def whole(self) -> Answer:
        """The answer of a middleware inside of the application, as it is."""
        headers = [header for header in self.headers if header[0].lower() != "content-length"]
        return Answer(Head.bare(self.status or _FAILED, ()), self._body, headers)
