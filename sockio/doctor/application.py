"""Looking at an application: how it is wrapped, its settings, its namespaces, and one handshake."""

from __future__ import annotations

import contextlib
import logging
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException
from typing import Any

from ..backplane.idle import idle_settings
from ..config.loading import NoSuchApplication, check_application
from ..config.settings import Settings
from ..http.admission import MUST_ACCEPT_GET
from ..http.beside import is_wrapped_elsewhere, wrapped_as
from ..http.client_script import version_of
from ..http.middleware import SocketIOMiddleware
from ..protocol.handshake import Handshake
from ..testing import Client, ClientError, LiveServer, Refused
from ..transports import offered
from .findings import Finding, Level
from .namespaces import examine_namespace, loaded_namespaces
from .patching import examine_patching
from .surroundings import examine_surroundings

__all__ = ["examine_application", "examine_middleware", "routed_host"]

#: Seconds of silence after which common proxies cut: nginx and most load balancers 60.
PROXY = 55.0
#: ... and the strictest of the common ones, 30.
STRICT_PROXY = 30.0

#: Who is meant by the names of the setting ``generations``.
CLIENTS = {"0.9": "0.7 to 0.9", "eio3": "1.x and 2.x", "eio4": "3.x and 4.x"}

#: What to do about a name that leads to no application.
_NAME_ONE = "name the WSGI application: MODULE:APP, for example chat:app"

#: Seconds to wait for our own answers on loopback.
SOON = 5.0


def examine_application(
    app: Any, target: str, failure: str, complaints: Sequence[str], slip: str = ""
) -> list[Finding]:
    """Everything about an application that has been imported, or not (``failure``: a traceback;
    ``slip``: what is wrong with the name).

    For the process that did nothing else before; see :mod:`sockio.doctor.patient`.
    """
    if failure:
        last = failure.strip().splitlines()[-1]
        module, _, expression = target.partition(":")
        # What a factory raises the import does not.
        code = f"import {module}" + f"; {module}.{expression}" * expression.endswith(")")
        fix = f"see the whole of it: python -c {shlex.quote(code)}"
        return [Finding("import-failed", "problem", f"{target} cannot be imported: {last}", fix)]
    if slip:
        return [Finding("import-failed", "problem", slip, _NAME_ONE)]
    if not callable(app):
        return [
            Finding(
                "not-an-application",
                "problem",
                f"{target} is a {type(app).__name__} and cannot be called",
                _NAME_ONE,
            )
        ]
    try:
        check_application(app, target)
    except NoSuchApplication as error:
        return [Finding("not-an-application", "problem", str(error), _NAME_ONE)]
    findings = list(examine_patching(complaints))
    server = LiveServer(app).start()
    try:
        tried = list(try_it(server))
    finally:
        server.stop()
    # Only now: a request has shown what there is.
    findings += examine_surroundings(server.middleware.settings.mesh)
    beside = _beside(target, app) if server.middleware.inside.stands_in else None
    if beside is not None:
        findings.append(beside)
        # They are of the application that is not meant, and so is what to do about them.
        tried = [each for each in tried if not each.text.endswith(_ELSEWHERE)]
    else:
        findings.append(_wrapping(target, server, tried))
    findings += examine_middleware(server.middleware)
    findings += tried
    return findings


def _beside(target: str, app: Any) -> Finding | None:
    """Whether the application is wrapped, and not what was named."""
    module = target.partition(":")[0]
    name = wrapped_as(sys.modules.get(module), app) if module in sys.modules else ""
    if name:
        return Finding(
            "wrapped-elsewhere",
            "problem",
            f"{module}:{name} wraps {target} in SocketIOMiddleware; by {target} nobody reaches it",
            f"name that one: {module}:{name}",
        )
    if is_wrapped_elsewhere(app):
        return Finding(
            "wrapped-elsewhere",
            "problem",
            f"{target} was wrapped in SocketIOMiddleware, and by {target} nobody reaches it",
            "name what SocketIOMiddleware(...) gave; in Flask keep it, app.wsgi_app = "
            "SocketIOMiddleware(app.wsgi_app), and wrap that again where app.wsgi_app is replaced",
        )
    return None


