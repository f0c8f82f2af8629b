"""The wire form of what a worker leaves to another: one record for each event and each client.

::

    record   kind (1 byte), its length (4 bytes), values
    event    [seconds that it is kept, namespace, rooms, what is left out, with an offset,
             without, origin, line]; of one that is for nobody the first
    client   [namespace, names, pid, whether it counts, number, base, lines, address, seconds
             that it is away, seconds that it is kept, rooms and marks, what waited, home,
             which session, its data, told]

Packets are lists of a text and its attachments. Numbers and lines are those of
:class:`~sockio.sessions.estate.Estate`; a line is its place there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from ..exceptions import PacketError, UsageError
from ..protocol.engine_codec import Attached, EngineCodec
from ..sessions.estate import SHARED, Estate, Heirloom
from ..sessions.event_log import Earlier, Entry, Origin
from ..sessions.outbox import Outgoing
from ..sessions.recovery import NAMES
from ..sessions.stay import Stay
from ..sessions.weights import weight_of, weight_of_event, weight_of_stay
from .questions import pack_values, unpack_values
from .wire import are_rooms

__all__ = ["Bounds", "Reader", "pack_head", "pieces"]

#: Bytes of a piece, unless one record has more; and records in it.
PIECE, RECORDS = 65_536, 250
#: Lines that an estate may have, and logs that came before.
MOST_LINES, MOST_EARLIER = 1000, 2000
#: Numbers of events, and seconds, that make sense.
_MOST = 2**53
_EVENT, _CLIENT = 0, 1
_HEAD = struct.Struct(">BI")


def _packed(packet: Outgoing) -> list[Any]:
    """A packet as values: its text, and its attachments."""
    return [str(packet.text), *packet.attachments]


def _packet(values: Any, namespace: str, *, counted: bool) -> Outgoing:
    """The packet; ``counted`` where it ends with an offset. Raises ``TypeError`` for what is
    none."""
    if not isinstance(values, list) or not values or not isinstance(values[0], str):
        raise TypeError("a packet that is none")
    text, *attachments = values
    if counted and "," not in text:
        raise TypeError("a packet without an offset")
    if not all(isinstance(each, bytes) for each in attachments):
        raise TypeError("an attachment that is none")
    return Outgoing(Attached.of(text, tuple(attachments)) if attachments else text, namespace)


# ---- what is given


def pieces(
    codec: EngineCodec,
    estate: Estate,
    now: float,
    most: int,
    can_travel: Callable[[Stay], bool],
    left_out: Callable[[str], object],
) -> Iterator[bytes]:
    """All records of an estate, some at a time. A client whose record has more than ``most`` bytes,
    or cannot be written, is left out, and ``left_out`` told why; and so is one that cannot
    travel."""
    places = {line: place for place, line in enumerate(estate.lines)}
    parts: list[bytes] = []
    size = 0
    for kind, record in _records(estate, places, now, can_travel):
        try:
            data = pack_values(codec, record)
        except UsageError as error:
            # The application may have JSON functions of its own.
            if kind != _CLIENT:
                raise
            left_out(str(error))
            continue
        if kind == _CLIENT and len(data) > most:
            left_out(f"it has more than {most} bytes")
            continue
        parts += _HEAD.pack(kind, len(data)), data
        size += len(data)
        if size >= PIECE or len(parts) >= 2 * RECORDS:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def _records(
    estate: Estate,
    places: Mapping[object, int],
    now: float,
    can_travel: Callable[[Stay], bool],
) -> Iterator[tuple[int, list[Any]]]:
    for entry in estate.entries:
        left = entry.until - now
        # Of one for nobody its place is kept.
        yield _EVENT, _event(entry, places, left) if estate.is_for_any(entry) else [left]
    for namespace, stay, _ in estate.heirlooms:
        if can_travel(stay):
            yield _CLIENT, _client(namespace, stay, places, now)


def _event(entry: Entry, places: Mapping[object, int], left: float) -> list[Any]:
    rooms = entry.rooms
    return [
        left,
        entry.namespace,
        # Whoever is in a room that means nothing elsewhere does not travel either.
        None if rooms is None else [room for room in rooms if are_rooms([room])],
        [room for room in entry.skip if are_rooms([room])],
        None if entry.modern is None else _packed(entry.modern),
        None if entry.old is None else _packed(entry.old),
        None if entry.origin is None else [*entry.origin],
        places[entry.line],
    ]


def _client(namespace: str, stay: Stay, places: Mapping[object, int], now: float) -> list[Any]:
    return [
        namespace,
        [*stay.names],
        stay.pid,
        stay.has_offsets,
        stay.number,
        stay.base,
        [places[line] for line in stay.lines if line in places],
        stay.address,
        now - stay.lost_at,
        stay.until - now,
        [[*each] for each in stay.marks.items()],
        [_packed(each) for each in stay.queued],
        stay.home,
        # Namespaces of one client have it in common.
        f"{id(stay.session):x}",
        stay.session,
        stay.told,
    ]


def pack_head(estate: Estate) -> list[Any]:
    """What is to be said of an estate beside its records."""
    return [len(estate.lines), [[*each] for each in estate.earlier]]


# ---- what is taken


class Bounds(NamedTuple):
    """What may come."""

    #: Bytes, as they are counted.
    bytes: int
    clients: int
    #: Seconds for which anything may be kept: events and clients.
    events_for: float
    clients_for: float


class Reader:
    """The estate that comes in records, at the time ``now``. ``twins`` are the events that are kept
    here already, ``is_pid`` says whether one can be: of a client that counts, or of another."""

    def __init__(
        self,
        codec: EngineCodec,
        now: float,
        bounds: Bounds,
        twins: Mapping[Origin, Entry],
        is_pid: Callable[[bool, str], bool],
    ) -> None:
        self._codec = codec
        self._now = now
        self._bounds = bounds
        self._twins = twins
        self._is_pid = is_pid
        self._lines: list[object] = []
        self._size = 0
        # Of several lines the same events may come.
        self._whole: dict[Origin, Entry] = {}
        self._sessions: dict[str, dict[str, Any]] = {}
        self.entries: list[Entry] = []
        self.clients: list[Heirloom] = []

    def read(self, data: bytes) -> str:
        """One piece more. What is wrong with a client in it, who is left out; "" where nothing is.
        Raises ``PacketError`` for what is no piece, and where it is too much."""
        wrong, at = "", 0
        while at < len(data):
            if len(data) - at < _HEAD.size:
                raise PacketError("a piece of an estate that ends too early")
            kind, size = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            record, at = data[at : at + size], at + size
            try:
                if at > len(data) or kind not in (_EVENT, _CLIENT):
                    raise ValueError("it ends too early, or is of no kind")
                values = unpack_values(self._codec, record)
                if kind == _EVENT:
                    self.entries.append(self._event(*values))
                else:
                    self.clients.append(self._client(*values))
            except (ValueError, TypeError, LookupError, AttributeError, PacketError) as error:
                wrong = f"a record of an estate that cannot be read: {error}"
                if kind != _CLIENT:
                    raise PacketError(wrong) from None
            if self._size > self._bounds.bytes or len(self.clients) > self._bounds.clients:
                raise PacketError("an estate of more than may be kept")
        return wrong

    def estate(self, lines: object, earlier: object) -> Estate:
        """All of it, with what is said of it beside the records."""
        if not isinstance(lines, int) or not 0 < lines <= MOST_LINES or len(self._lines) > lines:
            raise PacketError("an estate with other lines")
        logs = _read_head(earlier)
        self._line(lines - 1)
        return Estate(self._lines, logs, self.entries, iter(self.clients))

    def _line(self, place: object) -> object:
        if type(place) is not int or not 0 <= place < MOST_LINES:
            raise TypeError("a line that is none")
        while len(self._lines) <= place:
            self._lines.append(object())
        return self._lines[place]

    def _event(self, left: Any, *values: Any) -> Entry:
        until = self._now + _seconds(left, self._bounds.events_for)
        if not values:
            self._size += SHARED
            return Entry(until, "", (), frozenset(), None, None, SHARED, None, self._line(0))
        namespace, rooms, skip, modern, old, origin, place = values
        if not (
            isinstance(namespace, str)
            and (rooms is None or are_rooms(rooms))
            and are_rooms(skip)
            and (origin is None or _is_origin(origin))
        ):
            raise TypeError("an event with other values")
        with_offset = None if modern is None else _packet(modern, namespace, counted=True)
        without = None if old is None else _packet(old, namespace, counted=False)
        whence = None if origin is None else (origin[0], origin[1])
        line = self._line(place)
        twin = None if whence is None else self._twins.get(whence) or self._whole.get(whence)
        if (
            twin is not None
            and (twin.modern is not None or with_offset is None)
            and (twin.old is not None or without is None)
        ):
            self._size += SHARED
            return twin._replace(until=until, size=SHARED, line=line)
        named, left_out = None if rooms is None else tuple(rooms), frozenset(skip)
        forms = [each for each in (with_offset, without) if each is not None]
        size = weight_of_event(namespace, named, left_out, forms)
        self._size += size
        entry = Entry(until, namespace, named, left_out, with_offset, without, size, whence, line)
        if whence is not None:
            self._whole[whence] = entry
        return entry

    def _client(
        self,
        namespace: Any,
        names: Any,
        pid: Any,
        counts: Any,
        number: Any,
        base: Any,
        lines: Any,
        address: Any,
        away: Any,
        left: Any,
        marks: Any,
        queued: Any,
        home: Any,
        which: Any,
        session: Any,
        told: Any,
    ) -> Heirloom:
        if not (
            isinstance(namespace, str)
            and isinstance(names, list)
            and 0 < len(names) <= NAMES + 2
            and all(isinstance(each, str) for each in names)
            and isinstance(pid, str)
            and type(counts) is bool
            and self._is_pid(counts, pid)
            and isinstance(address, str)
            and isinstance(home, str)
            and isinstance(which, str)
            and isinstance(session, dict)
            and (told is None or isinstance(told, str))
            and isinstance(lines, list)
        ):
            raise TypeError("a client with other values")
        stay = Stay(names[-1], pid, _number(number), has_offsets=counts)
        stay.names = tuple(names)
        stay.base = _number(base)
        stay.lines = (self._line(0), *map(self._line, lines))
        stay.address = address
        stay.lost_at = self._now - _seconds(away, _MOST)
        stay.until = self._now + _seconds(left, self._bounds.clients_for)
        stay.marks = _marks(marks)
        stay.queued = [_packet(each, namespace, counted=False) for each in queued]
        stay.home = home
        stay.session = self._sessions.setdefault(which, session)
        stay.told = told
        size = weight_of_stay(stay.names, pid, namespace, stay.marks, stay.queued)
        if stay.session is session:
            # Of the first of its namespaces alone.
            size += weight_of(session)
        self._size += size
        return Heirloom(namespace, stay, size)


def _read_head(earlier: Any) -> list[Earlier]:
    """The logs that came before. Raises ``PacketError`` for what are none."""
    try:
        if len(earlier) > MOST_EARLIER:
            raise ValueError("too many")
        logs = []
        for word, last, shift, base in earlier:
            if not isinstance(word, str) or len(word) > 20:
                raise TypeError("a word that is none")
            logs.append(Earlier(word, _number(last), _number(shift), _number(base)))
    except (ValueError, TypeError) as error:
        raise PacketError(f"an estate of no log: {error}") from None
    return logs


def _marks(values: Any) -> dict[Hashable, int]:
    marks: dict[Hashable, int] = {}
    if not isinstance(values, list):
        raise TypeError("rooms that are none")
    for room, mark in values:
        if not are_rooms([room]):
            raise TypeError("a room that is none")
        marks[room] = _number(mark)
    return marks


def _number(value: Any) -> int:
    if type(value) is not int or not -_MOST < value < _MOST:
        raise TypeError("a number that is none")
    return value


def _seconds(value: Any, most: float) -> float:
    if type(value) not in (int, float) or not isfinite(value):
        raise TypeError("seconds that are none")
    return float(min(max(0.0, value), most))


def _is_origin(value: Sequence[Any]) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and len(value[0]) <= 20
        and type(value[1]) is int
    )
