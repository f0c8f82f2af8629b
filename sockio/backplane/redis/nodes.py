"""The processes of other hosts: who of them is alive, and questions to them.

::

    sockio:GROUP:nodes        for all: HELLO, BEAT, GOODBYE, QUESTION
    sockio:GROUP:node:NAME    for one: BEAT, ANSWER, ECHO

    word     the host (8 characters), the kind (1 byte), a payload
    HELLO, BEAT    JSON: the host's name and the process, for the log; by channel the series and
                   the number of what it has published there last; and true where it hears what is
                   for one room by that room's channel
    ECHO           for who says it: a number (8 bytes)
    ANSWER         how many pieces it has, which this is (a byte each, from 0), and the piece

Each process is one of them by the name that it has as a publisher. It says that it is there every
two seconds or a little less; who was not heard for six is gone, and so is who says goodbye. Whoever
comes says hello, and those who hear it answer at once, so that it knows them before it asks.

What it says to all comes back to itself. As long as that works, who is not heard is gone; where it
does not, nobody can tell, and questions say that other hosts are missing.

A sign of life leaves behind all that was published before it, and comes behind it. So its numbers
say what is missing, though nothing else is published.
"""

from __future__ import annotations

import json
import logging
import os
import random
import socket
import struct
from collections.abc import Callable

from ...exceptions import PacketError
from ...runtime.interfaces import Cancellable, Runtime
from ...sessions.complaints import Complaints
from ...sessions.sayings import at_length
from ..channels import HOST, node_channel, nodes_channel
from ..questions import ANSWER, OTHER_HOSTS, QUESTION, Questions
from .frames import check_size
from .link import RedisLink
from .members import MOST, Members
from .pieces import Pieces, in_pieces

__all__ = ["BEAT_EVERY", "Nodes"]

log = logging.getLogger("sockio.redis")

_HELLO, _BEAT, _GOODBYE, _ECHO = 5, 6, 7, 8
#: Seconds between two signs of life; a little less, so that not all come at once.
BEAT_EVERY = 2.0
#: Seconds after which something of ours is to have come back: less than another has until it counts
#: as gone, since both are heard no more at the same time.
HEARD_WITHIN = 3.5
#: Seconds in which the others answer a hello.
SETTLED = 1.0
#: Channels that one sign of life tells of.
TOLD = 100
#: Characters of a host's name, and of a channel that is told of.
_LABEL, _LONGEST = 100, 1_500
#: What can be a number of a publication.
_MOST = 2**64 - 1
_NUMBER = struct.Struct(">Q")