def _wrapping(target: str, server: LiveServer, tried: Sequence[Finding]) -> Finding:
    """Which middlewares a handshake has met."""
    middlewares = server.server.middlewares
    if any(each.inside.gives_way and not each.inside.stands_in for each in middlewares):
        return Finding(
            "wrapped-twice",
            "problem",
            f"{target} is wrapped in SocketIOMiddleware twice: the outer one serves nobody",
            "remove one of the two",
        )
    if any(not each.inside.stands_in for each in middlewares):
        return Finding("wrapped", "ok", "the application is wrapped in the middleware")
    outermost = server.server.outermost
    if any(each.text.endswith(_ELSEWHERE) for each in tried):
        return Finding(
            "not-wrapped",
            "note",
            f"{target} has a SocketIOMiddleware that nobody reaches at "
            f"/{outermost.settings.resource}/: it is mounted below a path, perhaps",
            _MOUNTED,
        )
    text = (
        f"{target} is not wrapped in SocketIOMiddleware; 'sockio serve' does that by itself, no "
        "other server does"
    )
    level: Level = "warning"
    if any(each.text.endswith(("view-refused", "view-redirected")) for each in tried):
        level = "note"
        text = f"{text}. Or it is, and a visitor without a login is refused before that"
    return Finding(
        "not-wrapped",
        level,
        text,
        "app.wsgi_app = SocketIOMiddleware(app.wsgi_app) in Flask, "
        "application = SocketIOMiddleware(application) elsewhere",
    )


def examine_middleware(middleware: SocketIOMiddleware) -> Iterator[Finding]:
    """Its settings, who may connect, and its namespaces."""
    yield from examine_settings(middleware.settings)
    yield from examine_admission(middleware)
    yield from _examine_classes(middleware)


def examine_settings(settings: Settings) -> Iterator[Finding]:
    """Settings that cannot do what was meant. What contradicts itself was refused before."""
    names = tuple(offered(settings))
    yield Finding("transports", "ok", f"offers {', '.join(names)}")
    served = [CLIENTS[name] for name in settings.generations]
    yield Finding("generations", "ok", f"serves socket.io-client {', '.join(served)}")
    yield from _examine_client(settings)
    if "websocket" not in names:
        yield Finding(
            "no-websocket",
            "warning",
            "websocket is not among the transports: everything takes a request more",
            "name it first in transports, or leave that setting out",
        )
    if not {"xhr-polling", "jsonp-polling"} & set(names):
        yield Finding(
            "no-polling",
            "warning",
            "no polling transport is offered: whose network lets nothing else through cannot "
            "connect",
            "add xhr-polling to transports",
        )
    if "flashsocket" in names and not settings.policy_server:
        yield Finding(
            "flash-without-policy",
            "note",
            "flashsocket is offered, and Flash connects nowhere without a policy server",
            "policy_server=True, policy_domains=[...]; or leave flashsocket out",
        )
    for name in ("ping_interval", "heartbeat_interval"):
        seconds = getattr(settings, name)
        if seconds >= PROXY:
            yield Finding(
                "heartbeat-too-rare",
                "warning",
                f"a heartbeat every {seconds:g} s: proxies cut a websocket that is silent for "
                "60 s, many of them sooner",
                f"leave {name} at 25",
            )
    if settings.polling_duration >= STRICT_PROXY:
        level: Level = "warning" if settings.polling_duration >= PROXY else "note"
        yield Finding(
            "poll-too-long",
            level,
            f"polls wait for {settings.polling_duration:g} s: proxies end requests that take 60 s, "
            "some 30 s, and the client takes that for a lost connection",
            "leave polling_duration at 20, or raise the timeout of the proxy (nginx: "
            "proxy_read_timeout)",
        )
    if settings.close_timeout < 10:
        yield Finding(
            "away-too-short",
            "warning",
            f"after {settings.close_timeout:g} s without a request a polling client is taken for "
            "gone; a train in a tunnel takes longer",
            "close_timeout of 20 s or more",
        )
    # Whoever starts workers has them meet, but where that was forbidden.
    for idle in idle_settings(settings, meshed=settings.mesh != "off"):
        yield Finding(
            "setting-without-effect",
            "note" if idle.harmless else "warning",
            f"{idle.name} has no effect: {idle.why}",
            idle.mend,
        )


