"""Workers of one host: processes of tests/mesh/worker.py that have a directory in common."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .engine_client import EngineWire
from .processes import STARTS, Process, free_port

__all__ = ["Wire", "Worker", "Workers"]

WORKER = Path(__file__).parents[1] / "mesh" / "worker.py"


class Worker(Process):
    """One, which listens at a port of its own beside the shared one."""

    def __init__(self, mesh: Path, shared: int, prefix: Sequence[str] = (), **options: Any) -> None:
        super().__init__(
            [*prefix, sys.executable, str(WORKER), str(shared), json.dumps(options)],
            WORKER.parent,
            SOCKIO_MESH=str(mesh),
        )
        self.mesh = mesh
        self.port = 0
        self.stopped = False

    def ready(self) -> Worker:
        self.port = int(self.find(r"port (\d+)", STARTS)[1])
        return self

    @property
    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def pause(self) -> None:
        self.stopped = True
        self.send(signal.SIGSTOP)

    def go_on(self) -> None:
        self.stopped = False
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        if self.stopped:
            self.go_on()
        super().kill()


class Workers:
    """Some of them. ``shared`` is the port that all listen at; ``prefix`` what the command of each
    begins with."""

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        self.prefix = prefix
        # A short path: that of a socket has a hundred bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="mesh"))
        self.mesh = self.folder / "m"
        self.shared = free_port()
        self.all: list[Worker] = []

    def start(self, count: int = 2, **options: Any) -> list[Worker]:
        new = [Worker(self.mesh, self.shared, self.prefix, **options) for _ in range(count)]
        self.all += new
        return [each.ready() for each in new]

    def close(self) -> None:
        for each in self.all:
            each.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Wire:
    """A client of 4.x by a websocket, and its name."""

    def __init__(self, worker: Worker) -> None:
        self.wire = EngineWire(worker.port)
        self.wire.join()
        self._acks = 0
        #: What it has heard before an ack that it waited for.
        self.heard: list[Any] = []
        self.pid, self.name = self.ask("who")

    def ask(self, event: str, *args: Any) -> Any:
        """Emit, wait for the ack and give its value."""
        self._acks += 1
        self.wire.say(f"42{self._acks}{json.dumps([event, *args])}")
        while True:
            packet = self._packet()
            if packet.startswith(f"43{self._acks}["):
                values: list[Any] = json.loads(packet[len(f"43{self._acks}") :])
                return values[0] if values else None
            self.heard.append(packet)

    def hear(self) -> list[Any]:
        """The next event: its name and arguments."""
        packet = self.heard.pop(0) if self.heard else self._packet()
        assert packet.startswith("42["), packet
        event: list[Any] = json.loads(packet[2:])
        return event

    def _packet(self) -> str:
        while (packet := self.wire.hear()) == "2":
            self.wire.say("3")
        return packet

    def events(self) -> list[Any]:
        """Those that have come, and are heard by that."""
        found = [json.loads(packet[2:]) for packet in self.heard]
        self.heard.clear()
        return found

    def hear_rest(self) -> None:
        """Forget what has come."""
        self.ask("who")
        self.heard.clear()

    def hear_nothing(self) -> None:
        """What was sent before has come: nothing was for this one."""
        assert self.ask("who") == [self.pid, self.name]
        assert self.heard == []
