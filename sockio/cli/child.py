"""One process of ``sockio serve --workers``, as its supervisor sees it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from .notify import VARIABLE as NOTIFY

__all__ = ["ACCEPTING", "LEAVE", "Child", "how_it_ended"]

#: What a child says when it accepts connections.
ACCEPTING = b"accepting\n"
#: What a child is told when its successor does.
LEAVE = b"leave\n"


class Child:
    """A process, started when this is made; raises ``OSError`` where that fails.

    ``command`` makes the line that it runs from what it is given: its number, the descriptor of its
    listener, and that of its line to the supervisor. Each end of that line notices when the other
    process is gone. Times are of :func:`time.monotonic`.
    """

    def __init__(
        self,
        number: int,
        listener: socket.socket,
        command: Callable[[str], Sequence[str]],
        environ: Mapping[str, str],
        folder: str | None,
    ) -> None:
        self.number = number
        self.accepting = False
        self.told_to_end = False
        self.born = time.monotonic()
        #: When it began to accept.
        self.since = 0.0
        #: When it is killed, if it has not ended by then.
        self.deadline: float | None = None
        self.line, theirs = socket.socketpair()
        self.line.setblocking(False)
        descriptors = (listener.fileno(), theirs.fileno())
        given = ":".join(map(str, (number, *descriptors)))
        try:
            self._process = subprocess.Popen(
                command(given),
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env={
                    **{name: text for name, text in environ.items() if name != NOTIFY},
                    "SOCKIO_WORKER": str(number),
                },
                pass_fds=descriptors,
                # What a terminal sends to all of its processes (Ctrl-C) is the supervisor's.
                start_new_session=True,
            )
        except BaseException:
            self.line.close()
            raise
        finally:
            theirs.close()

    def __str__(self) -> str:
        return f"worker {self.number} (pid {self.pid})"

    @property
    def pid(self) -> int:
        return self._process.pid

    def hear(self) -> bool:
        """Read what it says; whether it says by that that it accepts connections. Does not
        block."""
        try:
            said = self.line.recv(100)
        except OSError:
            return False
        if said != ACCEPTING or self.accepting:
            return False
        self.accepting, self.since = True, time.monotonic()
        return True

    def leave(self, seconds: float) -> None:
        """Tell it that its successor accepts: it accepts no more, tells its clients, and ends."""
        self._end_by(seconds)
        with contextlib.suppress(OSError):
            self.line.send(LEAVE)

    def stop(self, seconds: float) -> None:
        """Tell it to end: it tells its clients, who may still come to it for what waits."""
        self._end_by(seconds)
        self.signal(signal.SIGTERM)

    def _end_by(self, seconds: float) -> None:
        self.told_to_end = True
        self.deadline = time.monotonic() + seconds

    def signal(self, number: int) -> None:
        """Nobody has taken its exit status yet: the pid is no other's."""
        os.kill(self.pid, number)

    def ended(self, status: int) -> None:
        """It was waited for; ``status`` as :attr:`subprocess.Popen.returncode` has it."""
        self._process.returncode = status
        self.line.close()


def how_it_ended(status: int) -> str:
    """What an exit status says, or the signal that is one below zero."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