class Nodes:
    """Those of one middleware; they are the :class:`~sockio.backplane.questions.Others` that are
    asked."""

    def __init__(
        self,
        link: RedisLink,
        runtime: Runtime,
        complaints: Complaints,
        group: str,
        host: str,
        *,
        by_room: bool = False,
    ) -> None:
        """``by_room`` is whether this process has the setting ``backplane_rooms``."""
        self._link = link
        self._runtime = runtime
        self._complaints = complaints
        self._group = group
        self._host = host.encode()
        self._all = nodes_channel(group)
        self._label = (socket.gethostname()[:_LABEL], os.getpid())
        self._members = Members()
        self._by_room = by_room
        #: Those that have not the setting ``backplane_rooms``, where this process has it.
        self.without: set[str] = set()
        # The other processes of this host. No name comes again: who is not heard any more is not
        # taken out, since what it has said may be told of later.
        self._siblings: dict[str, None] = {}
        # What each has sent of an answer that is not complete.
        self._pieces = Pieces()
        # Since when the link stands; None while it does not.
        self._since: float | None = None
        # When something of ours came back last.
        self._echo = 0.0
        # Who waits until something of ours comes back, by its number; and the last of these.
        self._echoes: dict[int, Callable[[], object]] = {}
        self._echo_number = 0
        self._next_beat = 0.0
        self._timer: Cancellable | None = None
        self.questions = Questions(self, runtime)

    def start(self) -> None:
        """Before the link starts."""
        self._link.listen(self._all, self._hear)
        self._link.listen(node_channel(self._group, self._link.name), self._hear)

    def stands(self, stands: bool) -> None:
        """Whether the link does, from now on."""
        if not stands:
            self._since = None
            self._echoed(self._echo_number)
            # What they answer now is not heard. Signs of life go on, where they can.
            for name in self._members.names():
                self.questions.left(name)
            return
        self._stop()
        self._since = now = self._runtime.now()
        self._members.trust(now)
        self._say(self._all, _HELLO, self._sign())
        self._wait(now)

    def echo(self, then: Callable[[], object]) -> bool:
        """Have ``then`` called when something comes back that is said now, and so all that was said
        before it; or the link is lost, by which nothing comes any more. False, where it is."""
        self._echo_number = number = self._echo_number + 1
        channel = node_channel(self._group, self._link.name)
        if self._since is None or not self._say(channel, _ECHO, _NUMBER.pack(number)):
            return False
        self._echoes[number] = then
        return True

    def _echoed(self, last: int) -> None:
        """All up to that one have come back, or were lost on their way."""
        for number in [each for each in self._echoes if each <= last]:
            self._echoes.pop(number)()

    def close(self) -> None:
        """Say goodbye."""
        self._stop()
        self._say(self._all, _GOODBYE)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- signs of life

    def _wait(self, now: float) -> None:
        self._next_beat = now + BEAT_EVERY * random.uniform(0.8, 1.0)
        self._watch()

    def _watch(self) -> None:
        end = self._members.first_end()
        when = self._next_beat if end is None else min(end, self._next_beat)
        self._timer = self._runtime.at(when, self._look)

    def _look(self) -> None:
        now = self._runtime.now()
        if now - self._echo > HEARD_WITHIN:
            # This process stood still, or nothing comes through: it is not they who are silent.
            self._members.trust(now)
        for name in self._members.expire(now):
            self._gone(name, "it gave no sign of life")
        if now >= self._next_beat:
            self._say(self._all, _BEAT, self._sign())
            self._wait(now)
        else:
            self._watch()

    def _sign(self) -> bytes:
        told = self._link.counted(TOLD).items()
        numbers = {channel: last for channel, last in told if len(channel) <= _LONGEST}
        more = [True] if self._by_room else []
        return json.dumps([*self._label, numbers, *more]).encode()

    def is_sibling(self, name: str) -> bool:
        """Whether a process is of this host, as far as it is known."""
        return name in self._siblings

    def _gone(self, name: str, why: str) -> None:
        self._pieces.forget(name)
        self.without.discard(name)
        self._log(
            logging.INFO, "backplane-gone", "process %s of another host is gone: %s", name, why
        )
        self.questions.left(name)

    @property
    def _unsure(self) -> bool:
        """Whether there may be others whom nobody knows here."""
        now = self._runtime.now()
        return self._since is None or now - self._since < SETTLED or now - self._echo > HEARD_WITHIN

    # ---- what comes

    def _hear(self, name: str, word: bytes) -> None:
        if name == self._link.name:
            self._echo = self._runtime.now()
            if word[HOST : HOST + 1] == bytes([_ECHO]) and len(word) == HOST + 1 + _NUMBER.size:
                self._echoed(*_NUMBER.unpack_from(word, HOST + 1))
            return
        if word[:HOST] == self._host:
            # The mesh is for those.
            self._siblings.pop(name, None)
            self._siblings[name] = None
            if len(self._siblings) > MOST:
                del self._siblings[next(iter(self._siblings))]
            return
        kind, payload = word[HOST] if len(word) > HOST else 0, word[HOST + 1 :]
        try:
            if kind in (_HELLO, _BEAT):
                self._meet(name, payload)
                if kind == _HELLO and self._since is not None:
                    self._say(node_channel(self._group, name), _BEAT, self._sign())
            elif kind == QUESTION:
                # Before our hello nobody knows who answers.
                if self._since is not None:
                    self.questions.question(name, payload)
            elif kind == ANSWER:
                self._answered(name, payload)
            elif kind == _GOODBYE:
                if self._members.forget(name):
                    self._gone(name, "it has ended")
            else:
                raise PacketError(f"a word of an unknown kind: {kind}")
        except struct.error:
            self.complain(name, "a word that ends too early")
        except PacketError as error:
            self.complain(name, str(error))

    def _meet(self, name: str, payload: bytes) -> None:
        if self._members.full and name not in self._members:
            raise PacketError("a sign of life, and there are too many processes")
        try:
            host, pid, told, *more = json.loads(payload)
            numbers = {
                str(channel): (int(series), int(number))
                for channel, (series, number) in told.items()
            }
            if not (
                isinstance(host, str)
                and type(pid) is int
                and more in ([], [True])
                and len(numbers) <= TOLD
                and all(0 <= each <= _MOST for pair in numbers.values() for each in pair)
            ):
                raise TypeError("it has other values")
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise PacketError(f"a sign of life that cannot be read: {error}") from None
        if self._members.hear(name, self._runtime.now()):
            self._log(
                logging.INFO,
                "backplane-here",
                "process %s of another host is there: %s, process id %d",
                name,
                host[:_LABEL],
                pid,
            )
            if self._by_room and not more:
                self.without.add(name)
                self._log(
                    logging.WARNING,
                    "backplane-rooms",
                    "process %s of another host has not the setting backplane_rooms: while it is "
                    "there, what is for one room goes to all processes [backplane-rooms]",
                    name,
                )
        self._link.reached(name, numbers)

    def _answered(self, name: str, payload: bytes) -> None:
        if name not in self._members:
            self._log(
                logging.WARNING,
                "backplane-stranger",
                "an answer of process %s, which nobody has asked, was dropped [backplane-stranger]",
                name,
            )
            return
        answer = self._pieces.add(name, payload)
        if answer is not None:
            self.questions.answer(name, answer)

    # ---- questions

    def names(self) -> list[str]:
        names = self._members.names()
        return [*names, OTHER_HOSTS] if self._unsure else names

    def ask(self, data: bytes, name: str | None = None) -> list[str]:
        channel = self._all if name is None else node_channel(self._group, name)
        if self._since is None or not self._say(channel, QUESTION, data):
            check_size(data)
            return [*self._members.names(), OTHER_HOSTS] if name is None else [name]
        if name is not None:
            return []
        # Who is not known cannot be waited for: also where that has only just changed.
        return [OTHER_HOSTS]

    def answer(self, name: str, data: bytes) -> None:
        channel = node_channel(self._group, name)
        for piece in in_pieces(data):
            if not self._say(channel, ANSWER, piece):
                return

    def complain(self, name: str, what: str) -> None:
        self._log(
            logging.WARNING,
            "backplane-garbage",
            "process %s of another host sent what makes no sense: %s [backplane-garbage]",
            name,
            at_length(what),
        )

    def failed(self, name: str, error: Exception) -> None:
        self._log(
            logging.ERROR,
            "backplane-question",
            "a question of process %s of another host could not be answered",
            name,
            error=error,
        )

    def _say(self, channel: str, kind: int, payload: bytes = b"") -> bool:
        return self._link.word(channel, b"%b%c%b" % (self._host, kind, payload))

    def _log(
        self, level: int, kind: str, message: str, *args: object, error: Exception | None = None
    ) -> None:
        self._complaints.say(
            log, level, kind, self._link.label, message, *args, exc_info=error or False, quiet=True
        )
