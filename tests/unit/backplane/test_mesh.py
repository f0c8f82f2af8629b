"""A worker's place among the others."""

from __future__ import annotations

import _socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sockio.backplane.mesh.directory import Directory
from sockio.backplane.mesh.mesh import Mesh
from sockio.runtime.gevent_runtime import GeventRuntime


@pytest.fixture
def place() -> Iterator[Path]:
    # The path of a socket is short.
    with tempfile.TemporaryDirectory(prefix="mesh") as folder:
        yield Path(folder, "m")


def test_who_it_is_the_others_know_before_its_loop_runs(place: Path) -> None:
    """A worker that begins may be busy for longer than they wait for a stranger's name."""
    runtime = GeventRuntime()
    runtime.bind()
    directory = Directory(place)
    boot, listener = directory.listen()
    runtime.begin_turn()
    mesh = Mesh(directory, runtime)
    # The kernel's own: the loop has no turn.
    descriptor, _ = listener._accept()  # type: ignore[attr-defined]
    sock = _socket.socket(fileno=descriptor)
    try:
        assert mesh.boot.encode() in sock.recv(1000, _socket.MSG_DONTWAIT)
    finally:
        for each in (sock, listener, mesh):
            each.close()
        directory.forget(boot)
