"""One middleware serves: how the one around learns that there is one inside of its application.

Nobody can see by looking whether an application, and whatever is around it, leads to a middleware:
it may be in a closure, behind a list of hosts, or not made yet. So the question travels with the
requests. Whoever does not know puts a :class:`Claim` into the environ of what it passes on (copies
of the environ have it, too), and a middleware that is reached says so. A layer that makes an
environ of its own, of the keys that it knows, does not carry it on: then it is found by the body of
the request, or by the task that the request runs in. Where even that is lost, the answer shows what
it is (:func:`is_answer_of_one`).
"""

from __future__ import annotations

import inspect
import itertools
import logging
import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Protocol

from ..runtime.gevent_runtime import ENDS_A_TASK
from .view_calls import ViewCall

__all__ = [
    "CLAIM",
    "Claim",
    "Inside",
    "Middleware",
    "PassedOn",
    "claim_of",
    "is_answer_of_one",
    "is_handshake",
]

log = logging.getLogger("sockio")

#: Where the environ has the claim of the next middleware outside.
CLAIM = "sockio.claim"

#: Hosts of which is remembered what there is, and their characters; of others it is asked again.
HOSTS, LONGEST_HOST = 1024, 300

_TWICE = (
    "the application is wrapped in SocketIOMiddleware twice, at /%s; the inner one serves the "
    "clients, and of() of the outer one reaches nobody. Remove one of the two."
)
_NOT_USED = (
    "%s: given to the server, and not used, because the application is wrapped in "
    "SocketIOMiddleware already, and that one serves the clients. Pass them there: "
    "SocketIOMiddleware(app, {'/chat': ChatNamespace}, ...)."
)
_UNSEEN = (
    "the application answers what comes under /%s as Socket.IO does, so the requests there are "
    "passed on to it, and of() of the server's middleware reaches nobody. It has a "
    "SocketIOMiddleware behind a layer that keeps neither wsgi.input nor the other keys of the "
    "environ, or in another process.%s"
)

#: What a handshake is answered with: the session id, two times in seconds, and the transports; a
#: client since 1.0 gets a packet, which may stand behind its length. Or a script that brings these.
_HANDSHAKE = re.compile(
    r"[^\s:]{1,200}:[0-9]*:[0-9]*:[a-z,-]+|io\.j\[[0-9]+\]\(.*"
    r"|(?:[0-9]{1,9}:)?0\{\"sid\":.*|___eio\[[0-9]+\]\(.*",
    re.DOTALL,
)
_TYPES = ("text/plain", "application/javascript", "text/javascript")


class Middleware(Protocol):
    """What is said here about :class:`~sockio.SocketIOMiddleware`."""

    inside: Inside

    @property
    def settings(self) -> Any: ...


