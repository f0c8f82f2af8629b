"""PasteDeploy's ini files: a server for ``pserve``, and the middleware as a filter.

::

    [app:main]
    use = egg:MyProject
    filter-with = sockio

    [filter:sockio]
    use = egg:sockio-wsgi
    namespaces = myproject.sockets:NAMESPACES
    ping_interval = 15

    [server:main]
    use = egg:sockio-wsgi#paster
    host = 0.0.0.0
    port = 8080

Without ``namespaces`` the application's own view decides, by
:func:`~sockio.socketio_manage`. The folder of the ini file (``here``) is put on ``sys.path``, so
that a project need not be installed.
"""

from __future__ import annotations

import difflib
import functools
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gevent import monkey

from ..config.settings import OPTIONS, Settings, flag
from ..exceptions import SettingsError
from ..http.middleware import SocketIOMiddleware
from ..server.tls import server_context

__all__ = ["filter_app_factory", "serve_paste", "server_factory"]

WSGIApp = Callable[..., Iterable[bytes]]


def server_factory(
    global_conf: Mapping[str, str], /, **local_conf: str
) -> Callable[[WSGIApp], None]:
    """``[server:main] use = egg:sockio-wsgi#paster``: gevent's server, which ends its clients
    properly.

    Keys: ``host`` (127.0.0.1) and ``port`` (8080), which ``pserve development.ini port=9000`` also
    sets; ``certfile`` and ``keyfile``, with which it speaks TLS; ``backlog``; ``access_log = true``
    for a line by the logger ``sockio.access`` for each request. Where the application is not
    wrapped in the middleware yet, also ``namespaces`` and every setting of
    :class:`~sockio.config.Settings`, among them ``resource``, ``transports`` and ``policy_server``.
    Anything else raises :class:`~sockio.exceptions.SettingsError`.

    PasteDeploy calls this before it loads the application: in time for gevent to patch the standard
    library, which it does.
    """
    _patch()
    _put_on_path(global_conf)
    conf = dict(local_conf)
    for name in ("host", "port"):
        # PasteDeploy takes a key out of its section when the command line or [DEFAULT] has it too.
        if name in global_conf:
            conf[name] = global_conf[name]
    host = conf.pop("host", "127.0.0.1")
    port = _number("port", conf.pop("port", "8080"))
    options = _server_options(conf)

    def run(app: WSGIApp) -> None:
        # Not above: what these import has to be patched.
        from ..server.server import find_middleware, serve
        from ..sessions.complaints import never_mute

        if find_middleware(app) is not None:
            misplaced = [name for name in options if name == "namespaces" or name in OPTIONS]
            if misplaced:
                raise SettingsError(
                    f"{', '.join(misplaced)}: the application is wrapped in the middleware "
                    "already. Move these keys from [server:...] to where that is done, "
                    "[filter:...] or the application's code."
                )
        hupper: Any = sys.modules.get("hupper")
        if hupper is not None and hupper.is_active():
            # Under pserve --reload somebody is developing, and wants to see every failure.
            never_mute()
        serve(app, host, port, _stop_timeout=_time_to_stop(), **options)

    return run


def _time_to_stop() -> float | None:
    """Half a second under ``pserve --reload``, whose monitor kills who takes longer than one."""
    hupper: Any = sys.modules.get("hupper")
    return 0.5 if hupper is not None and hupper.is_active() else None


def serve_paste(app: WSGIApp, global_conf: Mapping[str, str], /, **local_conf: str) -> None:
    """Serve ``app`` until SIGINT or SIGTERM, with the keys of :func:`server_factory`.

    The form of a ``paste.server_runner``, for programs that call it. The application has been
    imported by then: such a program has to begin with ``monkey.patch_all()``.
    """
    server_factory(global_conf, **local_conf)(app)


