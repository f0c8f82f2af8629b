"""Connection state recovery: a client that lost its connection finds again what it had missed.

Each client's time in a namespace is a :class:`Stay`. When its connection breaks, its name, its
rooms and its session's data are kept for a while, and so are the events that are sent meanwhile to
anybody. When it comes back it gets what was for it, in order and once. It is known by its *pid*:

* Clients since 4.6 are told a private id when they connect, and each event that they are sent ends
  with an *offset*, by which they say what they have received. One that had received nothing yet
  says no offset, and gets all since it had connected.
* Those of 0.9 make a token, and say it with each handshake. They count no events: what waited for
  them when the connection was lost is kept with the stay, and what comes later follows it.

Not kept are events that ask for an ack, and volatile ones. (Clients take the last text of any event
that asks for none for an offset. So volatile ones have that of the last that was kept.)

What is kept is bounded in bytes and in age; who comes back for what is gone begins anew. A stay
goes on once: until its gate has said yes it stays here, for a connection may be lost again
meanwhile.

Facts: Socket.IO protocol, revision 5; socket.io-adapter 2.5.9, ``lib/in-memory-adapter.ts``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

from ..exceptions import UsageError
from ..protocol.dialect import BaseCodec
from ..runtime.interfaces import Cancellable, Runtime
from .away import Away
from .estate import SHARED, Estate, Heirloom, leave, twins
from .event_log import Earlier, Entry, EventLog, Origin
from .holders import Holders, Session
from .outbox import Outgoing
from .reasons import Reason
from .rooms import Rooms
from .stay import Key, Moved, Stay
from .weights import ROOM, weight_of, weight_of_event, weight_of_stay

__all__ = ["NAMES", "Recorded", "Recovery"]

#: Names that a client had at gates which it was not let in by, and may still be meant by.
NAMES = 8
#: Events that are looked at for one client that comes back, its rooms among them.
MOST_LOOKS = 15_000
#: Events, and clients that are away, that are forgotten without a pause when they are too old.
AT_ONCE = 2000
#: Which part of the bytes that are kept for all the state of one client may be.
SHARE = 4

#: The ends after which a client is expected to come back.
BY_ACCIDENT = frozenset(
    {
        Reason.TRANSPORT_CLOSE,
        Reason.TRANSPORT_ERROR,
        Reason.PING_TIMEOUT,
        Reason.HEARTBEAT_TIMEOUT,
        Reason.CLOSE_TIMEOUT,
        Reason.FORCED_CLOSE,
        Reason.OVERFLOW,
        Reason.EVICTED,
    }
)


class Recorded(NamedTuple):
    """An event as it is to be sent."""

    #: The packet with an offset, for codecs that have offsets; None where nobody needs one.
    sent: Mapping[str, Any] | None
    #: It by codec, as far as it had to be encoded to be kept.
    encoded: dict[BaseCodec, Outgoing]


class _Nobody:
    def close(self, reason: str, *, say: bool = True) -> None:
        pass


#: Stands for a session of another worker.
_NOBODY = _Nobody()

#: Looks for a stay elsewhere, and lets recovery adopt it: namespace, pid, what the client says
#: besides, its address. Blocks the calling task.
Seek = Callable[[str, str, "Mapping[str, Any] | None", str], object]

#: Has another process keep all that is kept here, and ends the sessions of the clients that are
#: here: seconds that it may take, and what says whether somebody comes who is not there yet. Blocks
#: the calling task; false where nobody keeps it.
HandOver = Callable[[float, "Callable[[], bool] | None"], bool]

_EVENTS = frozenset(("event", "message", "json"))


class Recovery:
    """What is kept for the clients of one middleware: for ``seconds``, and no more than
    ``max_bytes`` of events and of clients that are away.

    Events are kept for ``grace`` seconds longer: what is older than that when the loss of a client
    with offsets is noticed it has received, for it has answered since. So it may say an offset from
    long ago, when all that was said since was for others. ``most`` are the packets and bytes that
    one client may have missed: who has missed more begins anew. ``modern`` and ``old`` are the
    codecs with offsets (None where no such client is served) and without.
    """

    def __init__(
        self,
        runtime: Runtime,
        seconds: float,
        max_bytes: int,
        *,
        grace: float,
        rooms: Rooms[Any],
        most: tuple[int, int],
        modern: BaseCodec | None,
        old: BaseCodec,
    ) -> None:
        self._runtime = runtime
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._grace = grace
        self._rooms = rooms
        self._most_packets, self._most_bytes = most
        self._modern = modern
        self._old = old
        self._log = EventLog()
        # When the last event was sent that is not kept any more.
        self._dropped_at = -inf
        self._away = Away()
        # The sessions of those who are here: they may be back before their loss is noticed. With
        # offsets for each namespace, without by the token alone.
        self._here: dict[Key, Session] = {}
        self._holders = Holders()
        self._timer: Cancellable | None = None
        self._timer_at = 0.0
        self._closed = False
        # Clients whose stay is looked for elsewhere.
        self._expected = 0
        #: Whether the server is about to end; whether its clients will find elsewhere what they
        #: had; and the worker that has it.
        self.ends = self.leaving = False
        self.heir = ""
        # Clients and events that were given up, for there was no room.
        self._given_up = [0, 0]
        #: What makes a pid.
        self.new_pid: Callable[[], str] = lambda: secrets.token_urlsafe(15)
        #: None where there is nowhere else.
        self.seek: Seek | None = None
        self.hand_over: HandOver | None = None
        #: Lets all processes have an event for one client: packet, namespace, name.
        self.say_elsewhere: Callable[[Mapping[str, Any], str, str], object] | None = None
        #: Called with a token, by which a session has opened here, and its claim to that.
        self.on_take_over: Callable[[str, str], object] | None = None

    def __len__(self) -> int:
        """Clients that are away, and those that are back and still at the gate."""
        return len(self._away)

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._log.size + self._away.size

    # ---- events

    def wants(self, packet: Mapping[str, Any]) -> bool:
        """Whether a packet has to be given to :meth:`record`: somebody may come back."""
        return bool(
            (self._here or self._away or self._expected)
            and packet["type"] in _EVENTS
            and "id" not in packet
            and not self._closed
        )

    def record(
        self,
        packet: Mapping[str, Any],
        namespace: str,
        rooms: tuple[Hashable, ...] | None,
        skip: frozenset[Hashable] = frozenset(),
        *,
        volatile: bool = False,
        origin: Origin | None = None,
    ) -> Recorded:
        """Keep an event, one that is wanted, unless it is ``volatile``. Never raises: what cannot
        be written is not kept. ``origin`` is what other processes know it by that have it, too.

        The offset is one more argument, the last.
        """
        encoded: dict[BaseCodec, Outgoing] = {}
        sent: dict[str, Any] | None = None
        modern = old = None
        number = self._log.number + (not volatile)
        if self._modern is not None and (self._here or self._away.with_offsets or self._expected):
            offset = self._log.offset(number)
            if packet["type"] == "event":
                sent = {**packet, "args": [*packet.get("args", ()), offset]}
            else:
                sent = {"type": "event", "name": "message", "args": [packet["data"], offset]}
                sent["endpoint"] = namespace
        if volatile:
            return Recorded(sent, encoded)
        if self._modern is not None and sent is not None:
            modern = _encode(self._modern, sent, namespace, encoded)
        if self._away.without or self._expected:
            old = _encode(self._old, packet, namespace, encoded)
        if modern is None and old is None:
            return Recorded(None, encoded)
        size = weight_of_event(namespace, rooms, skip, encoded.values())
        until = self._runtime.now() + self._seconds + self._grace
        self._append(Entry(until, namespace, rooms, skip, modern, old, size, origin))
        self._fit()
        self._look_again()
        return Recorded(sent, encoded)

    def _append(self, entry: Entry) -> None:
        self._rooms.mark = self._log.append(entry)

    def _missed_by(self, stay: Stay, namespace: str) -> list[Outgoing] | None:
        """What was for a client since it was here; None where some of that is gone, and where it is
        too much."""
        if not self._log.has_all_since(stay.since):
            return None
        missed = list(stay.queued)
        rooms = (*stay.names, *stay.marks)
        events = self._log.meant(stay.since, namespace, rooms, MOST_LOOKS, stay.lines)
        if events is None:
            return None
        for number, entry in events:
            if stay.is_meant(entry.rooms, entry.skip, number):
                packet = entry.modern if stay.has_offsets else entry.old
                if packet is not None:
                    if entry.line is not None and stay.has_offsets:
                        packet = self._log.renumbered(packet, number)
                    missed.append(packet)
                    if len(missed) > self._most_packets:
                        return None
        if len(missed) > self._most_packets:
            return None
        size = sum([each.weight or each.weigh() for each in missed])
        return missed if size <= self._most_bytes else None

    # ---- clients that are here

    def begin(self, name: str, token: str | None = None) -> Stay:
        """A client connects anew: one of 0.9 with its ``token``, or one that counts events."""
        pid = self.new_pid() if token is None else token
        return Stay(name, pid, self._log.number, has_offsets=token is None)

    def is_here(self, stay: Stay, namespace: str, session: Session) -> None:
        """A client is in a namespace, by that session."""
        if stay.has_offsets:
            self._here[stay.key_in(namespace)] = session

    def has_left(self, stay: Stay, namespace: str, session: Session) -> None:
        """It is not by that one any more."""
        key = stay.key_in(namespace)
        if self._here.get(key) is session:
            del self._here[key]
            self._rest()

    def take_over(self, token: str, session: Session) -> None:
        """A session of that token has opened: it is the only one."""
        before = self._holders.put(token, session)
        if self.on_take_over is not None:
            self.on_take_over(token, self._holders.claim_of(token))
        if before is not None:
            # With a goodbye, should its page be there: both would take turns for ever.
            before.close(Reason.TRANSPORT_CLOSE, say=True)

    def lose(self, token: str, claim: str, *, wholly: bool) -> bool:
        """A session of that token has opened in another process, with that ``claim``; false where
        the one here has opened later: that one ends, since it hears the same of this. ``wholly``
        where it cannot ask for what is kept here, which is of an earlier time then, and would be
        told twice."""
        if not self._holders.yields(token, claim):
            return False
        before = self._holders.get(token)
        if before is not None:
            before.close(Reason.TRANSPORT_CLOSE, say=True)
        if wholly:
            for key in [key for key in self._away if key[1] == token and not key[0]]:
                self._drop(key)
        return True

    def claim_of(self, token: str) -> str:
        """What the session of that token has to say where it looks for what it had."""
        return self._holders.claim_of(token)

    def is_taken_over(self, token: str, session: Session) -> bool:
        """Whether another session has come with the token of that one."""
        holder = self._holders.get(token)
        return holder is not None and holder is not session

    def give_up(self, token: str, session: Session) -> None:
        """That session is over."""
        self._holders.remove(token, session)

    # ---- clients that are away

    def keep(
        self,
        stay: Stay,
        namespace: str,
        marks: dict[Hashable, int],
        session: dict[str, Any],
        address: str,
        queued: Sequence[Outgoing] = (),
        *,
        weight: int | None = None,
        shared: bool = False,
    ) -> None:
        """A client is away, and expected to come back: keep its rooms, its session's data and what
        waited for it. The data weighs what :meth:`weigh` said of it; it counts once where it is
        ``shared`` by several stays."""
        if self._closed:
            return
        if weight is None:
            weight = self.weigh(session)
        most = self._max_bytes // SHARE
        if weight > most:
            return
        size = weight_of_stay(stay.names, stay.pid, namespace, marks, queued)
        if size + weight > most:
            return
        stay.marks, stay.session, stay.queued, stay.missed = marks, session, list(queued), []
        if not stay.has_offsets:
            stay.number = self._log.number
        stay.lost_at = self._runtime.now()
        stay.until = stay.lost_at + self._seconds
        if shared:
            self._put(stay, namespace, size, address, weight)
        else:
            self._put(stay, namespace, size + weight, address)
        self._fit()
        self._look_again()

    def weigh(self, session: dict[str, Any]) -> int:
        """Bytes of the data of a session; more than are kept of one client, where it is more. It
        takes as long as that is: once for all stays of a client."""
        return weight_of(session, most=self._max_bytes // SHARE)

    def _put(self, stay: Stay, namespace: str, size: int, address: str, weight: int = 0) -> None:
        self._away.put(stay.key_in(namespace), stay, size, address, weight)
        self._rooms.await_return(namespace, (*stay.names, *stay.marks))
        if (key := self._away.one_too_many(stay)) is not None:
            self._give_up(key)
        while self.size > self._max_bytes:
            if (key := self._away.oldest_beside(stay, self._max_bytes)) is None:
                break
            self._give_up(key)

    def add(self, stay: Stay, namespace: str, packet: Outgoing) -> None:
        """One more waited for a client that is away now: its loss was noticed by that."""
        if self._away.get(stay.key_in(namespace)) is stay:
            stay.queued.append(packet)
            self._away.grow(stay, packet.weight or packet.weigh())
            self._fit()

    def absent(
        self, namespace: str, rooms: tuple[Hashable, ...] | None, skip: frozenset[Hashable]
    ) -> list[Stay]:
        """Who would be meant by that and is away. Costs as much as are away in all."""
        self._forget()
        now = self._runtime.now()
        return [each for each in self._away.meant(namespace, rooms, skip) if each.until > now]

    def is_name(self, namespace: str, name: str) -> bool:
        """Whether somebody who is away may come back under that name."""
        return self._away.is_name(namespace, name)

    def join(self, stay: Stay, room: Hashable) -> None:
        """Put a client that is away into a room, unless it is in as many as it may be."""
        if room not in stay.marks and len(stay.marks) < self._rooms.most[0]:
            stay.marks[room] = self._log.number
            if stay.size:
                self._away.grow(stay, ROOM + weight_of(room))
                self._fit()

    def forget(self, stay: Stay, namespace: str) -> None:
        """A client that is away is not to find anything again."""
        if self._away.get(stay.key_in(namespace)) is stay:
            self._drop(stay.key_in(namespace))

    def refuse(self, stay: Stay, namespace: str, session: Session) -> None:
        """The same of one that has come back by that session, unless it has come by another since:
        it is not let in, or not wanted any more."""
        by = self._here.get(stay.key_in(namespace))
        if (by if stay.has_offsets else self._holders.get(stay.pid)) is session:
            self.forget(stay, namespace)

    # ---- clients that come back

    def claim(self, namespace: str, told: Mapping[str, Any], session: Session) -> Stay | None:
        """The stay that a client goes on with, by what it says when it connects; None for one that
        says nothing of the kind, and where what it would have to get is gone."""
        pid = told.get("pid")
        if not isinstance(pid, str):
            return None
        key = (True, pid, namespace)
        before = self._here.get(key)
        if before is not None and before is not session:
            # It knows sooner than we do that its connection is gone.
            before.close(Reason.TRANSPORT_CLOSE, say=False)
        offset = told.get("offset")
        stay = self._away.get(key)
        if offset is None or (stay is not None and offset == stay.told):
            return self._claim(key, None)
        return self._claim(key, self._log.number_of(offset))

    def claim_by_token(self, namespace: str, token: str) -> Stay | None:
        """The same for a client of 0.9."""
        return self._claim((False, token, namespace), None)

    def _claim(self, key: Key, since: int | None) -> Stay | None:
        self._forget()
        stay = self._away.get(key)
        if stay is None or stay.until <= self._runtime.now():
            return None
        if since is not None and not 0 <= since <= self._log.number:
            # Nothing that it could have been told.
            self._drop(key)
            return None
        # What came before it had connected was never for it, whatever it says.
        stay.since = stay.number if since is None else max(since, stay.number)
        if stay.has_offsets and self._dropped_at <= stay.lost_at - self._grace:
            stay.since = max(stay.since, self._log.first)
        if stay.since < stay.base or not self._log.has_all_since(stay.since):
            self._drop(key)
            return None
        stay.recovered = True
        return stay

    def arrive(self, stay: Stay, namespace: str, name: str) -> bool:
        """A client is a member from now on, called ``name``: find what it has missed until now.
        False where some of that is gone."""
        if not stay.recovered:
            stay.number = self._log.number
            return True
        missed = self._missed_by(stay, namespace)
        if missed is None:
            self.forget(stay, namespace)
            return False
        stay.missed = missed
        if stay.name != name:
            # Who is lost again and again at the gate has names that nobody was told.
            known, *between = stay.names
            stay.names = (known, *between[-NAMES:], name)
            self._away.forget_names(namespace, between[:-NAMES])
        return True

    def settle(self, stay: Stay, namespace: str) -> list[Outgoing]:
        """A client is let in: what it has missed, which is not kept any more."""
        self.forget(stay, namespace)
        missed, stay.missed, stay.queued = stay.missed, [], []
        stay.names = stay.names[-1:]
        return missed

    # ---- clients that come back to another worker

    def knows(self, namespace: str, pid: str, *, has_offsets: bool) -> bool:
        """Whether a stay is kept here, or its client is thought to be here."""
        key = (has_offsets, pid, namespace)
        return key in self._away or key in self._here or (not has_offsets and pid in self._holders)

    def has_kept(self, namespace: str, pid: str, *, has_offsets: bool) -> bool:
        """Whether a stay is kept here."""
        return (has_offsets, pid, namespace) in self._away

    def give(
        self, namespace: str, pid: str, told: Mapping[str, Any] | None, claim: str = ""
    ) -> Moved | None:
        """The stay of a client that has come back elsewhere; it is not here any more. ``told`` is
        what it says there, None for one that counts no events, which has a ``claim`` to its token.
        None where there is none, where it has come here later, or part of what the client would
        have to get is gone."""
        if told is not None:
            stay = self.claim(namespace, {**told, "pid": pid}, _NOBODY)
        else:
            if not self.lose(pid, claim, wholly=False):
                return None
            stay = self.claim_by_token(namespace, pid)
        if stay is None:
            return None
        missed = self._missed_by(stay, namespace)
        self.forget(stay, namespace)
        if missed is None:
            return None
        return Moved(stay.names, list(stay.marks), stay.session, missed)

    def expect(self) -> int:
        """Somebody's stay is looked for: keep events from now on until :meth:`expected` is called.
        The number of the last before."""
        self._expected += 1
        return self._log.number

    def expected(self) -> None:
        """It was found, or not."""
        self._expected -= 1
        self._rest()

    def adopt(
        self,
        namespace: str,
        pid: str,
        told: Mapping[str, Any] | None,
        moved: Moved,
        *,
        address: str,
        home: str,
        since: int,
        known: Callable[[Origin], bool],
    ) -> bool:
        """Keep a stay that another worker has given, as if its client had been lost here. ``home``
        is what its session there is called. Events behind the number ``since`` are added, but for
        those that were ``known`` there, and those of no origin: they would come twice. False where
        some of that is gone, and where it is too much."""
        stay = Stay(moved.names[-1], pid, self._log.number, has_offsets=told is not None)
        stay.names, stay.home = moved.names, home
        # Whatever has come meanwhile has come after they were joined.
        stay.marks = dict.fromkeys(moved.rooms, -1)
        if self._closed or not self._log.has_all_since(since):
            return False
        missed = list(moved.missed)
        rooms = (*stay.names, *stay.marks)
        events = self._log.meant(since, namespace, rooms, MOST_LOOKS)
        if events is None:
            return False
        for number, entry in events:
            packet = entry.modern if stay.has_offsets else entry.old
            if packet is None or entry.origin is None or known(entry.origin):
                continue
            if stay.is_meant(entry.rooms, entry.skip, number):
                missed.append(packet)
        size = sum([each.weight or each.weigh() for each in missed])
        if len(missed) > self._most_packets or size > self._most_bytes:
            return False
        queued: list[Outgoing] = missed
        if told is not None:
            stay.told, queued = told.get("offset"), []
            until = self._runtime.now() + self._seconds + self._grace
            for each in missed:
                # For it alone; so it can say which of them it has.
                packet = self._log.renumbered(each, self._log.number + 1)
                to = (stay.name,)
                cost = weight_of_event(namespace, to, frozenset(), [packet])
                self._append(Entry(until, namespace, to, frozenset(), packet, None, cost))
        marks = dict.fromkeys(moved.rooms, self._log.number)
        self.keep(stay, namespace, marks, moved.session, address, queued)
        return (stay.has_offsets, pid, namespace) in self._away

    # ---- the end of this process, and of others

    def keeps(self, reason: str) -> bool:
        """Whether a client whose session ends for that is expected to come back."""
        return reason in BY_ACCIDENT or (self.leaving and reason == Reason.SHUTDOWN)

    def says_elsewhere(self, packet: Mapping[str, Any], namespace: str, name: str) -> bool:
        """Whether an event for one client, which a handler of its goes on to send, goes to wherever
        it will be: the server ends."""
        if not self.leaving or self.say_elsewhere is None or not name:
            return False
        if packet["type"] not in _EVENTS or "id" in packet:
            return False
        self.say_elsewhere(packet, namespace, name)
        return True

    def leave(self) -> Estate:
        """All that is kept, for another process. It stays here."""
        self._forget()
        kept = self._seconds + self._grace
        return leave(self._log, self._away, self._dropped_at, self._grace, kept)

    @property
    def has_anybody(self) -> bool:
        """Whether there is anybody who may come back."""
        return bool(self._here or self._away or self._holders)

    @property
    def max_bytes(self) -> int:
        return self._max_bytes

    @property
    def kept_for(self) -> tuple[float, float]:
        """Seconds for which an event is kept, and a client."""
        return self._seconds + self._grace, self._seconds

    def twins(self) -> Mapping[Origin, Entry]:
        """The events that others may have kept as well."""
        return twins(self._log)

    def inherit(self, estate: Estate, since: int, known: Callable[[Origin], bool]) -> int | None:
        """Keep the events of an estate for its clients, who are given to :meth:`inherit_client`
        next. Those behind the number ``since`` are theirs, too, but for those that were ``known``
        where they were, and those of no origin. The number that theirs count from; None where part
        of what they would have to get is gone."""
        log = self._log
        if self._closed or self.leaving or not log.has_all_since(since):
            return None
        if not log.number:
            # There has to be a number before theirs: of an offset that is too old.
            until = self._runtime.now() + self._seconds + self._grace
            self._append(Entry(until, "", (), frozenset(), None, None, SHARED))
        base = log.number
        between = [
            entry
            for _, entry in log.since(since)
            if entry.line is None and entry.origin is not None and not known(entry.origin)
        ]
        for entry in estate.entries:
            self._append(entry)
        for entry in between:
            self._append(entry._replace(line=estate.lines[0], size=SHARED))
        for word, last, shift, start in estate.earlier:
            log.understand(Earlier(word, last, shift + base, start + base))
        return base

    def inherit_client(self, heirloom: Heirloom, base: int) -> bool:
        """Keep a client of an estate, unless somebody is away already by its pid; whether it is."""
        namespace, stay, size = heirloom
        if self._closed or stay.key_in(namespace) in self._away:
            return False
        if size * SHARE > self._max_bytes:
            return False
        stay.base += base
        stay.number += base
        stay.marks = {room: mark + base for room, mark in stay.marks.items()}
        self._put(stay, namespace, size, stay.address)
        return True

    def inherited(self) -> None:
        """That was all: what is too much is given up, the oldest first."""
        self._away.sort()
        self._fit()
        self._look_again()

    # ---- bounds

    def _drop(self, key: Key) -> None:
        if self._away.drop(key):
            self._rest()

    def _drop_event(self) -> None:
        entry = self._log.drop_oldest()
        # What was brought from elsewhere may be older than what lies before it.
        self._dropped_at = max(self._dropped_at, entry.until - self._seconds - self._grace)

    def _rest(self) -> None:
        """Where nobody is here or away, nobody will ask."""
        if not self._here and not self._away and not self._expected:
            newest = self._log.newest
            if newest is not None:
                # In one go: they may be as many as there is room for.
                self._log.clear()
                dropped_at = newest.until - self._seconds - self._grace
                self._dropped_at = max(self._dropped_at, dropped_at)

    def _fit(self) -> None:
        """Give up what is oldest, while there is too much."""
        while self.size > self._max_bytes:
            away, oldest = self._away.oldest, self._log.oldest
            if away is not None and (oldest is None or away[1].until <= oldest.until - self._grace):
                self._give_up(away[0])
            else:
                self._given_up[1] += 1
                self._drop_event()

    def _give_up(self, key: Key) -> None:
        self._given_up[0] += 1
        self._drop(key)

    @property
    def given_up(self) -> tuple[int, int]:
        """Clients and events that were given up so far, for there was no room."""
        return self._given_up[0], self._given_up[1]

    def _forget(self) -> None:
        now = self._runtime.now()
        # What was sent in one go is too old in one go: the rest has its turn next.
        for _ in range(AT_ONCE):
            if (oldest := self._log.oldest) is None or oldest.until > now:
                break
            self._drop_event()
        for _ in range(AT_ONCE):
            if (away := self._away.oldest) is None or away[1].until > now:
                break
            self._drop(away[0])

    def _look_again(self) -> None:
        """Come back when the oldest of what is kept has been kept long enough."""
        oldest = self._log.oldest
        ends = [] if oldest is None else [oldest.until]
        if (away := self._away.oldest) is not None:
            ends.append(away[1].until)
        if not ends:
            return
        end = min(ends)
        if self._timer is not None:
            if self._timer_at <= end:
                return
            self._timer.cancel()
        self._timer, self._timer_at = self._runtime.at(end, self._time_is_up), end

    def _time_is_up(self) -> None:
        self._timer = None
        self._forget()
        self._look_again()

    def close(self) -> None:
        """Nobody will come back: the server ends. Nothing is kept any more."""
        self._closed = True
        self._log.clear()
        for key in list(self._away):
            self._drop(key)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def reopen(self) -> None:
        """The server has a successor in this process."""
        self._closed = self.ends = self.leaving = False
        self.heir = ""

    def check(self, sessions: Container[object]) -> None:
        """Assert what must always hold, and that nobody but ``sessions`` is known."""
        self._away.check()
        assert self._log.size == sum(each.size for _, each in self._log.since(self._log.first))
        for session in (*self._here.values(), *self._holders):
            assert session in sessions, f"{session} has ended, and is kept"
        assert not self._expected, "somebody is expected for ever"
        if not self._here and not self._away:
            assert not self._log, "events are kept for nobody"
        if self._log or self._away:
            assert self._timer is not None, "what is kept is kept for ever"


def _encode(
    codec: BaseCodec,
    packet: Mapping[str, Any],
    namespace: str,
    encoded: dict[BaseCodec, Outgoing],
) -> Outgoing | None:
    try:
        text = codec.encode(packet)
    except UsageError:
        # Said to whoever emits when it is sent to those who are here.
        return None
    encoded[codec] = outgoing = Outgoing(text, namespace)
    return outgoing