class Inside:
    """The middlewares that are reached inside of one application.

    ``resource`` is where the one around it serves, None where it only wants to know.
    ``stands_in`` says that a server made that one, which then had to guess that there is no other;
    ``given`` are the names of what it was given. ``gives_way`` says whether those inside are left
    to answer what comes under the resource.
    """

    def __init__(self, resource: str | None = None) -> None:
        self.resource = resource
        self.stands_in = False
        self.given: tuple[str, ...] = ()
        # In this order: who asks first in another thread at this moment finds it there.
        _everybody.add(self)
        #: Whether requests of the application are more than passed on: they are to carry a claim,
        #: or may carry that of another. Most processes have one middleware, which never asks about
        #: these.
        self.watchful = Claim.made
        self._asks = False
        #: One inside serves under the same URL, so the requests there are passed to the
        #: application.
        self.gives_way = False
        #: Where that is known by its answers alone: nobody says which request it took.
        self.unseen = False
        #: The hosts of which a handshake has shown what there is: for another the application may
        #: have another answer.
        self._known: set[str] = set()
        # One that the application does not keep is not kept here either.
        self._found: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._heir: weakref.ref[Any] | None = None
        self._tell: list[Callable[[], Callable[[Any], object] | None]] = []

    def __iter__(self) -> Iterator[Any]:
        """The middlewares, each once."""
        seen: dict[int, Any] = {}
        for each in list(self._found.values()):
            for one in (each, *each.inside):
                seen.setdefault(id(one), one)
        return iter(seen.values())

    @property
    def heir(self) -> Any:
        """Who serves in the place of the one around: the first that was found under the same URL,
        or, where a server made the one around for nothing of its own, anywhere. Else None."""
        heir = self._heir() if self._heir is not None else None
        if heir is None and self.stands_in and not self.given:
            heir = next(iter(self), None)
        return heir

    def ask(self) -> None:
        """Claims are made from now on: all others are to look for them."""
        if not self._asks:
            self._asks = Claim.made = True
            for each in list(_everybody):
                if each is not self:
                    each.watchful = True

    def knows(self, environ: Mapping[str, Any]) -> bool:
        """Whether a request for this host has shown what there is."""
        return environ.get("HTTP_HOST", "") in self._known

    def learn(self, environ: Mapping[str, Any]) -> None:
        """A request for this host has shown it."""
        host = environ.get("HTTP_HOST", "")
        if len(self._known) < HOSTS and len(host) <= LONGEST_HOST:
            self._known.add(host)

    def when_found(self, tell: Callable[[Any], object]) -> None:
        """Call ``tell(middleware)`` for each that there is, and as soon as one is found; perhaps
        more than once, and with None for one that only its answers show. A method is called for as
        long as somebody else keeps its object."""
        for each in self:
            tell(each)
        self._tell.append(weakref.WeakMethod(tell) if inspect.ismethod(tell) else lambda: tell)

    def may_hide_one(self) -> bool:
        """Whether this process has another middleware that could be inside of the application: one
        that no server made for itself. One that nobody keeps any more counts until the garbage
        collector has come by: to call that would stop everybody."""
        return any(
            each is not self and each.resource is not None and not each.stands_in
            for each in list(_everybody)
        )

    def answered_by_one(self) -> None:
        """The answer to a request shows that one serves under the same URL, which nobody has met.
        Those who are told get None."""
        if self.gives_way:
            return
        self.gives_way = self.unseen = True
        given = ", ".join(self.given)
        log.warning(_UNSEEN, self.resource, given and f" Not used: {given}.")
        self._tell_all(None)

    def found(self, middleware: Middleware, *, same_place: bool) -> None:
        """A request reached a middleware inside, which serves under the same URL or another."""
        first = same_place and not self.gives_way
        if first:
            self.gives_way = True
            self._heir = weakref.ref(middleware)
            if not self.stands_in:
                log.warning(_TWICE, self.resource)
            elif self.given:
                log.error(_NOT_USED, ", ".join(self.given))
        if first or id(middleware) not in self._found:
            self._found[id(middleware)] = middleware
            self._tell_all(middleware)

    def _tell_all(self, middleware: Middleware | None) -> None:
        for ref in list(self._tell):
            tell = ref()
            if tell is None:
                self._tell.remove(ref)
            else:
                tell(middleware)


class Claim:
    """One request that is passed on, and whether a middleware inside took it.

    ``environ`` is what it is passed on with, which has the claim from now on. ``here`` says that it
    is for where the asker serves, so that whoever takes it serves there. With ``only_asking``
    nothing of it is answered: the question is who is there. ``socket`` is what a view is offered.
    """

    __slots__ = (
        "_input",
        "_path",
        "asker",
        "here",
        "met_view",
        "only_asking",
        "outer",
        "script",
        "socket",
        "taken",
        "view",
    )

    #: Whether there ever was one in this process.
    made: ClassVar[bool] = False

    def __init__(
        self,
        asker: Inside,
        environ: dict[str, Any],
        *,
        outer: Claim | None = None,
        here: bool = False,
        only_asking: bool = False,
        socket: object = None,
    ) -> None:
        self.asker = asker
        self.outer = outer
        self.here = here
        self.only_asking = only_asking
        self.socket = socket
        #: A middleware inside answers this request.
        self.taken = False
        #: Only asking, it came to a view that calls ``socketio_manage()``.
        self.met_view = False
        #: The call of the view that let the client in, while it is of interest how that ends.
        self.view: ViewCall | None = None
        self.script: str = environ.get("SCRIPT_NAME", "")
        self._path: str = environ.get("PATH_INFO", "")
        self._input = environ.get("wsgi.input")
        asker.ask()
        environ[CLAIM] = self
        _latest.set(self)

    def is_of(self, environ: Mapping[str, Any]) -> bool:
        """Whether an environ that somebody has made is that of this request."""
        return (
            environ.get("wsgi.input") is self._input
            and self._input is not None
            and environ.get("PATH_INFO", "") == self._path
        )

    @contextmanager
    def by_its_body(self) -> Iterator[None]:
        """While the application is run, find this claim by the request's ``wsgi.input``, too:
        whichever task or thread the request goes on in."""
        key = id(self._input)
        before = _by_body.get(key)
        if self._input is not None:
            _by_body[key] = self
        try:
            yield
        finally:
            if before is not None:
                _by_body[key] = before
            else:
                _by_body.pop(key, None)

    def reached(self, middleware: Middleware, environ: dict[str, Any]) -> None:
        """The request came to a middleware, which answers it or passes it on in its turn."""
        asker = self.asker
        same = (
            middleware.settings.resource == asker.resource
            and environ.get("SCRIPT_NAME", "") == self.script
        )
        asker.found(middleware, same_place=same)
        if self.outer is not None:
            self.outer.reached(middleware, environ)

    def take(self, middleware: Middleware) -> None:
        """It is answered by the middleware that it came to, whatever that one calls the place."""
        self.taken = True
        if self.here:
            self.asker.found(middleware, same_place=True)
        if self.outer is not None:
            self.outer.take(middleware)