def _examine_client(settings: Settings) -> Iterator[Finding]:
    """The client that pages get at ``/socket.io/socket.io.js``."""
    version = version_of(settings.client_script)
    if version is None:
        return  # pages have it from elsewhere
    major = version.partition(".")[0]
    generation = {"0": "0.9", "1": "eio3", "2": "eio3"}.get(major, "eio4")
    what = f"/{settings.resource}/socket.io.js is socket.io-client {version or '(no version)'}"
    if version == "" or generation in settings.generations:
        yield Finding("client", "ok", what)
        return
    yield Finding(
        "client-not-served",
        "problem",
        f"{what}, and clients of its generation are not served",
        f"name {generation!r} in generations, or install another: npm install --prefix . "
        "socket.io-client",
    )


def examine_admission(middleware: SocketIOMiddleware) -> Iterator[Finding]:
    """Who may connect."""
    origins = middleware.settings.origins
    if origins == "*":
        yield Finding(
            "origins-any",
            "warning",
            "origins='*': a page of any other site can connect as whoever is logged in to yours",
            "name the sites that may: origins=['https://www.example.com']; for your own pages "
            "leave the setting out",
        )
    elif callable(origins):
        yield Finding("origins", "ok", "a callable decides which origins may connect")
    else:
        more = f" and {', '.join(origins)}" if origins else ""
        yield Finding("origins", "ok", f"pages of the server's own origin{more} may connect")
    if middleware.namespaces is not None and middleware.settings.authorize is None:
        yield Finding(
            "everybody",
            "note",
            "the namespaces are given to the middleware and nothing asks who connects: every "
            "visitor gets in, unless recv_connect refuses",
            "authorize=function(request), or a view that calls socketio_manage()",
        )


def _examine_classes(middleware: SocketIOMiddleware) -> Iterator[Finding]:
    if middleware.namespaces == {}:
        yield Finding(
            "no-namespaces",
            "problem",
            "the middleware was given an empty mapping of namespaces: nobody can connect to any",
            "SocketIOMiddleware(app, {'/chat': ChatNamespace}), or no mapping: then a view decides",
        )
    classes = loaded_namespaces()
    classes += [each for each in (middleware.namespaces or {}).values() if each not in classes]
    faults = [finding for cls in classes for finding in examine_namespace(cls)]
    if classes:
        names = ", ".join(sorted({_called(cls, middleware.namespaces or {}) for cls in classes}))
        yield Finding("namespaces", "ok", f"looked at the namespaces {names}")
    elif middleware.namespaces is None:
        yield Finding(
            "no-namespaces",
            "note",
            "importing the application defines no namespace",
            "nothing, if the view imports them later",
        )
    # A base class's faults are its subclasses', too.
    yield from dict.fromkeys(faults)


def _called(cls: type, namespaces: Mapping[str, Any]) -> str:
    """The name of a class; for one that sockio has made, of functions, that of the namespace."""
    if cls.__module__.startswith("sockio.compat."):
        for name, each in namespaces.items():
            if each is cls:
                return name or "/"
    return cls.__qualname__


def try_it(server: LiveServer) -> Iterator[Finding]:
    """One handshake by a stranger, and a websocket, on a server of the kind that is recommended."""
    _reach_the_middleware(server)
    middleware = server.middleware
    names = middleware.settings.transports or ("websocket",)
    transport = "websocket" if "websocket" in names else names[0]
    generations = middleware.settings.generations
    generation = "0.9" if "0.9" in generations else generations[0]
    if generation != "0.9" and transport != "websocket":
        transport = "polling"
    said = _Said()
    log = logging.getLogger("sockio.handshake")
    log.addHandler(said)
    try:
        client = server.connect(transport=transport, generation=generation, timeout=SOON)
    except Refused as refused:
        if refused.status is None and refused.text == "Invalid namespace":
            # It asked for the global one, which need not be.
            yield Finding("handshake", "ok", "a visitor without a login gets a session")
        else:
            yield _refusal(refused, middleware, said.text)
        return
    except (ClientError, OSError) as error:
        yield Finding(
            "websocket-failed",
            "problem",
            f"a {transport} on loopback does not open: {str(error)[:200]}",
            "see the log: sockio doctor --verbose",
        )
        return
    finally:
        log.removeHandler(said)
    yield _handshaken(client)
    if transport == "websocket":
        yield Finding("websocket", "ok", "a websocket opens, under gevent.pywsgi")


