"""What systemd is told by a service of ``Type=notify``; nothing happens under anything else."""

from __future__ import annotations

import contextlib
import os
import socket
import time

__all__ = ["VARIABLE", "notify", "notify_reloading"]

#: The environment variable that names systemd's socket; only the main process may speak.
VARIABLE = "NOTIFY_SOCKET"


def notify(*lines: str) -> None:
    """Say ``READY=1``, ``STOPPING=1``, ``STATUS=...`` (sd_notify(3)). Fails silently: whoever
    serves goes on when systemd does not listen."""
    path = os.environ.get(VARIABLE, "")
    if path[:1] not in ("/", "@"):
        return
    address = "\0" + path[1:] if path[0] == "@" else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto("\n".join(lines).encode(), address)


def notify_reloading() -> None:
    """Say that a reload has begun; ``READY=1`` ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
