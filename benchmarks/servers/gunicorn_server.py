"""The benchmark's server on sockio, served by one worker of gunicorn's: sockio's own class."""

from __future__ import annotations

import argparse
import functools
import json
import runpy
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

WORKER = "sockio.integrations.gunicorn_worker.GeventSocketIOWorker"


class Site(BaseApplication):  # type: ignore[misc]
    """gunicorn, with what it would read from its configuration."""

    def __init__(self, settings: dict[str, Any], options: dict[str, Any]) -> None:
        self._settings, self._options = settings, options
        super().__init__()

    def load_config(self) -> None:
        mine = {
            "bind": "127.0.0.1:0",
            "backlog": 4096,
            "worker_class": WORKER,
            "worker_connections": 100_000,
            "loglevel": "warning",
            "post_worker_init": say_port,
        }
        for name, value in (mine | self._options).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from sockio import SocketIOMiddleware

        namespaces = {"/bench": common()["Bench"]}
        return SocketIOMiddleware(common()["application"], namespaces, **self._settings)


@functools.cache
def common() -> dict[str, Any]:
    """What it has in common with the other servers; to be asked in the worker, where gevent has
    patched."""
    return runpy.run_path(str(Path(__file__).with_name("sockio_server.py")))


def say_port(worker: Any) -> None:
    """It listens, and has imported the application."""
    found = {**common()["versions"](), "gunicorn": version("gunicorn")}
    port = worker.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"port": port, "versions": found}) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", type=json.loads, default={}, help="of sockio, as JSON")
    parser.add_argument("--gunicorn", type=json.loads, default={}, help="of gunicorn, as JSON")
    options = parser.parse_args()
    Site(options.settings, options.gunicorn).run()


if __name__ == "__main__":
    main()
