"""The life of a session: its states, who carries its packets, its deadlines, and its end.

The table of the states is in :mod:`sockio.sessions.states`. Nothing here is about what packets
mean, nor about the application: that is :class:`~sockio.virtsocket.Socket`.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..config.settings import Settings
from ..protocol.dialect import BaseCodec
from ..runtime.interfaces import Runtime, Signal
from .complaints import Kind
from .crowd import Crowd, Place
from .interfaces import Carrier, PacketSink
from .jobs import Jobs
from .nobody import NOBODY
from .outbox import Batch, Outgoing
from .outlet import Outlet
from .patience import Patience
from .reasons import Reason
from .states import MOVES, Alarm, State

__all__ = ["REQUEST", "STREAM_LINGER", "Lifetime"]

#: Seconds in which a closing stream takes nothing of its last packets, before it is cut.
STREAM_LINGER = 5.0
#: Bytes of memory that a request takes beside its body while it waits for room: its task and its
#: environ, more or less.
REQUEST = 16_384

# Looked at with every packet; an attribute of an enum is found slowly.
_CONNECTED = State.CONNECTED
_CONNECTING = State.CONNECTING
_FLEETING, _IN_USE, _AWAY = Place.FLEETING, Place.IN_USE, Place.AWAY


class Lifetime(Outlet):
    """From the handshake to the end."""

    __slots__ = (
        "_alarm",
        "_alarm_at",
        "_all_told",
        "_delivered",
        "_jobs",
        "_on_change",
        "_patience",
        "_paused",
        "_room",
        "_standing",
        "_standing_requests",
        "bad_packets",
        "born",
        "close_reason",
        "crowd",
        "dispatcher",
        "filed",
        "heartbeats",
        "received",
        "runtime",
        "settled",
        "state",
        "transport",
        "wheel_slot",
    )

    def __init__(
        self,
        settings: Settings,
        codec: BaseCodec,
        runtime: Runtime,
        on_change: Callable[[Any], None],
    ) -> None:
        super().__init__(settings, codec)
        self.state = State.NEW
        #: Why the session ended: a :class:`Reason`, or None while it lives.
        self.close_reason: str | None = None
        self.dispatcher: PacketSink
        # The tasks that end with the session. Made for the first one: most clients have none.
        self._jobs: Jobs | None = None
        #: Counters: heartbeats answered, packets handled, packets that could not be decoded.
        self.heartbeats = 0
        self.received = 0
        self.bad_packets = 0
        #: The transport in use, or last used; "" before the first.
        self.transport = ""
        self.born = runtime.now()
        self.wheel_slot: int | None = None
        #: Whether the client has come back to the session, or opened it with a stream. And the
        #: registry's own notes: the sessions of the same address, and how it is filed there.
        self.settled = False
        self.crowd: Crowd[Any] | None = None
        self.filed: Place | None = None
        self.runtime = runtime
        self._on_change = on_change
        self._alarm: Alarm | None = None
        self._alarm_at = 0.0
        self._paused = False
        self._room: Signal | None = None
        # Bytes of bodies that wait for it, and how many these are.
        self._standing = self._standing_requests = 0
        # With a stream that is to take its last packets, or an answer that is read slowly.
        self._patience: Patience | None = None
        # A session is over when both sides are: its namespaces told, its last packets delivered.
        self._all_told = False
        self._delivered = False

    @property
    def connected(self) -> bool:
        """Whether the session is open: a transport has been there, and nothing has ended it."""
        return self.state is State.CONNECTED

    def _report(self, level: int, kind: Kind, message: str, *args: Any) -> None:
        """Log what this client has caused."""
        raise NotImplementedError

    def _goodbye(self) -> list[Outgoing]:
        """What a client is told at the end, before its connection is closed."""
        raise NotImplementedError

    def _ending(self, reason: str) -> None:
        """The session is about to end: who waits for something of it waits in vain."""
        raise NotImplementedError

    # ---- carriers

    def attach(self, carrier: Carrier) -> None:
        """``carrier`` takes over. The one before is told; queued packets go to the new one.

        The first carrier opens the session; one that comes when it has ended is sent away.
        """
        if self.state is State.DISCONNECTED:
            # An upgrade takes a moment, in which a session may end.
            carrier.finish()
            return
        if self._comes_back(carrier):
            self.settled = True
        self._patience = None
        before = self._carry_by(carrier)
        self._paused = False
        if before is not None:
            before.replaced()
        self._outbox.settle()
        self.transport = carrier.name
        if self.state is _CONNECTING:
            self._move("open")
            self._report(logging.INFO, "open", "open %s", self)
            self._set_carrier_alarm()
            self.dispatcher.open()
        elif self.state is _CONNECTED:
            self._set_carrier_alarm()
        if self._outbox:
            carrier.ready()
        if self.state is State.DISCONNECTING and self._parting is None:
            carrier.finish()

    def _comes_back(self, carrier: Carrier) -> bool:
        """Whether it is somebody who uses the session that brings ``carrier``."""
        return carrier.streaming or self.state is _CONNECTED

    def _set_carrier_alarm(self) -> None:
        carrier = self._carrier
        if carrier is None:
            self._arm(Alarm.AWAY, self.config.close_timeout)
        elif carrier.streaming:
            self._arm(Alarm.BEAT, self.config.heartbeat_interval)
        else:
            self._arm(Alarm.POLL, self.config.polling_duration)

    def take_batch(self, carrier: Carrier) -> Batch | None:
        """The packets that answer a poll, which is over with this; None for a replaced poll."""
        if carrier is not self._carrier:
            return None
        batch = self._outbox.take_batch(self.config.max_payload)
        self._carry_by(None)
        if self.state is _CONNECTED:
            self._set_carrier_alarm()
        elif not batch.packets and self._parting is None:
            # The session is over and there is nothing to say: the next poll finds it gone.
            self._deliver_done()
        return batch

    def written(self, batch: Batch, *, at_once: bool = False) -> None:
        """The server wrote the whole answer that carried ``batch``: ``at_once`` when it was taken,
        or when its client had read enough of it."""
        batch.written = True
        if not at_once and self._alarm is Alarm.AWAY:
            # The client's time starts when the answer has ended, however long it took to write.
            self._patience = None
            self._set_carrier_alarm()
        if self.state is State.DISCONNECTING and not self._outbox and self._parting is None:
            self._deliver_done()

    def restore(self, batch: Batch) -> None:
        """The answer that carried ``batch`` failed: its packets go first with the next one."""
        self._direct = None
        self._outbox.restore(batch)
        if self.state is State.DISCONNECTING and self.close_reason in Reason.FROM_THE_CLIENT:
            # It said goodbye and hung up on the poll that was to answer that: there is no next one.
            self._deliver_done()

    def lost(self, carrier: Carrier, reason: str) -> None:
        """``carrier`` is gone. That ends the session of a stream; a poll leaves its client away."""
        if carrier is not self._carrier:
            return
        self._carry_by(None)
        if self.state is State.DISCONNECTING:
            if carrier.streaming or self.close_reason in Reason.FROM_THE_CLIENT:
                self._deliver_done()
        elif carrier.streaming:
            self.close(reason, say=False)
        else:
            self._set_carrier_alarm()

    @property
    def busy(self) -> bool:
        """Whether more events wait to be handled than may: carriers then stop reading."""
        return self.dispatcher.full

    @property
    def paused(self) -> bool:
        """Whether nothing is read from the client until events no longer pile up."""
        return self._paused or self._room is not None

    def pause_if_busy(self) -> None:
        """Stop reading from a client whose events pile up; :meth:`resume` undoes it."""
        if self._carrier is not None and not self._paused and self.dispatcher.full:
            self._paused = True
            self._carrier.pause()

    def has_room(self, size: int) -> bool:
        """Whether a request may bring ``size`` bytes of events now."""
        if self.state is _CONNECTING and not self.dispatcher.takes_early(size):
            return False
        return not self.busy

    def wait_for_room(self, timeout: float, size: int = 0) -> bool:
        """Block the calling task until ``size`` bytes of events may come in; False after
        ``timeout`` seconds, and at once where others wait that would be more with these than the
        inbox takes: no client sends so much at a time that waits for answers.

        For requests that bring events one body at a time; streams are paused instead.
        """
        most = self.config.max_inbox[1]
        while not self.has_room(size):
            if self._standing and self._standing + size > most:
                return False
            if self._standing_requests and (self._standing_requests + 1) * REQUEST > most:
                return False
            if self._room is None:
                self._room = self.runtime.signal()
            self._standing += size
            self._standing_requests += 1
            try:
                if not self._room.wait(timeout):
                    return False
            finally:
                self._standing -= size
                self._standing_requests -= 1
        return True

    def resume(self) -> None:
        """The events that piled up have been handled."""
        room, self._room = self._room, None
        if room is not None:
            room.set()
        if self._paused:
            self._paused = False
            if self._carrier is not None:
                self._carrier.resume()

    # ---- the end

    def admit(self) -> None:
        """The application said yes: the client may open a transport within the close timeout."""
        self._move("admit")
        self._arm(Alarm.UNOPENED, self.config.close_timeout)

    def disconnect(self, silent: bool = False) -> None:
        """End the session. ``silent`` leaves out the packet that tells the client so.

        Packets sent before are still delivered, to a polling client within the close timeout.
        """
        self.close(Reason.SERVER, say=not silent, flush=True)

    def close(self, reason: str, *, say: bool = True, flush: bool | None = None) -> None:
        """End the session for ``reason``. Does nothing when it has ended already.

        With ``say`` the client is told (``0::``); with ``flush`` (the same unless given) what was
        queued before is delivered first; with neither, the connection is cut. Every connected
        namespace is told exactly once, and after that the socket is in no index.
        """
        if self.state in (State.DISCONNECTING, State.DISCONNECTED):
            return
        self.close_reason = reason
        admitted = self.state is not State.NEW
        state = self._move("close")
        self._ending(reason)
        if state is State.DISCONNECTED:
            self._alarm = None
            self._delivered = self._all_told = True
            self._end_jobs()
            self.dispatcher.close(reason, _nothing)
            self._on_change(self)
            self._let_go(admitted)
            return
        carrier = self._carrier
        self._arm(Alarm.LINGER, self._linger())
        # A client that said goodbye, or went away for good, asks no more: nothing to wait for.
        flush = say if flush is None else flush
        if flush and (carrier is not None or self._asks_again(reason)):
            if reason == Reason.SERVER and (self.deciding or self.dispatcher.owes_an_ack()):
                # Most likely by a recv_connect: what it has sent is delivered, when it has
                # returned, and a client only hears what comes behind a confirmation. Or by a
                # handler whose ack is still to come.
                self._parting = say
            else:
                self._say_goodbye(say)
        else:
            self.dropped += self._outbox.clear()
            self._carry_by(None)
            if carrier is not None:
                carrier.abort()
            self._delivered = True
        self.dispatcher.close(reason, self._told)
        self._on_change(self)

    def _asks_again(self, reason: str) -> bool:
        """Whether a client between two polls is to find what waits for it, though the session is
        over."""
        return reason in (Reason.SERVER, Reason.REFUSED) or (
            reason == Reason.SHUTDOWN and bool(self._outbox)
        )

    def _linger(self) -> float:
        """Seconds until the last packets have to be taken, or it is looked whether some are."""
        seconds, carrier = self.config.close_timeout, self._carrier
        self._patience = None
        if carrier is None or not carrier.streaming:
            return seconds
        now, taken = self.runtime.now(), self._taken_by(carrier)
        self._patience = Patience(now, min(STREAM_LINGER, seconds), taken, seconds)
        return self._patience.left(now, taken)

    def _taken_by(self, carrier: Carrier) -> object:
        """What changes when the client has taken more of what is left. A carrier of the
        application's own may not know."""
        taken = getattr(carrier, "taken", None)
        return self.sent, None if taken is None else taken()

    def release(
        self,
        endpoint: str,
        answer: Outgoing | None,
        *,
        deliver: bool,
        before: Sequence[Outgoing] = (),
    ) -> int:
        forgotten = super().release(endpoint, answer, deliver=deliver, before=before)
        if self._parting is not None and not self.deciding:
            say, self._parting = self._parting, None
            self._say_goodbye(say)
        return forgotten

    def part(self, endpoint: str, words: Callable[[], object] | None) -> None:
        """The handler that has ended the session is done: let what ``words()`` sends to
        ``endpoint`` go out, then say goodbye."""
        say, self._parting = self._parting, None
        if say is None:
            return  # It has been cut meanwhile.
        try:
            if words is not None:
                self._accepting = True
                self.unseal(endpoint)
                words()
        finally:
            self._accepting = False
            self.seal(endpoint)
            self._say_goodbye(say)

    def _say_goodbye(self, say: bool) -> None:
        """Nothing comes behind what is queued now: the carrier may go when it is delivered."""
        if say:
            for packet in self._goodbye():
                self._outbox.force(packet)
        if self._carrier is not None:
            self._carrier.finish()

    def _let_go(self, admitted: bool) -> None:
        """The session is over, and in no index: give up what refers to it in turn.

        So it is freed now, and not with thousands of others when the garbage collector comes by,
        which stops everybody meanwhile: anybody can make as many. One that was not ``admitted`` is
        still looked at by its handshake.
        """
        self.dispatcher = NOBODY

    def _end_jobs(self) -> None:
        jobs, self._jobs = self._jobs, None
        if jobs is not None:
            jobs.end()

    def _told(self) -> None:
        self._all_told = True
        self._end_jobs()
        self._end_if_over()

    def _deliver_done(self) -> None:
        if not self._delivered:
            self._delivered = True
            self._parting = None
            self.dropped += self._outbox.clear()
            self._carry_by(None)
            self._end_if_over()

    def _end_if_over(self) -> None:
        if self._delivered and self._all_told and self.state is State.DISCONNECTING:
            self._move("end")
            self._alarm = None
            self._report(
                logging.INFO,
                "close",
                "close %s: %s after %.1f s, %d in, %d out, %d bad, %d dropped",
                self,
                self.close_reason,
                self.runtime.now() - self.born,
                self.received,
                self.sent,
                self.bad_packets,
                self.dropped,
            )
            self._on_change(self)
            self._let_go(True)
            return
        self._on_change(self)

    @property
    def place(self) -> Place:
        """Where it belongs among the sessions that may have to go when there are too many."""
        if self._carrier is not None or self.close_reason is not None:
            return _IN_USE
        return _AWAY if self.settled else _FLEETING

    def away_for(self, now: float) -> float:
        """Seconds that the client has been without a transport; 0.0 with one."""
        if self._alarm is not Alarm.AWAY or self._patience is not None:
            return 0.0
        return now - (self._alarm_at - self.config.close_timeout)

    @property
    def findable(self) -> bool:
        """Whether requests with this session id still belong to this socket."""
        return self.state is not State.DISCONNECTED and not self._delivered

    # ---- time

    def heartbeat(self) -> None:
        """The client's answer to a heartbeat came: the next one is due an interval from now."""
        self.heartbeats += 1
        # Only a heartbeat clears this timer, other packets do not (fact sheet, "Timers").
        if self._alarm is Alarm.PULSE:
            self._arm(Alarm.BEAT, self.config.heartbeat_interval)

    def deadline(self) -> float | None:
        """When :meth:`handle_deadline` wants to be called."""
        return None if self._alarm is None else self._alarm_at

    def handle_deadline(self, now: float) -> None:
        """Do what is due. Early calls do nothing."""
        if self._alarm is not None and self._alarm_at <= now:
            alarm, self._alarm = self._alarm, None
            _ON_ALARM[alarm](self)
        self._on_change(self)

    def _arm(self, alarm: Alarm, seconds: float) -> None:
        self._alarm = alarm
        self._alarm_at = self.runtime.now() + seconds
        self._on_change(self)

    def _poll_is_over(self) -> None:
        if self._carrier is not None:
            self._carrier.idle()

    def _away_is_over(self) -> None:
        left = self._reads_on()
        if left:
            self._arm(Alarm.AWAY, left)
        else:
            self.close(Reason.CLOSE_TIMEOUT, say=False)

    def _reads_on(self) -> float:
        """Seconds until it is to be looked again, where the client still reads the answer to its
        last poll, of which it has taken some within ``close_timeout``; else 0.0."""
        batch = self._outbox.flight
        taken = None if batch is None or batch.taken is None else batch.taken()
        if batch is None or taken is None:
            return 0.0
        now, seconds = self.runtime.now(), self.config.close_timeout
        if self._patience is None:
            # So long is it that it was written, or that the session ended.
            self._patience = Patience(now - seconds, seconds, batch.before, math.inf)
        return self._patience.left(now, taken)

    def _beat(self) -> None:
        self._arm(Alarm.PULSE, self.config.heartbeat_timeout)
        self.deliver(_heartbeat_of(self.codec.heartbeat))

    def _no_pulse(self) -> None:
        if self._paused:
            # We are the ones who do not read: the answer may well be waiting in the kernel.
            self._arm(Alarm.PULSE, self.config.heartbeat_timeout)
        else:
            self.close(Reason.HEARTBEAT_TIMEOUT, say=False)

    def _linger_is_over(self) -> None:
        carrier = self._carrier
        if carrier is None:
            left = self._reads_on()
        elif self._patience is not None:
            left = self._patience.left(self.runtime.now(), self._taken_by(carrier))
        else:
            left = 0.0
        if left:
            self._arm(Alarm.LINGER, left)
            return
        self.dropped += self._outbox.clear()
        carrier = self._carry_by(None)
        if carrier is not None:
            carrier.abort()
        self._deliver_done()

    # ---- within

    def _move(self, event: str) -> State:
        self.state = MOVES[self.state, event]
        self._accepting = self.state is _CONNECTED
        self._direct = None
        return self.state


def _nothing() -> None:
    """Nobody waits for the end of a session that was never opened."""


@functools.cache
def _heartbeat_of(text: str) -> Outgoing:
    """The heartbeat of everybody, encoded and framed once."""
    return Outgoing(text)


_ON_ALARM: Mapping[Alarm, Callable[[Lifetime], None]] = {
    Alarm.UNOPENED: lambda session: session.close(Reason.UNOPENED, say=False),
    Alarm.AWAY: lambda session: session._away_is_over(),
    Alarm.POLL: lambda session: session._poll_is_over(),
    Alarm.BEAT: lambda session: session._beat(),
    Alarm.PULSE: lambda session: session._no_pulse(),
    Alarm.LINGER: lambda session: session._linger_is_over(),
}
