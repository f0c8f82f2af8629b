"""``socketio.run(app)``: sockio's server, with Werkzeug's debugger and reloader."""

from __future__ import annotations

import logging
import sys
from typing import Any

import flask

from ...server.access_log import send_to
from ...server.server import SocketIOServer
from ...server.tls import server_context

__all__ = ["run"]


def run(
    extension: Any, app: flask.Flask, host: str | None, port: int | None, options: dict[str, Any]
) -> None:
    """Serve ``app`` until it is stopped."""
    host = "127.0.0.1" if host is None else host
    port = _port_of(app) if port is None else port
    app.debug = debug = bool(options.pop("debug", app.debug))
    log_output = options.pop("log_output", debug)
    use_reloader = options.pop("use_reloader", debug)
    reloader = dict(options.pop("reloader_options", {}))
    extra_files = options.pop("extra_files", None)
    if extra_files:
        reloader["extra_files"] = extra_files
    # Of the server that Flask has, which is none for production.
    options.pop("allow_unsafe_werkzeug", None)
    certfile, keyfile = options.pop("certfile", None), options.pop("keyfile", None)
    if certfile or keyfile:
        options["ssl_context"] = server_context(certfile or "", keyfile or "")
    if debug and extension.middleware is not None:
        from werkzeug.debug import DebuggedApplication

        inner = extension.middleware.app
        extension.middleware.app = DebuggedApplication(inner, evalex=True)
    if log_output:
        send_to(logging.StreamHandler())
        options["access_log"] = True

    def serve() -> None:
        server = extension._server = SocketIOServer((host, port), app, **options)
        server.start()
        scheme = "https" if server.ssl_enabled else "http"
        sys.stderr.write(f"serving on {scheme}://{host}:{server.server_port}\n")
        sys.stderr.flush()
        server.serve_forever()

    if use_reloader:
        from werkzeug._reloader import run_with_reloader

        run_with_reloader(serve, **reloader)
    else:
        serve()


def _port_of(app: flask.Flask) -> int:
    name = str(app.config.get("SERVER_NAME") or "")
    return int(name.rpartition(":")[2]) if ":" in name else 5000
