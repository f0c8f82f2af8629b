"""By whom a link hears the server: by a connection of this worker, or by another worker's.

Those who take part agree without asking anybody: the two that began first hear the server, as long
as they live; one of them is the relay of each other worker, the other stands by. Who listens has
told both what it wants, and goes over to the other where its relay dies, stands still or does not
hear the server any more. Each decides that for itself, so there is nothing that two could believe
of themselves at once.

Nothing is lost by that, and nothing comes twice: both hear the same, in the same order, among it
marks (:mod:`sockio.backplane.redis.position`), which they publish.
"""

from __future__ import annotations

import logging

from ...exceptions import PacketError
from ...runtime.interfaces import Cancellable, Runtime
from ..redis.sharing import Sharing
from .elsewhere import Elsewhere, Session
from .frames import END, FROM, GONE, HERE, NUMBER, PING, PONG, REPLIES, STANDS, TICK
from .participants import Participants
from .relays import Relays
from .serving import Serving

__all__ = ["Hearing"]

log = logging.getLogger("sockio.redis")

#: Seconds until those are known who take part, and between two looks.
SETTLED, LOOK = 0.25, 0.5
#: Seconds until somebody is asked again for what the server has refused.
REFUSED = 2.0
#: Seconds after which a look comes so late that this process stood still.
STOOD = 2.0
#: Seconds until what comes counts as new, where no mark comes that says so.
AGAIN = 5.0
#: The marks of which one has to be known where somebody goes over, if there is the choice.
LATEST = 3


