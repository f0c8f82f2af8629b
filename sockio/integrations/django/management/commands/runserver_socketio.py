"""``manage.py runserver_socketio [addr:port]``: runserver, with Socket.IO and websockets."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from django.apps import apps
from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands.runserver import Command as RunServer
from django.core.servers.basehttp import get_internal_wsgi_application
from django.db import connections
from django.utils import autoreload

from .....runtime.parent import end_with_parent
from .....server.access_log import without_sids
from .....server.server import SocketIOServer, find_middleware
from .....sessions.complaints import never_mute
from ... import conf
from ...outside import remember
from ...wsgi import wrap
from ..restarting import REFUSED, is_child, replace_process, run_and_restart

__all__ = ["Command"]

#: Seconds in which clients are told that the server ends or reloads.
GOODBYE = 0.5


class Command(RunServer):
    # What the ancestor makes of its argument.
    addr: str
    port: str
    help = "Starts a development server that speaks Socket.IO and websockets, on gevent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("addrport", nargs="?", help="Optional port number, or ipaddr:port")
        parser.add_argument(
            "--ipv6", "-6", action="store_true", dest="use_ipv6", help="Listen on an IPv6 address."
        )
        parser.add_argument(
            "--noreload",
            action="store_false",
            dest="use_reloader",
            help="Do not restart when the code changes.",
        )
        parser.add_argument(
            "--nostatic",
            action="store_false",
            dest="use_static_handler",
            help="Do not serve static files at STATIC_URL.",
        )
        parser.add_argument(
            "--insecure",
            action="store_true",
            dest="insecure_serving",
            help="Serve static files even if DEBUG is False.",
        )
        parser.add_argument(
            "--debugger",
            action="store_true",
            dest="use_debugger",
            help="Show failures of views in Werkzeug's debugger, which can run code in their "
            "frames, instead of Django's debug page. Needs DEBUG, and Werkzeug installed.",
        )
        if not self.requires_system_checks:
            # Otherwise, since Django 5.2, every command has it.
            parser.add_argument(
                "--skip-checks", action="store_true", help="Skip the system checks."
            )

    def handle(self, *args: Any, **options: Any) -> None:
        self.default_addr = conf.host()
        self.default_port = conf.port()
        if options["use_debugger"]:
            _check_debugger()
        self._server: SocketIOServer | None = None
        super().handle(*args, **options)

    def run(self, **options: Any) -> None:
        if not is_child():
            # Django and the project are imported already, so it is too late to patch this process:
            # with half of it patched, greenlets would share one database connection.
            if options["use_reloader"]:
                sys.exit(run_and_restart())
            replace_process()
        # For what the project itself may start.
        os.environ.pop("SOCKIO_RUNSERVER", None)
        self._main = gevent.getcurrent()
        try:
            if options["use_reloader"]:
                end_with_parent()
                autoreload.run_with_reloader(self.inner_run, **options)
            else:
                self.inner_run(**options)
        finally:
            # The process ends from here, for a signal or a change.
            if self._server is not None:
                self._server.stop(GOODBYE)

    def inner_run(self, *args: Any, **options: Any) -> None:
        autoreload.raise_last_exception()
        if not options["skip_checks"]:
            self.stdout.write("Performing system checks...\n\n")
            self.check(display_num_errors=True)
        self.check_migrations()
        for connection in connections.all(initialized_only=True):
            connection.close()
        _show_log()
        if options["use_reloader"]:
            # Somebody is developing, and wants to see every failure.
            never_mute()
        application = _Application(self.get_handler(*args, **options), options)
        server = SocketIOServer((self.addr, int(self.port)), application, log=_AccessLog(self))
        try:
            server.start()
        except OSError as error:
            self._refuse(error)
        self._server = server
        # In the loop, not in the middle of whatever a greenlet is doing. After Django's reloader,
        # which sets its own.
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, self._end)
        self.on_bind(server.server_port or 0)
        server.serve_forever()

    def _end(self) -> None:
        gevent.kill(self._main, SystemExit(0))

    def get_handler(self, *args: Any, **options: Any) -> Any:
        """The project's application; one that is not wrapped yet is wrapped."""
        application: Callable[..., Iterable[bytes]] = get_internal_wsgi_application()
        found = find_middleware(application)
        if found is None:
            # Where the project has wrapped it out of sight, that one serves.
            found = wrap(application)
            found.stand_in()
            found.inside.when_found(_remember_met)
            return found
        remember(found.registry)
        return application

    def _refuse(self, error: OSError) -> None:
        reasons = {
            errno.EACCES: "You don't have permission to access that port.",
            errno.EADDRINUSE: "That port is already in use. Choose another: "
            "manage.py runserver_socketio 127.0.0.1:9001.",
            errno.EADDRNOTAVAIL: "That IP address can't be assigned to.",
        }
        self.stderr.write(f"Error: {reasons.get(error.errno or 0, error)}")
        self.stderr.flush()
        # Not sys.exit: with the reloader this is not the main greenlet.
        os._exit(REFUSED)


class _Application:
    """What the server calls: the debugger, if asked for, around static files around the site."""

    def __init__(self, site: Any, options: dict[str, Any]) -> None:
        app = site
        if _serves_static(options):
            from django.contrib.staticfiles.handlers import StaticFilesHandler

            app = StaticFilesHandler(app)
        if options["use_debugger"]:
            from werkzeug.debug import DebuggedApplication

            # Django's way to let the failures of views through.
            settings.DEBUG_PROPAGATE_EXCEPTIONS = True
            app = DebuggedApplication(app, evalex=True)
            if app.pin is not None:
                sys.stderr.write(f"Debugger PIN: {app.pin}\n")
        self._app: Callable[..., Iterable[bytes]] = app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        return self._app(environ, start_response)


def _show_log() -> None:
    """Let sockio's own log be seen, one line for each client that comes or goes, where the project
    has not said what to do with it."""
    log = logging.getLogger("sockio")
    if not log.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)


def _serves_static(options: dict[str, Any]) -> bool:
    if not apps.is_installed("django.contrib.staticfiles") or not options["use_static_handler"]:
        return False
    return bool(settings.DEBUG or options["insecure_serving"])


def _check_debugger() -> None:
    if not settings.DEBUG:
        raise CommandError(
            "--debugger lets whoever sees a failure run code: it needs DEBUG = True.",
            returncode=REFUSED,
        )
    try:
        import werkzeug.debug  # noqa: F401
    except ImportError:
        raise CommandError(
            "--debugger needs Werkzeug: pip install Werkzeug", returncode=REFUSED
        ) from None


class _AccessLog:
    """gevent's access log on the command's output. Session ids, which let in whoever knows them,
    are cut."""

    def __init__(self, command: RunServer) -> None:
        self._command = command

    def write(self, line: str) -> None:
        self._command.stderr.write(without_sids(line.rstrip()))

    def flush(self) -> None:
        self._command.stderr.flush()


def _remember_met(middleware: Any) -> None:
    if middleware is not None:
        remember(middleware.serving.registry)
