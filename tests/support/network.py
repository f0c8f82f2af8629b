"""Hosts that are network namespaces, and a road between them that can be cut and made longer."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["Network", "Place", "network"]

_TUNSETIFF, _TUN, _NO_INFO, _NEWNET = 0x400454CA, 0x0001, 0x1000, 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Place:
    """A host with an address on the road. It ends with this process, whatever becomes of it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.address = f"10.77.0.{number}"
        # It holds the namespace until its stdin ends.
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stderr is not None
        if self._holder.stdout.readline() != "ready\n":
            reason = self._holder.stderr.read().strip()
            self.close()
            raise PermissionError(reason)
        #: What a command begins with that is to run there.
        self.prefix = ["nsenter", "--target", str(self._holder.pid), "--net"]
        with self.inside():
            self.device = os.open("/dev/net/tun", os.O_RDWR)
            name = struct.pack("16sH22x", b"road", _TUN | _NO_INFO)
            fcntl.ioctl(self.device, _TUNSETIFF, name)
        for words in (
            "link set lo up",
            f"addr add {self.address}/24 dev road",
            "link set road mtu 1500 up",
        ):
            subprocess.run([*self.prefix, "ip", *words.split()], check=True, timeout=60)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that are made in the block belong there. Nothing in it may wait for others."""
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            there = os.open(f"/proc/{self._holder.pid}/ns/net", os.O_RDONLY)
            try:
                _enter(there)
            finally:
                os.close(there)
            try:
                yield
            finally:
                _enter(here)
        finally:
            os.close(here)

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()
        for pipe in (self._holder.stdin, self._holder.stdout, self._holder.stderr):
            assert pipe is not None
            pipe.close()


class Network:
    """So many places. Raises ``OSError`` where this user may make none."""

    def __init__(self, count: int) -> None:
        self.places: list[Place] = []
        try:
            for number in range(1, count + 1):
                self.places.append(Place(number))
        except BaseException:
            for place in self.places:
                place.close()
                os.close(place.device)
            raise
        devices = [place.device for place in self.places]
        self._road = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("road.py")), *map(str, devices)],
            pass_fds=devices,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for device in devices:
            os.close(device)

    def cut(self, one: Place, other: Place, *, back: bool = True) -> None:
        """Drop what goes from one to the other, and with ``back`` what comes back."""
        self._say(f"cut {one.number} {other.number}")
        if back:
            self._say(f"cut {other.number} {one.number}")

    def mend(self) -> None:
        self._say("mend")

    def delay(self, seconds: float) -> None:
        """How long each packet is under way."""
        self._say(f"delay {seconds}")

    def _say(self, line: str) -> None:
        assert self._road.stdin is not None
        assert self._road.stdout is not None
        self._road.stdin.write(line + "\n")
        self._road.stdin.flush()
        assert self._road.stdout.readline() == "done\n"

    def close(self) -> None:
        self._road.kill()
        self._road.wait()
        for pipe in (self._road.stdin, self._road.stdout):
            assert pipe is not None
            pipe.close()
        for place in self.places:
            place.close()


@contextlib.contextmanager
def network(count: int) -> Iterator[Network]:
    """Skips where the machine or the user may not."""
    if not os.access("/dev/net/tun", os.W_OK):
        pytest.skip("needs /dev/net/tun, and to be allowed to use it (root)")
    for program in ("unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"needs the program {program}")
    try:
        made = Network(count)
    except OSError as error:
        pytest.skip(f"may not make network namespaces (run it as root): {error}")
    try:
        yield made
    finally:
        made.close()
