"""The server around the middleware: what it cannot do, said once, with the fix.

Which server it is shows in the first handshake at the earliest, in the environ that it makes.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..transports.upgrades import is_of_pywsgi, why_not

__all__ = ["concerns", "is_within_request", "say_concerns", "several_processes"]

log = logging.getLogger("sockio.server")

_THREADS = (
    "%s does not run requests as greenlets. Clients live in one gevent loop; here every request "
    "has its own thread, or waits for the one before, so timeouts are not kept, packets come late, "
    "and clients drop out. Serve by gevent: sockio serve module:app, manage.py runserver_socketio, "
    "gunicorn -k sockio.integrations.gunicorn_worker.GeventSocketIOWorker, "
    "uwsgi --gevent 1000 --gevent-monkey-patch, or [server:main] use = egg:sockio-wsgi#paster."
)
_NO_WEBSOCKETS = "%s cannot open websockets for a WSGI application, so every client polls. %s"
_GUNICORN = (
    "Run gunicorn with -k gevent_pywsgi or "
    "-k sockio.integrations.gunicorn_worker.GeventSocketIOWorker instead."
)
_UWSGI = (
    "Wrap the application once more, outermost: "
    "sockio.integrations.uwsgi_websocket.with_websockets(application)."
)
_OTHERS = "Serve by gevent.pywsgi for websockets: sockio serve module:app."


#: Who answers a request, by module and function, besides everything that is called as an
#: application is.
_ANSWERERS = (
    ("gevent.pywsgi", "run_application"),
    ("gunicorn.workers.", "handle_request"),
    ("sockio.http.", "__call__"),
)


def is_within_request() -> bool:
    """Whether the calling code runs while a WSGI request is answered, as far as its callers tell.

    Their names are not looked at, for that would have each of them keep what they stand for.
    """
    frame = sys._getframe(1).f_back
    while frame is not None:
        code = frame.f_code
        if "start_response" in code.co_varnames[: code.co_argcount]:
            return True
        module = frame.f_globals.get("__name__", "")
        for where, function in _ANSWERERS:
            if code.co_name == function and module.startswith(where):
                return True
        frame = frame.f_back
    return False


def several_processes(server: str) -> str:
    """The message about a server that runs more than one process."""
    return (
        f"{server} runs several processes, and each knows only the clients whose handshake it "
        "answered. Requests of the others are refused there (7:::1+0), so clients reconnect again "
        "and again, and a broadcast reaches a part of them. Let them find each other, by a "
        "directory that their user alone may look into: mesh='/run/user/1000/chat' as a setting or "
        "SOCKIO_MESH=/run/user/1000/chat in the environment of all."
    )


def concerns(
    environ: Mapping[str, Any], missing: Collection[str], *, in_greenlet: bool, joined: bool = False
) -> Iterator[tuple[int, str]]:
    """What the maker of this environ cannot do: level of the log, and message with the fix.

    ``missing`` are the transports that the settings allow and this server does not.
    ``in_greenlet`` says whether the request's task gives way to others while it waits, ``joined``
    whether the processes of the server know each other (setting ``mesh``).
    """
    software = environ.get("SERVER_SOFTWARE") or ""
    if not software and "uwsgi.version" in environ:
        version = environ["uwsgi.version"]
        software = f"uWSGI/{version.decode() if isinstance(version, bytes) else version}"
    if environ.get("wsgi.multiprocess") and not joined:
        yield logging.ERROR, several_processes(software or "This server")
    # No name: a test that calls the application itself.
    if software and not in_greenlet:
        yield logging.ERROR, _THREADS % software
    elif software and "websocket" in missing:
        if "uwsgi.version" in environ:
            fix = _UWSGI
        else:
            fix = _GUNICORN if "gunicorn" in software else _OTHERS
        if is_of_pywsgi(environ):
            yield logging.WARNING, f"every client polls. {why_not(environ)}"
            return
        yield logging.WARNING, _NO_WEBSOCKETS % (software, fix)


def say_concerns(
    environ: Mapping[str, Any], missing: Collection[str], *, in_greenlet: bool, joined: bool = False
) -> None:
    """Log them."""
    for level, message in concerns(environ, missing, in_greenlet=in_greenlet, joined=joined):
        log.log(level, "%s", message)
