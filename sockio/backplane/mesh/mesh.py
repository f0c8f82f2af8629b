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
import struct
from collections.abc import Callable
from typing import Any

from ...exceptions import PacketError
from ...runtime.interfaces import Cancellable, Runtime
from .directory import Directory, is_boot_id, peer_of
from .link import Frame, Link

__all__ = ["Mesh"]

log = logging.getLogger("sockio.mesh")

#: The first frame of each side: who it is.
_HELLO = 0
#: Written first in it: the frames' form.
_VERSION = b"1"
#: Connections that have not said who they are, and seconds in which they have to. Where there are
#: more, those go that have had the most time.
_STRANGERS, _SECONDS = 64, 5.0
#: The most workers that there may be.
_WORKERS = 1000
#: Seconds until the next is accepted, where this process has no descriptor left.
_PAUSE = 1.0
#: Seconds between two lines about the same worker, which sends what makes no sense.
_QUIET = 60.0
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
        self._strangers: dict[Link, Cancellable] = {}
        self._all: dict[str, set[Link]] = {}
        # The process that each name belongs to.
        self._pids: dict[str, int] = {}
        # When something was said about who sends what makes no sense.
        self._said: dict[str, float] = {}
        self._takers: dict[int, Taker] = {}
        # Who has died: its socket may take a connection for a moment more.
        self._gone: set[str] = set()
        #: Called with the boot id of a worker that has come, or is gone.
        self.on_join: list[Callable[[str], object]] = []
        self.on_leave: list[Callable[[str], object]] = []
        self.closed = False
        self._pid = os.getpid()
        self._accepting: Cancellable | None = None
        self._go_on_accepting()
        for boot in directory.names():
            if boot != self.boot:
                self.link_to(boot)

    def take(self, kind: int, taker: Taker) -> None:
        """Let ``taker(link, frame)`` have the frames of a kind. Called in the hub."""
        self._takers[kind] = taker

    def send(
        self,
        boot: str,
        kind: int,
        payload: bytes,
        descriptor: int | None = None,
        *,
        first: bool = False,
    ) -> bool:
        """Send to one worker, as :meth:`Link.send` does; False where it is not there, or too much
        waits for it."""
        link = self.link_to(boot)
        return link is not None and link.send(kind, payload, descriptor, first=first)

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
            pid, uid = peer_of(sock)
            if uid != os.getuid():
                sock.close()
                return None
        except OSError as error:
            log.warning("worker %s cannot be reached: %s [mesh-unreachable]", boot, error)
            return None
        link = Link(sock, self.runtime, self._on_frame, self._on_end)
        link.pid = pid
        self._introduce(link)
        self._know(link, boot)
        return link

    def is_there(self, boot: str) -> bool:
        """Whether a worker is there, also where it has only just come."""
        if boot in self.links:
            return True
        return boot not in self._gone and is_boot_id(boot) and boot in self.directory.names()

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

    def _go_on_accepting(self) -> None:
        if not self.closed:
            sock: Any = self._sock
            self._accepting = self.runtime.watch(sock, self._accept)

    def _accept(self) -> None:
        try:
            descriptor, _ = self._sock._accept()  # type: ignore[attr-defined]
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.warning("no other worker can be accepted: %s [mesh-accept]", error)
            # It would be asked again at once, and for as long as that lasts.
            if self._accepting is not None:
                self._accepting.cancel()
            self._accepting = self.runtime.at(self.runtime.now() + _PAUSE, self._go_on_accepting)
            return
        sock = _socket.socket(fileno=descriptor)
        sock.setblocking(False)
        pid, uid = peer_of(sock)
        if uid != os.getuid():
            log.warning("a process that is none of ours connected to the mesh [mesh-stranger]")
            sock.close()
            return
        if len(self._strangers) >= _STRANGERS:
            next(iter(self._strangers)).close("too many others came")
        link = Link(sock, self.runtime, self._on_frame, self._on_end)
        link.pid = pid

        def give_up() -> None:
            if link in self._strangers:
                link.close(f"it has not said who it is within {_SECONDS:g} seconds")

        self._strangers[link] = self.runtime.at(self.runtime.now() + _SECONDS, give_up)
        self._introduce(link)

    def _introduce(self, link: Link) -> None:
        link.send(_HELLO, _VERSION + self.boot.encode() + self._proof(self.boot), first=True)
        # At once: who has only just begun may have much to do before its loop runs, and the others
        # send a stranger away.
        link.flush()

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
        if self._pids.get(boot, link.pid) != link.pid:
            raise PacketError("the name of another")
        if boot not in self._pids and len(self._pids) >= _WORKERS:
            raise PacketError("a name, and there are too many workers")
        self._forget_stranger(link)
        self._gone.discard(boot)
        self._know(link, boot)

    def _forget_stranger(self, link: Link) -> bool:
        """Whether it was one until now."""
        alarm = self._strangers.pop(link, None)
        if alarm is not None:
            alarm.cancel()
        return alarm is not None

    def _know(self, link: Link, boot: str) -> None:
        link.peer = boot
        self._pids[boot] = link.pid
        some = self._all.setdefault(boot, set())
        some.add(link)
        if boot not in self.links:
            self.links[boot] = link
            for told in self.on_join:
                told(boot)

    def _on_frame(self, link: Link, frame: Frame) -> None:
        taker = None
        if frame.kind == _HELLO:
            self._meet(link, frame.payload)
        elif link.peer:
            taker = self._takers.get(frame.kind)
        if taker is None:
            if frame.descriptor is not None:
                os.close(frame.descriptor)
            if not link.peer:
                raise PacketError("a frame before its name")
            return
        try:
            taker(link, frame)
        except (PacketError, struct.error) as error:
            # Without it the two go on: what is lost by that is this frame.
            short = isinstance(error, struct.error)
            self.complain(link.peer, "a frame that ends too early" if short else str(error))
        except Exception:
            # A fault of ours, or of the application: what comes behind it is no part of it.
            log.exception("what worker %s has sent could not be done", link.peer)

    def complain(self, boot: str, what: str) -> None:
        """Say what is wrong with what a worker has sent, once in a minute."""
        now = self.runtime.now()
        if now - self._said.get(boot, -_QUIET) >= _QUIET:
            self._said[boot] = now
            log.warning("worker %s sent what makes no sense: %s [mesh-garbage]", boot, what)

    def _on_end(self, link: Link, why: str) -> None:
        boot = link.peer
        if self._forget_stranger(link):
            if not self.closed:
                log.warning("a stranger in the mesh was sent away: %s [mesh-stranger]", why)
            return
        some = self._all.pop(boot, set())
        pid = self._pids.pop(boot, 0)
        self._said.pop(boot, None)
        if self.links.pop(boot, None) is None:
            return
        if len(self._gone) >= REMEMBERED:
            self._gone.clear()
        self._gone.add(boot)
        if not self.closed:
            level = logging.WARNING if link.broken else logging.INFO
            why = why or "closed"
            log.log(level, "worker %s is gone: %s (process id %d)", boot, why, pid)
        for each in some:
            with contextlib.suppress(OSError):
                each.close()
        for told in self.on_leave:
            told(boot)
