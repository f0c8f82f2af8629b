"""``socketio_manage``: let the client of this request in, from a view."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..config.plain import check_plain
from ..exceptions import NotInstalled, UsageError
from ..namespaces.functions import Handlers, NamespaceMap
from ..namespaces.namespace import BaseNamespace, check_hooks
from ..namespaces.table import Namespaces
from ..protocol.packet import MAX_NAME
from ..sessions.socket import Socket
from ..sessions.states import State
from .claims import claim_of
from .frameworks import Attached, answer_for_caller, without_proxy
from .view_calls import ViewCall

__all__ = ["check_namespaces", "socketio_manage"]

_NOT_INSTALLED = """\
this request ({method} {path}) did not come through sockio's middleware, or is no handshake.
Wrap the WSGI application once, where it is made:

    from sockio import SocketIOMiddleware
    app.wsgi_app = SocketIOMiddleware(app.wsgi_app)        # Flask
    application = SocketIOMiddleware(application)          # Django, Pyramid, bare WSGI

and route /socket.io/* to this view, nothing else. If it is wrapped: a layer between has made an
environ with a wsgi.input of its own, in another task, and hides the request. Let it hand on one of
the two, or wrap the application inside of that layer."""


def socketio_manage(
    environ: Any,
    namespaces: NamespaceMap,
    request: Any = None,
    error_handler: Callable[..., Any] | None = None,
    json_loads: Callable[[str], Any] | None = None,
    json_dumps: Callable[[Any], str] | None = None,
) -> Attached:
    """Attach namespaces to the client whose handshake this view is asked about.

    ``environ`` is the WSGI environ, or the framework's request that has it. ``namespaces`` maps
    names (``"/chat"``; ``""`` or ``"/"`` is the global one; ``re.compile(r"/room-(\\d+)")`` is
    many) to classes. ``request`` is handed to them as ``self.request``; a proxy (Flask's, Bottle's,
    CherryPy's, TurboGears', Pylons') is replaced by the request that it stands for. The other
    arguments override the middleware's settings for this client.

    Returns at once. The client is let in when the view then answers with a 2xx status, or with
    nothing; any other answer refuses it. What is returned can be returned by the view: it is an
    empty answer of its framework, and of WSGI. Raises :class:`~sockio.exceptions.NotInstalled`
    outside of a handshake that came through the middleware.
    """
    environ, passed = _environ_of(environ)
    request = passed if request is None else request
    socket = environ.get("socketio")
    claim = claim_of(environ)
    if socket is None and claim is not None:
        if claim.only_asking:
            # Nobody is let in by this request: it looks for a middleware, and found a view.
            claim.met_view = True
            return answer_for_caller(request)
        # A layer between has made an environ of its own.
        socket = environ["socketio"] = environ["sockio"] = claim.socket
    if not isinstance(socket, Socket):
        method = environ.get("REQUEST_METHOD", "no request")
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        raise NotInstalled("socketio_manage(): " + _NOT_INSTALLED.format(method=method, path=path))
    if socket.state is not State.NEW:
        raise UsageError(
            "socketio_manage(): this client was let in before; call it in the view, not later."
        )
    for name, given in (
        ("error_handler", error_handler),
        ("json_loads", json_loads),
        ("json_dumps", json_dumps),
    ):
        check_plain(given, name)
    socket.namespaces = check_namespaces(namespaces)
    if request is not None:
        socket.request = without_proxy(request)
    if error_handler is not None:
        socket.error_handler = error_handler
    socket.set_json(json_loads, json_dumps)
    # What says that somebody attached is the socket: the environ may be a copy that a layer between
    # has made, and what it put there is for the session, too.
    socket.environ = environ
    while claim is not None:
        if claim.socket is socket:
            claim.view = ViewCall.of_caller()
        claim = claim.outer
    return answer_for_caller(request)


#: What ends a namespace's name on the wire.
_OF_CLIENTS = frozenset(":,?")


def check_namespaces(namespaces: Mapping[Any, Any]) -> Namespaces:
    """A copy of the mapping, whose names may be patterns and in which the global namespace is
    ``""``; raises ``UsageError`` for what no client could ever connect to."""
    if not hasattr(namespaces, "items"):
        raise UsageError(
            f"namespaces must be a mapping such as {{'/chat': ChatNamespace}}, not {namespaces!r}."
        )
    named = list(namespaces.items())
    if isinstance(namespaces, Namespaces):
        named += namespaces.patterns.items()
    found = {}
    for name, given in named:
        if isinstance(name, re.Pattern) and isinstance(name.pattern, str):
            pass
        elif (
            not isinstance(name, str)
            or name[:1] not in ("", "/")
            or not _OF_CLIENTS.isdisjoint(name)
        ):
            raise UsageError(
                f"namespace name {name!r}: write '' for the global namespace, or a name that "
                "starts with a slash and has no colon, comma or question mark, such as '/chat'; or "
                "a compiled pattern for many."
            )
        elif len(name) > MAX_NAME:
            raise UsageError(
                f"namespace name {name[:20] + '...'!r}: no client may ask for one of more than "
                f"{MAX_NAME} characters."
            )
        elif name == "/":
            # As pages and other libraries call it.
            name = ""
            if name in namespaces:
                raise UsageError("'/' and '' are both the global namespace: give it one class.")
        cls = found[name] = given.namespace if isinstance(given, Handlers) else given
        if not (isinstance(cls, type) and issubclass(cls, BaseNamespace)):
            raise UsageError(
                f"namespace {name!r}: {cls!r} is not a subclass of sockio.BaseNamespace, nor "
                "a sockio.Handlers()."
            )
        check_hooks(cls)
    return Namespaces(found)


def _environ_of(source: Any) -> tuple[dict[str, Any], Any]:
    """The environ, given itself or a framework's request that has it, and that request or None."""
    if isinstance(source, dict):
        return source, None
    for name in ("environ", "META"):
        environ = getattr(source, name, None)
        if isinstance(environ, dict):
            return environ, source
    return {}, None
