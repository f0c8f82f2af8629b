"""``sockio serve`` and ``sockio demo``: an application, served until it is stopped."""

from __future__ import annotations

import argparse
import importlib
import logging
import logging.handlers
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .listening import cannot_listen
from .notify import notify
from .problem import Problem

if TYPE_CHECKING:
    from .worker import Worker

__all__ = ["demo", "demo_folder", "serve"]


log = logging.getLogger("sockio")


def serve(arguments: argparse.Namespace, settings: dict[str, str], blocked: float) -> int:
    """Serve the application with ``settings``, and say when the loop is ``blocked`` for so many
    seconds; returns the exit status."""
    if arguments.reloaded:
        from ..runtime.parent import end_with_parent
        from ..sessions.complaints import never_mute

        # Somebody is developing, and wants to see every failure.
        never_mute()
        end_with_parent()
    from ..runtime.gevent_runtime import GeventRuntime

    # What the application starts when it is imported may emit before the server is there.
    GeventRuntime.server_made = True
    worker = _worker_of(arguments)
    sys.path.insert(0, os.getcwd())
    app = _load(arguments.app)
    options: dict[str, Any] = dict(settings)
    if arguments.certfile or arguments.keyfile:
        options["ssl_context"] = _tls(arguments)
    if arguments.access_log is not None:
        _log_access(arguments.access_log)
        options["access_log"] = True
    return _run(app, arguments, options, blocked, worker)


def _worker_of(arguments: argparse.Namespace) -> Worker | None:
    """What this process is to the supervisor of several, if it has one."""
    if not arguments.child:
        return None
    from .worker import Worker

    return Worker(arguments.child)


def demo(arguments: argparse.Namespace) -> int:
    """Serve the chat; returns the exit status."""
    worker = _worker_of(arguments)
    if arguments.backplane:
        os.environ["BACKPLANE"] = arguments.backplane
    folder = demo_folder()
    if folder is None:
        raise Problem("the demo is not installed; run it from a checkout: nox -s demo")
    sys.path.insert(0, str(folder))
    try:
        app = _load("chat:app")
    except ModuleNotFoundError as error:
        if error.name != "flask":
            raise
        raise Problem("the demo needs Flask: pip install Flask") from error
    return _run(app, arguments, {}, worker=worker)


def demo_folder() -> Path | None:
    """Where the chat is: packed with an installed sockio, or beside it in a checkout."""
    here = Path(__file__).resolve().parent.parent
    for folder in (here / "_demo" / "flask_chat", here.parent / "examples" / "flask_chat"):
        if (folder / "chat.py").is_file():
            return folder
    return None


# ---- the server


def _run(
    app: Any,
    arguments: argparse.Namespace,
    options: dict[str, Any],
    blocked: float = 0.0,
    worker: Worker | None = None,
) -> int:
    from ..exceptions import UsageError
    from ..runtime.blocked import BlockedLoop
    from ..server.server import SocketIOServer, say_address, serve_until_stopped

    def accepting() -> None:
        if blocked:
            # Not before: what the start takes is nobody's fault.
            BlockedLoop(blocked).start()
        if worker is None:
            say_address(arguments.host, server)
            notify("READY=1")
        else:
            worker.accepts(server)

    try:
        if worker is None:
            server = SocketIOServer((arguments.host, arguments.port), app, **options)
        else:
            server = worker.server(app, **options)
        server.stop_timeout = arguments.graceful_timeout
        serve_until_stopped(server, accepting)
    except (UsageError, TypeError) as error:
        raise Problem(str(error)) from error
    except OSError as error:
        raise cannot_listen(arguments.host, arguments.port, error) from error
    return 0


def _tls(arguments: argparse.Namespace) -> Any:
    from ..exceptions import SettingsError
    from ..server.tls import server_context

    try:
        return server_context(arguments.certfile or "", arguments.keyfile or "")
    except SettingsError as error:
        raise Problem(f"--{error}") from error


def _log_access(where: str) -> None:
    from ..server.access_log import send_to

    handler: logging.Handler
    if where == "-":
        handler = logging.StreamHandler(sys.stdout)
    else:
        try:
            # A file that logrotate takes away is opened anew.
            handler = logging.handlers.WatchedFileHandler(where, encoding="utf-8")
        except OSError as error:
            raise Problem(f"--access-log {where}: {error.strerror}") from error
    send_to(handler)


# ---- the application


def _load(name: str) -> Any:
    """The application that ``module:attribute`` names, or what a factory makes."""
    from ..config.loading import NoSuchApplication, find_application, hidden_by, split_name

    if ":" not in name and name.endswith(".ini"):
        raise Problem(
            f"{name!r} is a file of PasteDeploy. Serve it by pserve; or write a wsgi.py with "
            f"application = paste.deploy.loadapp('config:{name}', relative_to='.') and serve "
            "wsgi:application"
        )
    hiding = hidden_by(os.getcwd())
    if hiding:
        raise Problem(f"{hiding} hides the package sockio: give it another name")
    try:
        module_name, expression = split_name(name)
    except NoSuchApplication as error:
        raise Problem(str(error)) from error
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise Problem(
            f"there is no module {module_name!r} in {os.getcwd()}; change to the folder it is in"
        ) from error
    try:
        app = find_application(module, expression)
    except NoSuchApplication as error:
        raise Problem(str(error)) from error
    if "sockio.http.middleware" in sys.modules:
        # Which is where an application is wrapped, if any is.
        from ..http.beside import wrapped_as

        beside = wrapped_as(module, app, served=True)
        if beside:
            # It may be meant, for a worker that serves pages alone.
            log.warning(
                "%s:%s wraps %s in SocketIOMiddleware, with its namespaces, and is not what is "
                "served, so clients find none of them. Name that one: sockio serve %s:%s",
                *(module_name, beside, name, module_name, beside),
            )
    return app