class _Said(logging.Handler):
    """What the log says of a handshake, which the client is not told."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage()


def _reach_the_middleware(server: LiveServer) -> None:
    """Let the server find out which middleware serves, with requests that show no more."""
    if not server.middleware.inside.stands_in:
        return
    # What an application does with it is not the question.
    with contextlib.suppress(HTTPException, OSError):
        server.browser().get(f"/{server.middleware.settings.resource}/1/")


def _handshaken(client: Client) -> Finding:
    told = client.handshake
    offered = told.transports if isinstance(told, Handshake) else told.upgrades or ["websocket"]
    return Finding(
        "handshake",
        "ok",
        f"a visitor without a login gets a session; offered: {', '.join(offered)}",
    )


#: What a refusal of a stranger means: a level, and what to do.
_REFUSALS: dict[str, tuple[Level, str]] = {
    "view-refused": ("note", "nothing, if a login is needed"),
    "view-redirected": ("note", "nothing, if a login is needed"),
    "not-managed": ("note", "nothing, if a login is needed; else the view has to call it"),
    "authorize-refused": ("note", "nothing, if a login is needed"),
    "unauthorized": ("note", "nothing, if recv_connect of the global namespace means it"),
    "origin-not-allowed": ("note", "nothing, if origins is a callable that knows no 127.0.0.1"),
    "host-not-allowed": ("note", "nothing: 127.0.0.1, where this was tried, is not among hosts"),
    "view-not-found": (
        "problem",
        "route everything under /socket.io/ to a view that calls socketio_manage(), or name the "
        "namespaces where the application is wrapped",
    ),
    "view-failed": ("problem", "see the traceback: sockio doctor --verbose"),
    "authorize-failed": ("problem", "see the traceback: sockio doctor --verbose"),
}


#: How the refusal ends where the application's own middleware was not met.
_ELSEWHERE = "which is not where its middleware is"
_MOUNTED = "nothing, if pages connect to that path: io({path: '/mounted/socket.io'})"


def routed_host(app: Any) -> str:
    """The name of a Flask application that has its pages under that one alone; "" for others."""
    flask = getattr(app, "__self__", app)
    config = getattr(flask, "config", None)
    urls = getattr(flask, "url_map", None)
    name = config.get("SERVER_NAME") if isinstance(config, dict) else None
    by_host = getattr(urls, "host_matching", False) or getattr(flask, "subdomain_matching", False)
    return str(name) if name and by_host else ""


def _refusal(refused: Refused, middleware: SocketIOMiddleware, logged: str) -> Finding:
    inside, resource = middleware.inside, middleware.settings.resource
    nobody = refused.code in ("not-managed", "view-not-found")
    if nobody and inside.stands_in and inside.may_hide_one():
        return Finding(
            "handshake-refused",
            "note",
            f"a visitor gets a page of the application at /{resource}/, {_ELSEWHERE}",
            _MOUNTED,
        )
    host = routed_host(middleware.app) if refused.code == "view-not-found" else ""
    if host:
        return Finding(
            "handshake-refused",
            "note",
            "the application has no page at the handshake's address on 127.0.0.1, where this was "
            f"tried: it routes by host, and is {host!r}",
            f"nothing, if pages come from {host}; else leave out subdomain_matching, host_matching "
            "or SERVER_NAME",
        )
    level, fix = _REFUSALS.get(
        refused.code, ("problem", "see docs/refusals.md, and the log: sockio doctor --verbose")
    )
    if MUST_ACCEPT_GET in logged:
        level, fix = "problem", f"{MUST_ACCEPT_GET}: methods=['GET', 'POST'] in Flask"
    said = f"{refused.status} {refused.text!r}" if refused.status else "by recv_connect"
    return Finding(
        "handshake-refused",
        level,
        f"a visitor without a login is refused: {said}, {refused.code or 'no code'}",
        fix,
    )
