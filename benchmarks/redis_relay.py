"""What ``backplane_relay`` spares Redis, and costs the workers of a host: ``python -m
benchmarks.redis_relay``, a minute; with numbers, hosts of so many workers.

Workers are processes with a link each, without clients. One process publishes 200 bytes each, some
in one turn, at a given pace. CPU is user and system of each process, per publication: of Redis, of
the two workers that hear it (of all, where each does), of each other. Latency is from the
publisher's call to the handler of the others.
"""

from __future__ import annotations

import functools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gevent
import gevent.event

from sockio.backplane.mesh.directory import Directory
from sockio.backplane.mesh.mesh import Mesh
from sockio.backplane.redis import RedisLink
from sockio.backplane.relay.hearing import Hearing
from sockio.backplane.relay.relays import Relays, key_of
from sockio.runtime.gevent_runtime import GeventRuntime

from .redis_link import server

__all__ = ["main"]

#: Publications in one turn, and seconds between two turns; how many are measured.
PACES = ((1, 0.001), (10, 0.005), (50, 0.01))
COUNT, FIRST = 10_000, 1_000


def quiet(*args: Any, **options: Any) -> None:
    """Nobody wants to read by whom each hears."""


def worker(url: str, folder: str, relayed: bool) -> None:
    runtime = GeventRuntime()
    runtime.bind()
    options: dict[str, Any] = {}
    if relayed:
        mesh = Mesh(Directory(folder), runtime)
        make = functools.partial(Hearing, Relays(mesh), key_of("bench", url), runtime)
        options["relay"] = ("sockio:bench:relay", make)
    up, done = gevent.event.Event(), gevent.event.Event()
    count, began, took = 0, 0.0, 0.0
    late: list[float] = []

    def on_message(channel: str, payload: bytes) -> None:
        nonlocal count, began, took
        count += 1
        if count == FIRST:
            began = time.process_time()
        elif count == FIRST + COUNT:
            took = time.process_time() - began
            done.set()
        if count > FIRST:
            late.append(time.monotonic() - float(payload[:20]))

    link = RedisLink(
        url,
        runtime,
        on_message=on_message,
        on_gap=lambda *args: print("gap", *args, file=sys.stderr),
        say=quiet,
        on_state=lambda stands: up.set(),
        **options,
    )
    link.subscribe("bench")
    link.start()
    up.wait()
    # Until those that began later have settled, too.
    gevent.sleep(2)
    print("ready", flush=True)
    done.wait()
    hears = not relayed or link.relay == mesh.boot
    late.sort()
    print(
        json.dumps([hears, took / COUNT * 1e6, late[len(late) // 2], late[len(late) * 99 // 100]])
    )
    sys.stdin.read()


def run(url: str, count: int, relayed: bool, joined: int, pause: float) -> str:
    with tempfile.TemporaryDirectory(prefix="mesh") as folder:
        path = str(Path(folder) / "m")
        command = [sys.executable, "-m", "benchmarks.redis_relay", "worker", url, path]
        workers = [
            subprocess.Popen(
                [*command, str(int(relayed))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            for _ in range(count)
        ]
        for each in workers:
            assert each.stdout is not None
            each.stdout.readline()
        runtime = GeventRuntime()
        runtime.bind()
        up = gevent.event.Event()
        made = RedisLink(
            url,
            runtime,
            on_message=lambda *args: None,
            on_gap=lambda *args: None,
            say=quiet,
            on_state=lambda stands: up.set(),
        )
        made.start()
        up.wait()
        before = None
        for number in range(0, FIRST + COUNT, joined):
            if number >= FIRST and before is None:
                before = redis_of(url)
            for _ in range(joined):
                made.publish("bench", b"%020.9f" % time.monotonic() + bytes(180))
            gevent.sleep(pause)
        assert before is not None
        found = []
        for each in workers:
            assert each.stdout is not None
            found.append(json.loads(each.stdout.readline()))
        after = redis_of(url)
        for each in workers:
            assert each.stdin is not None
            each.stdin.close()
            each.wait()
        made.close()
    hear = [took for hears, took, *_ in found if hears]
    others = [took for hears, took, *_ in found if not hears]
    cpu, out = ((b - a) / COUNT for a, b in zip(before, after, strict=True))
    p50, p99 = (1e3 * statistics.median(each[at] for each in found) for at in (2, 3))
    row = f"{count:7d} {'relay' if relayed else 'each':>8} {joined:7d} {cpu * 1e6:10.2f} {out:8.0f}"
    mean = f"{statistics.mean(others):.1f}" if others else ""
    whole = sum(hear) + sum(others)
    return f"{row} {statistics.mean(hear):10.1f} {mean:>10} {whole:10.1f} {p50:8.2f} {p99:8.2f}"


def redis_of(url: str) -> tuple[float, float]:
    """Seconds of CPU, and bytes written."""
    import redis

    with redis.Redis.from_url(url) as client:
        cpu, stats = client.info("cpu"), client.info("stats")
    used = cpu["used_cpu_user"] + cpu["used_cpu_sys"]
    return used, stats["total_net_output_bytes"]


def main() -> None:
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2], sys.argv[3], sys.argv[4] == "1")
        return
    counts = [*map(int, sys.argv[1:])] or [4]
    print(f"{'of Redis':>43} {'us of CPU of':>31} {'ms':>17}")
    heads = (
        "workers",
        "hears",
        "joined",
        "us",
        "bytes",
        "who hears",
        "others",
        "all",
        "p50",
        "p99",
    )
    widths = (7, 8, 7, 10, 8, 10, 10, 10, 8, 8)
    print(*[f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)])
    with server() as url:
        for count in counts:
            for joined, pause in PACES:
                for relayed in (False, True):
                    print(run(url, count, relayed, joined, pause), flush=True)


if __name__ == "__main__":
    main()