def filter_app_factory(
    app: WSGIApp, global_conf: Mapping[str, str], /, **local_conf: str
) -> SocketIOMiddleware:
    """``[filter:...] use = egg:sockio-wsgi``: the application wrapped in the middleware.

    Keys: ``namespaces``, the dotted name of a mapping (``package.module:NAMESPACES``), and every
    setting of :class:`~sockio.config.Settings`. Anything else raises
    :class:`~sockio.exceptions.SettingsError`.
    """
    _put_on_path(global_conf)
    settings: dict[str, Any] = dict(local_conf)
    namespaces = _namespaces(settings.pop("namespaces", ""))
    Settings.make(settings)  # raises for what is an argument of the class and no setting
    return SocketIOMiddleware(app, namespaces, **settings)


def _patch() -> None:
    """Patch the standard library, in a process that may have threads already: ``pserve --reload``
    has two, which tell the monitor process what to watch.

    They stay native threads, and go on as before. Only their end would fail: a thread looks itself
    up by its id then, which the patched function gives as another.
    """
    threads = [each for each in threading.enumerate() if each is not threading.main_thread()]
    monkey.patch_all()
    active: dict[Any, Any] = getattr(threading, "_active", {})
    for thread in threads:
        thread._delete = functools.partial(active.pop, thread.ident, None)  # type: ignore[attr-defined]


def _put_on_path(global_conf: Mapping[str, str]) -> None:
    here = global_conf.get("here")
    if here and here not in sys.path:
        sys.path.insert(0, here)


def _namespaces(name: str) -> Mapping[str, Any] | None:
    if not name.strip():
        return None
    example = "such as myproject.sockets:NAMESPACES, where NAMESPACES = {'/chat': ChatNamespace}."
    try:
        found = pkgutil.resolve_name(name.strip())
    except (ValueError, ImportError, AttributeError) as error:
        raise SettingsError(
            f"namespaces = {name}: {error}. It is the dotted name of a mapping, {example}"
        ) from error
    if not isinstance(found, Mapping):
        raise SettingsError(f"namespaces = {name}: is {found!r}, not a mapping {example}")
    return found


#: Keys of ``[server:...]`` that are no settings, besides host and port.
_OF_THE_SERVER = ("access_log", "certfile", "keyfile", "backlog", "namespaces")


def _server_options(conf: dict[str, str]) -> dict[str, Any]:
    """The keys of ``[server:...]`` as ``serve()`` takes them."""
    for name in conf:
        if name not in _OF_THE_SERVER and name not in OPTIONS:
            if name == "workers":
                raise SettingsError(
                    "[server:...] has workers: pserve is one process. Serve the same file by "
                    "gunicorn --paste FILE.ini --workers 4 --bind HOST:PORT "
                    "-k sockio.integrations.gunicorn_worker.GeventSocketIOWorker"
                )
            close = difflib.get_close_matches(name, [*_OF_THE_SERVER, *OPTIONS, "host", "port"], 1)
            hint = f"Did you mean {close[0]}?" if close else "See the documentation of pserve."
            raise SettingsError(
                f"[server:...] of egg:sockio-wsgi#paster has no key {name!r}. {hint}"
            )
    # Settings stay the strings that they are: one table converts them for everybody.
    options: dict[str, Any] = dict(conf)
    if "backlog" in conf:
        options["backlog"] = _number("backlog", conf["backlog"])
    if "namespaces" in conf:
        options["namespaces"] = _namespaces(conf["namespaces"])
    certfile, keyfile = options.pop("certfile", ""), options.pop("keyfile", "")
    if certfile or keyfile:
        try:
            options["ssl_context"] = server_context(certfile, keyfile)
        except SettingsError as error:
            raise SettingsError(f"{error} %(here)s is the folder of the ini file.") from error
    if "access_log" in conf:
        options["access_log"] = _yes_or_no("access_log", conf["access_log"])
    return options


def _number(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise SettingsError(f"{name} = {value}: must be a number.") from None


def _yes_or_no(name: str, value: str) -> bool:
    try:
        return flag(value)
    except ValueError as error:
        raise SettingsError(f"{name} = {value}: {error}.") from None
