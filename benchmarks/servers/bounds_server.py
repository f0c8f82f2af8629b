"""A server for ``benchmarks.bounds``: as an application of its own would start it."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402

from sockio import BaseNamespace  # noqa: E402
from sockio.server import SocketIOServer  # noqa: E402
from sockio.testing.server import not_ours  # noqa: E402


class Handlers(BaseNamespace):
    def on_wait(self, *args: Any) -> None:
        """A handler that is slow, so that what comes behind it piles up."""
        gevent.sleep(600)

    def on_flood(self, size: int, count: int) -> None:
        """More than its client reads."""
        text = "x" * size
        for _ in range(count):
            self.emit("news", text)

    def on_echo(self, *args: Any) -> Any:
        return args

    def on_work(self, milliseconds: float) -> None:
        """Something that needs the processor."""
        ends = time.perf_counter() + milliseconds / 1000
        while time.perf_counter() < ends:
            pass

    def on_fail(self, text: str) -> None:
        raise ValueError(text)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", type=json.loads, default={}, help="of sockio, as JSON")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    server = SocketIOServer(
        ("127.0.0.1", 0), not_ours, {"": Handlers}, backlog=1024, **options.settings
    )
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
