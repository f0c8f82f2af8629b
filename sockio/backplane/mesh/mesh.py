"""The mesh of one worker: its name, its links to the others, and who takes what comes over them.

A worker that begins connects to all that it finds in the directory, and is known to each from then
on. Two that begin at once may have two streams; each sends over the first that it had, so that what
it says to another keeps its order. The end of a stream is the death of its worker.
"""

from __future__ import annotations

import _socket
import contextlib
import hashlib
import hmac
import logging
import os
from collections.abc import Callable
from typing import Any

from ...exceptions import PacketError
from ...runtime.interfaces import Cancellable, Runtime
from .directory import Directory, is_boot_id, peer_is_me
from .link import Frame, Link

__all__ = ["Mesh"]

log = logging.getLogger("sockio.mesh")

#: The first frame of each side: who it is.
_HELLO = 0
#: Written first in it: the frames' form.
_VERSION = b"1"
#: Connections that have not said who they are.
_STRANGERS = 64
#: Workers that have died, and are remembered.
REMEMBERED = 10_000

Taker = Callable[[Link, Frame], object]


class Mesh:
    """One worker's place among those of its host.

    Everything here belongs to the thread that the sockets live in.
    """

    def __init__(self, directory: Directory, runtime: Runtime) -> None:
        self.directory = directory
        self.runtime = runtime
        #: This worker's name.
        self.boot, self._sock = directory.listen()
        #: The others, each by the link that is sent over.
        self.links: dict[str, Link] = {}
        self._strangers: set[Link] = set()
        self._all: dict[str, set[Link]] = {}
        self._takers: dict[int, Taker] = {}
        # Who has died: its socket may take a connection for a moment more.
        self._gone: set[str] = set()
        #: Called with the boot id of a worker that has come, or is gone.
        self.on_join: list[Callable[[str], object]] = []
        self.on_leave: list[Callable[[str], object]] = []
        self.closed = False
        self._pid = os.getpid()
        sock: Any = self._sock
        self._accepting: Cancellable | None = runtime.watch(sock, self._accept)
        for boot in directory.names():
            if boot != self.boot:
                self.link_to(boot)

    def take(self, kind: int, taker: Taker) -> None:
        """Let ``taker(link, frame)`` have the frames of a kind. Called in the hub."""
        self._takers[kind] = taker

    def send(self, boot: str, kind: int, payload: bytes, descriptor: int | None = None) -> bool:
        """Send to one worker; False where it is not there, or too much waits for it."""
        link = self.link_to(boot)
        return link is not None and link.send(kind, payload, descriptor)

    def link_to(self, boot: str) -> Link | None:
        """The link to a worker, which is made if there is none yet; None for one that is dead, or
        that does not accept. Does not block."""
        link = self.links.get(boot)
        if link is not None or self.closed or boot == self.boot or boot in self._gone:
            return link
        if not is_boot_id(boot):
            return None
        try:
            sock = self.directory.connect(boot)
            if sock is None:
                return None
            if not peer_is_me(sock):
                sock.close()
                return None
        except OSError as error:
            log.warning("worker %s cannot be reached: %s [mesh-unreachable]", boot, error)
            return None
        link = Link(sock, self.runtime, self._on_frame, self._on_end)
        self._introduce(link)
        self._know(link, boot)
        return link

    def close(self) -> None:
        """Leave the mesh: the others take it for death. Twice is once."""
        if self.closed:
            return
        self.closed = True
        if self._accepting is not None:
            self._accepting.cancel()
        self._sock.close()
        if os.getpid() == self._pid:
            self.directory.forget(self.boot)
        for link in [*self._strangers, *(each for some in self._all.values() for each in some)]:
            link.close()

    # ---- coming and going

    def _accept(self) -> None:
        try:
            descriptor, _ = self._sock._accept()  # type: ignore[attr-defined]
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.warning("no other worker can be accepted: %s [mesh-accept]", error)
            return
        sock = _socket.socket(fileno=descriptor)
        sock.setblocking(False)
        if not peer_is_me(sock) or len(self._strangers) >= _STRANGERS:
            log.warning("a process that is none of ours connected to the mesh [mesh-stranger]")
            sock.close()
            return
        link = Link(sock, self.runtime, self._on_frame, self._on_end)
        self._strangers.add(link)
        self._introduce(link)

    def _introduce(self, link: Link) -> None:
        link.send(_HELLO, _VERSION + self.boot.encode() + self._proof(self.boot))

    def _proof(self, boot: str) -> bytes:
        return hashlib.blake2s(b"mesh" + boot.encode(), key=self.directory.key).digest()

    def _meet(self, link: Link, payload: bytes) -> None:
        """The other end has said who it is."""
        boot = payload[1:5].decode("ascii", "replace")
        if payload[:1] != _VERSION:
            raise PacketError("another form of frames: all workers run the same sockio")
        if not hmac.compare_digest(payload[5:], self._proof(boot)) or not is_boot_id(boot):
            raise PacketError("no proof of its name")
        if boot == self.boot or (link.peer and link.peer != boot):
            raise PacketError("the name of another")
        self._strangers.discard(link)
        self._gone.discard(boot)
        self._know(link, boot)

    def _know(self, link: Link, boot: str) -> None:
        link.peer = boot
        some = self._all.setdefault(boot, set())
        some.add(link)
        if boot not in self.links:
            self.links[boot] = link
            for told in self.on_join:
                told(boot)

    def _on_frame(self, link: Link, frame: Frame) -> None:
        if frame.kind == _HELLO:
            self._meet(link, frame.payload)
            return
        if not link.peer:
            raise PacketError("a frame before its name")
        taker = self._takers.get(frame.kind)
        if taker is not None:
            taker(link, frame)
        elif frame.descriptor is not None:
            os.close(frame.descriptor)

    def _on_end(self, link: Link, why: str) -> None:
        boot = link.peer
        if link in self._strangers:
            self._strangers.discard(link)
            if not self.closed:
                log.warning("a stranger in the mesh was sent away: %s [mesh-stranger]", why)
            return
        some = self._all.pop(boot, set())
        if self.links.pop(boot, None) is None:
            return
        if len(self._gone) >= REMEMBERED:
            self._gone.clear()
        self._gone.add(boot)
        if not self.closed:
            log.info("worker %s is gone: %s", boot, why or "closed")
        for each in some:
            with contextlib.suppress(OSError):
                each.close()
        for told in self.on_leave:
            told(boot)
