"""The sockets that ``sockio serve`` listens on, and what to do where it cannot.

Several processes have one each, by ``SO_REUSEPORT``: the kernel then deals new connections out
evenly. Each has a queue of its own, and closing it resets who waits there: whoever makes these
sockets has to keep them.
"""

from __future__ import annotations

import errno
import os
import socket
import sys

from .problem import Problem

__all__ = ["BALANCED", "cannot_listen", "listeners"]

#: Whether the kernel deals connections out to all who listen on one address. Others, macOS among
#: them, have the option as well, and give all connections to one.
BALANCED = sys.platform == "linux"


def listeners(
    host: str, port: int, count: int, *, balanced: bool = BALANCED
) -> list[socket.socket]:
    """``count`` sockets on one address, bound but not listening yet: nobody comes to one before the
    first ``listen()``, which does no harm when it is repeated.

    Where connections are not ``balanced`` by the kernel it is one socket, so many times: who is
    quick accepts more. With port 0 the system chooses one for all. Raises ``Problem``.
    """
    made: list[socket.socket] = []
    shared = balanced and count > 1
    try:
        if port and shared:
            # By itself SO_REUSEPORT would share the port with another server of the same user.
            _bound(host, port, shared=False).close()
        while len(made) < count:
            made.append(made[0] if made and not shared else _bound(host, port, shared=shared))
            port = made[0].getsockname()[1]
    except OSError as error:
        for each in made:
            each.close()
        raise cannot_listen(host, port, error) from error
    return made


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    # As gevent takes addresses.
    family = socket.AF_INET6 if not host or ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
    except BaseException:
        listener.close()
        raise
    return listener


def cannot_listen(host: str, port: int, error: OSError) -> Problem:
    """What to tell who asked for that address."""
    if isinstance(error, socket.gaierror):
        return Problem(
            f"--host {host}: there is no such address here. 127.0.0.1 is this machine alone, "
            "0.0.0.0 all its addresses"
        )
    return Problem(
        f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}. {_instead(error)}"
    )


def _instead(error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return "--host names an address of this machine, or 0.0.0.0 for all of them"
    if error.errno == errno.EACCES:
        return "Ports below 1024 are the system's: choose another with --port"
    return "Choose another with --port"
