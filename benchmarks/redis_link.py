"""What the Redis link costs its process: CPU per publication, and per one received.

``python -m benchmarks.redis_link`` starts a server of its own, takes half a minute, and prints a
table; with numbers, only those rows. The server's time is not in it. Payloads have 200 bytes.

- ``publish``: so many leave in one turn, then the answers of the server are awaited. What the
  waiting itself costs is measured beside it and taken off.
- ``receive``: another process publishes as fast as it can, so many at a time; the handler counts.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent

from sockio.backplane.redis import RedisLink
from sockio.runtime.gevent_runtime import GeventRuntime

__all__ = ["main"]

PAYLOAD = b"p" * 200
#: Turns of the loop in which something is published, and how often they are measured.
TURNS, ROUNDS = 400, 7
PUBLICATIONS = 40_000
BURST = 5_000


@contextmanager
def server() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "redis"
        command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", ""]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
            while not path.exists():
                time.sleep(0.01)
            try:
                yield f"unix://{path}"
            finally:
                process.terminate()


def quiet(*args: Any, **options: Any) -> None:
    print(args[4] % args[5:], file=sys.stderr)


def link(url: str, on_message: Any = lambda *args: None) -> RedisLink:
    runtime = GeventRuntime()
    runtime.bind()
    up = gevent.event.Event()
    made = RedisLink(
        url,
        runtime,
        on_message=on_message,
        on_gap=lambda *args: print("gap", *args),
        say=quiet,
        on_state=lambda stands: up.set(),
    )
    made.subscribe("bench")
    made.start()
    up.wait()
    return made


def publishing(url: str, joined: int) -> float:
    """Microseconds for each: of several rounds the least disturbed."""
    made = link(url)

    def run(publish: bool) -> float:
        began = time.process_time()
        for _ in range(TURNS):
            if publish:
                for _ in range(joined):
                    made.publish("elsewhere", PAYLOAD)
            gevent.sleep(0.0005)
        return time.process_time() - began

    run(True)
    gc.collect()
    with_them, without = [], []
    for _ in range(ROUNDS):
        with_them.append(run(True))
        without.append(run(False))
    assert not made.numbers.dropped
    made.close()
    return (min(with_them) - min(without)) / (TURNS * joined) * 1e6


def receiving(url: str, joined: int) -> float:
    count = 0
    first = 0.0
    last = 0.0
    done = gevent.event.Event()

    def on_message(channel: str, payload: bytes) -> None:
        nonlocal count, first, last
        count += 1
        if count == BURST:
            first = time.process_time()
        elif count == PUBLICATIONS + BURST:
            last = time.process_time()
            done.set()

    made = link(url, on_message)
    command = [sys.executable, "-m", "benchmarks.redis_link", "publish", url, str(joined)]
    with subprocess.Popen(command) as process:
        done.wait()
        process.wait()
    assert not made.numbers.missing
    made.close()
    return (last - first) / PUBLICATIONS * 1e6


def publish_much(url: str, joined: int) -> None:
    made = link(url)
    for _ in range((PUBLICATIONS + BURST) // joined):
        for _ in range(joined):
            made.publish("bench", PAYLOAD)
        while made.numbers.waiting:
            gevent.sleep(0)
    made.publish("bench", b"the end")
    # Who hangs up at once is not read to the end.
    made.close(60)


def main() -> None:
    if sys.argv[1:2] == ["publish"]:
        publish_much(sys.argv[2], int(sys.argv[3]))
        return
    print("us of CPU each     joined      publish      receive")
    with server() as url:
        for joined in [*map(int, sys.argv[1:])] or (1, 2, 5, 10, 50, 100):
            received = f"{receiving(url, joined):13.2f}" if joined >= 10 else ""
            print(f"{joined:25}{publishing(url, joined):13.2f}{received}", flush=True)


if __name__ == "__main__":
    main()