_everybody: weakref.WeakSet[Inside] = weakref.WeakSet()

#: The last claim of a task.
_latest: ContextVar[Claim | None] = ContextVar("sockio.claim", default=None)

#: By the identity of ``wsgi.input``, for as long as it is in use: the claims of requests that the
#: application is answering.
_by_body: dict[int, Claim] = {}


def claim_of(environ: Mapping[str, Any]) -> Claim | None:
    """The claim of a request, or None."""
    claim: Claim | None = environ.get(CLAIM)
    if claim is None and _by_body:
        claim = _by_body.get(id(environ.get("wsgi.input")))
    if claim is None:
        claim = _latest.get()
        if claim is not None and not claim.is_of(environ):
            claim = None
    return claim


def is_answer_of_one(status: str, headers: Iterable[tuple[str, str]], body: bytes) -> bool:
    """Whether the answer to a handshake, of which ``body`` may be the beginning, is that of a
    middleware: a refusal with a code, or a handshake's line."""
    said = {name.lower(): value.lower() for name, value in headers}
    if "x-sockio-refusal" in said:
        return True
    # A page that shows what it was asked for has not all of these.
    return (
        status.startswith("200")
        and said.get("content-type", "").startswith(_TYPES)
        and said.get("cache-control") == "no-store"
        and said.get("x-content-type-options") == "nosniff"
        and is_handshake(body)
    )


def is_handshake(body: bytes) -> bool:
    """Whether this, or its beginning, is what a client that was let in gets to read."""
    return bool(_HANDSHAKE.fullmatch(body.decode("latin-1")))


class PassedOn:
    """A WSGI application: the answer of a middleware inside of ``app``, as it comes (an answer that
    goes on, or a 101); where none is reached, that of the application which ``otherwise()`` gives.

    What ``app`` says of itself is its own answer where ``refuses(status)`` is true: then a layer
    around the middleware has kept the request from it. So does one that raises something.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        claim: Claim,
        otherwise: Callable[[], Callable[..., Iterable[bytes]]],
        refuses: Callable[[str], bool],
    ) -> None:
        self._app = app
        self._claim = claim
        self._otherwise = otherwise
        self._refuses = refuses

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        claim = self._claim
        said: list[Any] = []
        written: list[bytes] = []

        def start(status: str, *more: Any) -> Callable[[bytes], object]:
            if claim.taken:
                write: Callable[[bytes], object] = start_response(status, *more)
                return write
            said[:] = (status, *more)
            return written.append

        try:
            with claim.by_its_body():
                body = self._app(environ, start)
                if claim.taken:
                    return body
                rest = iter(body or ())
                # One that is a generator has not begun.
                first = list(itertools.islice(rest, 1))
            if claim.taken:
                return _Begun(first, rest, body)
            if said and self._refuses(said[0]):
                start_response(*said)
                return _Begun([*written, *first], rest, body)
            close = getattr(body, "close", None)
            if close is not None:
                close()
        except ENDS_A_TASK:
            raise
        except BaseException:
            if claim.taken or self._refuses("500"):
                raise
        return self._otherwise()(environ, start_response)


class _Begun:
    """An answer whose first part has been taken from it."""

    def __init__(self, first: list[bytes], rest: Iterator[bytes], body: Iterable[bytes]) -> None:
        self._parts = itertools.chain(first, rest)
        close = getattr(body, "close", None)
        if close is not None:
            self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return self._parts