class Hearing:
    """A :class:`~sockio.backplane.redis.line.Source`. Everything is for the sockets' thread."""

    def __init__(self, relays: Relays, key: bytes, runtime: Runtime, given: Sharing) -> None:
        self._relays = relays
        self._key = key
        self._boot = relays.mesh.boot
        self._runtime = runtime
        self._given = given
        self._user = given.user
        self._position = given.position
        self._participants = Participants(self._boot, int(runtime.now() * 1e6), self._send)
        #: Those that this one listens to, and what it is to those that listen to it.
        self._elsewhere = Elsewhere(self._send)
        self._serving = Serving(
            self._boot,
            given,
            runtime,
            self._send,
            changed=self._changed,
            decide=self._decide,
            elsewhere=lambda: self.relay != self._boot,
        )
        #: Who is heard: the boot id of a worker, this one's own for its own connection; and who is
        #: going to be, and has not answered yet.
        self.relay: str | None = None
        self._going: str | None = None
        self._settled = self._closed = False
        # Who was heard last, and why that ended.
        self._before: str | None = None
        self._why = ""
        # Whether the user has been told that it hears something; and whether it ever did.
        self._told: bool | None = None
        self._looked = self._moved = 0.0
        self._timer: Cancellable | None = None
        self._deciding = False

    # ---- for the subscriber

    @property
    def is_open(self) -> bool:
        return self._serving.is_open or bool(self._elsewhere)

    def start(self) -> None:
        self._relays.add(self._key, self)
        self._participants.begin(list(self._relays.mesh.links))
        self._timer = self._runtime.at(self._runtime.now() + SETTLED, self._settle)

    def _settle(self) -> None:
        self._looked = self._runtime.now()
        self._settled = True
        self._look()

    def send(self, command: bytes) -> None:
        for boot in self._elsewhere.send(command):
            self._forget(boot, "it does not read")
            self._runtime.run(self._decide)
        self._serving.command(command)

    def lose(self, why: str) -> None:
        if self.relay == self._boot:
            self._serving.lose(why)
        elif self.relay is not None:
            for boot in self._elsewhere:
                self._elsewhere.leave(boot)
            self._lost(self.relay, why)
            self._going = None
            # Whoever is asked again at once refuses it again.
            self._pause(REFUSED)
            self._tell_lost()

    def _pause(self, seconds: float) -> None:
        """Decide nothing for so long."""
        self._settled = False
        self._runtime.at(self._runtime.now() + seconds, self._decide_now)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._participants.end(list(self._relays.mesh.links))
        self._relays.remove(self._key)
        self._serving.close()

    # ---- for the mesh

    def joined(self, boot: str) -> None:
        self._participants.greet(boot)

    def left(self, boot: str) -> None:
        self._participants.gone(boot)
        self._serving.left(boot)
        if boot in self._elsewhere:
            self._forget(boot, "it is gone")
        self._decide()

    def take(self, boot: str, what: int, payload: bytes) -> None:
        if self._closed:
            return
        self._participants.heard(boot)
        session = self._elsewhere.get(boot)
        if session is not None:
            session.heard = self._runtime.now()
        if STANDS <= what <= END:
            (number,) = NUMBER.unpack_from(payload)
            if session is not None and session.number == number:
                self._told_by(boot, session, what, payload[NUMBER.size :])
        elif what == HERE:
            if self._participants.here(boot, payload):
                self._decide()
        elif what == GONE:
            self.left(boot)
        elif what == PING:
            self._send(boot, PONG)
        elif what != PONG:
            self._serving.take(boot, what, payload)

    def _send(self, boot: str, what: int, payload: bytes = b"") -> bool:
        return self._relays.send(self._key, boot, what, payload)

    # ---- what those say that this one listens to

    def _told_by(self, boot: str, session: Session, what: int, payload: bytes) -> None:
        if what == REPLIES:
            if boot == self.relay:
                self._hear(boot, session, payload)
        elif what == TICK:
            session.mark(payload)
            self._decide()
        elif what == STANDS:
            session.stands = payload == b"\1"
            if not session.stands:
                self._lost(boot, f"worker {boot} does not hear it")
            self._decide()
        elif what == FROM:
            if self._going == boot:
                self._going = None
                self._move(boot, payload or None)
        elif what == END:
            self._forget(boot, "it does not serve this one any more")
            self._decide()

    def _hear(self, boot: str, session: Session, payload: bytes) -> None:
        try:
            session.feed(payload, self._user.replies)
        except ValueError as error:
            self._forget(boot, f"it says what is no reply: {error}")
            self._decide()
            raise PacketError(f"what is no reply of a server: {error}") from None

    def _forget(self, boot: str, why: str) -> None:
        self._elsewhere.forget(boot)
        self._lost(boot, f"worker {boot}: {why}")

    def _lost(self, boot: str, why: str) -> None:
        """It cannot be heard any more; it may be the one that was, or is going to be."""
        if boot == self._going:
            self._going = None
        if boot == self.relay:
            self.relay = None
            self._why = why

    # ---- who is to be heard

    def _decide(self) -> None:
        if self._deciding or not self._settled or self._closed:
            return
        self._deciding = True
        try:
            chosen = self._participants.chosen()
            own = self._boot in chosen
            if own and not self._serving.is_open:
                self._serving.open()
            # Whoever only begins has nothing to go on with.
            content = own and (self.relay == self._boot or self._told is None)
            wanted = [] if content else chosen
            for boot in wanted:
                if boot != self._boot and boot not in self._elsewhere:
                    self._attach(boot)
            self._choose(chosen)
            for boot in self._elsewhere:
                if boot not in wanted and boot not in (self.relay, self._going):
                    self._elsewhere.leave(boot)
            if not (own or self._serving.has_others or self.relay == self._boot):
                self._serving.close()
        finally:
            self._deciding = False
        if self.relay is None and self._going is None and self._told is not False:
            self._tell_lost()

    def _choose(self, chosen: list[str]) -> None:
        if self._going is not None:
            return
        order = sorted(chosen, key=lambda boot: boot != self._boot)
        if self._boot not in chosen and self.relay in chosen:
            return
        if self.relay is not None:
            for boot in order:
                if boot == self.relay:
                    return
                if self._stands(boot) and self._fits(boot):
                    self._go(boot)
                    return
            return
        others = [each for each in self._elsewhere if each not in order]
        standing = [each for each in [*order, *others] if self._stands(each)]
        fitting = [each for each in standing if self._fits(each)]
        if not fitting and self._before != self._boot:
            # A connection that has only just been made knows least.
            standing.sort(key=lambda boot: boot == self._boot)
        for boot in fitting or standing:
            self._go(boot)
            return

    def _stands(self, boot: str) -> bool:
        return self._serving.stands if boot == self._boot else self._elsewhere.stands(boot)

    def _fits(self, boot: str) -> bool:
        """Whether it has all that comes behind what was heard."""
        marks = self._position.marks[:LATEST]
        session = self._elsewhere.get(boot)
        if boot == self._boot:
            return self._serving.has_any(marks)
        return session is not None and session.has_any(marks)

    def _attach(self, boot: str) -> None:
        if not self._elsewhere.attach(boot, self._user.commands(), self._runtime.now()):
            # It is asked again when it was heard.
            self._participants.silent(boot)

    def _go(self, boot: str) -> None:
        marks = self._position.marks
        if boot == self._boot:
            mark, say_again = self._serving.go_live(marks)
            self._move(boot, mark)
            if marks and self._position.again:
                say_again()
            return
        self._going = boot
        # Who has heard no mark has begun a moment ago: what was said before is not for it.
        if not self._elsewhere.go_live(boot, marks if self._told is not None else []):
            self._forget(boot, "it does not read")

    def _move(self, boot: str, mark: bytes | None) -> None:
        """Hear that one from now on."""
        self.relay, before, self._before = boot, self._before, boot
        if boot != self._boot:
            self._serving.hold()
        self._elsewhere.hold_but(boot)
        # A new connection of one's own says nothing again, nor does who is told no mark.
        if before is not None and self._position.marks and not before == boot == self._boot:
            self._position.go_on(mark)
        self._moved = self._runtime.now()
        new, self._told = self._told is not True, True
        if boot == self._boot:
            what = "this worker hears the server by itself"
        else:
            what = f"worker {boot} hears the server for this one"
        self._given.say(
            log,
            logging.INFO,
            "redis_relay",
            self._given.label,
            "%s: %s [backplane-relay]",
            self._given.label,
            what,
            quiet=True,
        )
        self._runtime.run(self._user.opened if new else self._user.moved)
        self._decide()

    def _tell_lost(self) -> None:
        if self._told is None and not self._why:
            return  # it has not begun
        self._told = False
        self._user.lost(self._why, [])

    def _changed(self, why: str) -> None:
        """The own connection is there, or lost."""
        if not why:
            self._decide_now()
            return
        heard = self.relay == self._boot
        self._lost(self._boot, why)
        if heard and self._settled:
            # If it is the server, the others are about to notice: nobody is asked who still seems
            # to hear it.
            self._pause(SETTLED)
        else:
            self._why = why
            self._decide()
        if self.relay is None and self._going is None:
            self._tell_lost()

    def _decide_now(self) -> None:
        self._settled = self._looked > 0
        self._decide()

    # ---- as time goes by

    def _look(self) -> None:
        if self._closed:
            return
        now = self._runtime.now()
        stood, self._looked = now - self._looked > STOOD, now
        for boot in self._elsewhere.look(now, stood):
            self._participants.silent(boot)
            self._elsewhere.leave(boot)
            self._forget(boot, "it stands still")
        if self._position.again and now - self._moved > AGAIN:
            self._position.end()
        self._serving.look()
        self._participants.ask_silent(now)
        self._decide()
        self._timer = self._runtime.at(now + LOOK, self._look)
