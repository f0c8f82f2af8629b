"""``sockio serve`` and ``sockio demo``: an application, served until it is stopped."""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import logging.handlers
import os
import socket
import sys
from pathlib import Path
from typing import Any

from .problem import Problem

__all__ = ["demo", "demo_folder", "serve"]


def serve(arguments: argparse.Namespace, settings: dict[str, str], blocked: float) -> int:
    """Serve the application with ``settings``, and say when the loop is ``blocked`` for so many
    seconds; returns the exit status."""
    if arguments.reloaded:
        from ..sessions.complaints import never_mute

        # Somebody is developing, and wants to see every failure.
        never_mute()
    from ..runtime.gevent_runtime import GeventRuntime

    # What the application starts when it is imported may emit before the server is there.
    GeventRuntime.server_made = True
    sys.path.insert(0, os.getcwd())
    app = _load(arguments.app)
    options: dict[str, Any] = dict(settings)
    if arguments.certfile or arguments.keyfile:
        options["ssl_context"] = _tls(arguments)
    if arguments.access_log is not None:
        _log_access(arguments.access_log)
        options["access_log"] = True
    return _run(app, arguments, options, blocked)


def demo(arguments: argparse.Namespace) -> int:
    """Serve the chat; returns the exit status."""
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
    return _run(app, arguments, {}, 0.0)


def demo_folder() -> Path | None:
    """Where the chat is: packed with an installed sockio, or beside it in a checkout."""
    here = Path(__file__).resolve().parent.parent
    for folder in (here / "_demo" / "flask_chat", here.parent / "examples" / "flask_chat"):
        if (folder / "chat.py").is_file():
            return folder
    return None


# ---- the server


def _run(app: Any, arguments: argparse.Namespace, options: dict[str, Any], blocked: float) -> int:
    from ..exceptions import UsageError
    from ..runtime.blocked import BlockedLoop
    from ..server.server import serve as serve_until_stopped

    host, port = arguments.host, arguments.port
    if blocked:
        BlockedLoop(blocked).start()
    try:
        serve_until_stopped(app, host, port, **options)
    except (UsageError, TypeError) as error:
        raise Problem(str(error)) from error
    except socket.gaierror as error:
        raise Problem(
            f"--host {host}: there is no such address here. 127.0.0.1 is this machine alone, "
            "0.0.0.0 all its addresses"
        ) from error
    except OSError as error:
        raise Problem(
            f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}. {_instead(error)}"
        ) from error
    return 0


def _instead(error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return "--host names an address of this machine, or 0.0.0.0 for all of them"
    if error.errno == errno.EACCES:
        return "Ports below 1024 are the system's: choose another with --port"
    return "Choose another with --port"


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
    from ..config.loading import find_application

    module_name, colon, expression = name.partition(":")
    if not colon:
        raise Problem(f"{name!r}: write MODULE:APP, for example {name}:app")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name.partition(".")[0]:
            raise
        raise Problem(
            f"there is no module {module_name!r} in {os.getcwd()}; change to the folder it is in"
        ) from error
    try:
        return find_application(module, expression)
    except ValueError as error:
        raise Problem(str(error)) from error
