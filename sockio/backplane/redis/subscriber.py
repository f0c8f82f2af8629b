"""What arrives, by channel: of others, in order, and what is missing counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ...runtime.interfaces import Runtime
from .batches import BATCH, in_batches
from .frames import HEADER, MAX_PAYLOAD, VERSION, name_of, publisher_bytes, read_head
from .line import NOTHING, Source
from .numbering import Heard, follow, reached
from .position import Position

__all__ = ["BATCH", "Channel", "Fault", "Subscriber", "Told", "Words", "after"]

#: Publishers heard on one channel. Of more, the one that began first is forgotten.
PUBLISHERS = 4096
#: The same on all channels together of which there are many.
FOLLOWED = 25_000
#: What the server calls it when it confirms a command.
_CONFIRMED = {
    b"SUBSCRIBE": b"subscribe",
    b"PSUBSCRIBE": b"psubscribe",
    b"SSUBSCRIBE": b"ssubscribe",
}


class Fault(NamedTuple):
    """What is wrong with a publication: one of a few codes, and words about it."""

    code: str
    text: str


_SHORT = Fault("garbage", "it is no frame of sockio's: too short")
_LONG = Fault("garbage", f"it has more than {MAX_PAYLOAD} bytes")
_NAME = Fault("garbage", "its publisher's name is none")
_COUNTED = Fault("garbage", "it has a number, where nothing is counted")
_IMPOSSIBLE = Fault("garbage", "its number is impossible")
_TIMES = Fault("late", "it came behind a later one of its publisher, or again")
_AGAIN = Fault("again", "it came before, from another source")
_MANY = Fault("publishers", f"it is of one more publisher than the {PUBLISHERS} that are followed")


#: What gets the words of a channel: of whom, which may be ourselves, and the payload.
Words = Callable[[str, bytes], object]


class Told(NamedTuple):
    """Who is told what arrives."""

    #: A channel and a payload.
    message: Callable[[str, bytes], object]
    #: A publisher, and how many of its publications are missing.
    gap: Callable[[str, int], object]
    #: On which channel something was dropped, and why.
    faulty: Callable[[str, Fault], None]
    #: On which channel one of the others raised what.
    failed: Callable[[str, Exception], None]


def after(count: int, fn: Callable[[], object]) -> Callable[[], None]:
    """What calls ``fn`` when it has been called so many times; for none ``fn`` is called now."""
    left = count

    def one() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            fn()

    if not count:
        fn()
    return one


class Channel:
    """One that is wanted."""

    __slots__ = ("many", "name", "publishers", "raw", "ready", "since", "then", "words")

    def __init__(self, name: str, words: Words | None, many: bool) -> None:
        self.name = name
        #: Of one that carries words, and nothing that is counted.
        self.words = words
        #: Whether it is of those of which there may be any number.
        self.many = many
        self.raw = name.encode("utf-8", "surrogatepass")
        self.publishers: dict[bytes, Heard] = {}
        #: Whether the server has confirmed it.
        self.ready = False
        self.then: list[Callable[[], object]] = []
        #: How many marks had come when it began to be wanted.
        self.since = 0


class Subscriber:
    """One source of replies, the channels that are wanted, and how far each publisher was heard."""

    #: What subscribes and unsubscribes, and what the server calls it when it has, and a message.
    SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBED, MESSAGE = (
        b"SUBSCRIBE",
        b"UNSUBSCRIBE",
        b"subscribe",
        b"message",
    )

    def __init__(
        self,
        source: Callable[[Subscriber], Source],
        runtime: Runtime,
        publisher: bytes,
        told: Told,
        *,
        ready: Callable[[], None],
        lost: Callable[[str], None],
        position: Position | None = None,
    ) -> None:
        """``source`` makes what replies come from, such as a line to the server. ``publisher`` is
        our own name in frames, which are left out. ``ready`` is called when the server has
        confirmed all channels, ``lost`` when it is not heard any more, and why. ``position`` is
        needed by a source that says things again.
        """
        self._runtime = runtime
        #: How far what comes was heard, where it may come again.
        self.position = position
        self._own = publisher
        self._message, self._gap, self._faulty, self._failed = told
        self._on_ready = ready
        self._on_lost = lost
        self._channels: dict[bytes, Channel] = {}
        #: How many times the server has yet to confirm each.
        self._pending: dict[tuple[bytes, bytes], int] = {}
        #: What is overheard: by pattern, what to do with it.
        self._patterns: dict[bytes, Callable[[str, bytes], object]] = {}
        #: Who is followed on the channels of which there are many, in the order in which it began.
        self._followed: deque[tuple[Channel, bytes]] = deque()
        self._announced = False
        # How many connections there were; whether the present one is still being asked for all.
        self._opened = 0
        self._asking = False
        self.received = 0
        self.missing = 0
        self.line = source(self)

    @property
    def channels(self) -> int:
        return len(self._channels) + len(self._patterns)

    def start(self) -> None:
        """Connect, soon."""
        self.line.start()

    def close(self) -> None:
        """For good."""
        self.line.close()

    def subscribe(
        self,
        names: Iterable[str],
        then: Callable[[], object] | None,
        words: Words | None = None,
        *,
        many: bool = False,
    ) -> None:
        """``then`` is called in the hub once the server has confirmed all of them; not where one is
        unsubscribed before. With ``words`` they carry words, and ``message`` is told nothing. On
        those of ``many`` together no more than :data:`FOLLOWED` publishers are followed."""
        new: list[Channel] = []
        unready: dict[Channel, None] = {}
        for name in names:
            channel = Channel(name, words, many)
            known = self._channels.setdefault(channel.raw, channel)
            if known is channel:
                new.append(channel)
                if self.position is not None:
                    channel.since = self.position.number
            if not known.ready:
                unready[known] = None
        if then is not None:
            one = after(len(unready), then)
            for channel in unready:
                channel.then.append(one)
        if self.line.is_open:
            self._ask(new)

    def unsubscribe(self, names: Iterable[str]) -> None:
        """What was on its way is not delivered any more."""
        gone: list[bytes] = []
        for name in names:
            channel = self._channels.pop(name.encode("utf-8", "surrogatepass"), None)
            if channel is not None:
                gone.append(channel.raw)
        if gone and self.line.is_open:
            self._send(self.UNSUBSCRIBE, gone)

    def wanted(self) -> list[Channel]:
        """The channels, without the patterns."""
        return [*self._channels.values()]

    def release(self, channels: Iterable[Channel]) -> None:
        """These are somebody else's from now on, as they are."""
        gone: list[bytes] = []
        for each in channels:
            del self._channels[each.raw]
            asked = self._pending.pop((self.SUBSCRIBED, each.raw), None) is not None
            if each.ready or asked:
                gone.append(each.raw)
        if gone and self.line.is_open:
            self._send(self.UNSUBSCRIBE, gone)
        if self.line.is_open:
            self._look()

    def adopt(self, channels: list[Channel]) -> None:
        """These were somebody else's."""
        for channel in channels:
            channel.ready = False
            self._channels[channel.raw] = channel
        self._announced = False
        if self.line.is_open:
            self._ask(channels)

    def overhear(self, pattern: str, fn: Callable[[str, bytes], object] | None) -> None:
        """``fn`` is told what others than links publish there; None to leave it."""
        raw = pattern.encode("utf-8", "surrogatepass")
        known = raw in self._patterns
        if fn is not None:
            self._patterns[raw] = fn
        elif known:
            del self._patterns[raw]
        if known is (fn is None) and self.line.is_open:
            self._send(b"PUNSUBSCRIBE" if fn is None else b"PSUBSCRIBE", [raw])

    def _ask(self, channels: list[Channel]) -> None:
        self._send(self.SUBSCRIBE, [channel.raw for channel in channels])

    def _send(self, verb: bytes, names: list[bytes]) -> None:
        if verb in _CONFIRMED:
            for name in names:
                key = (_CONFIRMED[verb], name)
                self._pending[key] = self._pending.get(key, 0) + 1
        for command in in_batches(verb, names):
            self.line.send(command)

    def _look(self) -> None:
        if not (self._pending or self._announced or self._asking):
            self._announced = True
            self._on_ready()

    def commands(self) -> list[bytes]:
        """What asks a source for all that is wanted."""
        return [
            *in_batches(b"SUBSCRIBE", list(self._channels)),
            *in_batches(b"PSUBSCRIBE", list(self._patterns)),
        ]

    # ---- for the source

    def opened(self) -> None:
        """May block."""
        self._announced = False
        self._begin_to_ask(list(self._channels.values()))

    def moved(self) -> None:
        """What comes goes on where it left off, from another source, which has been told what is
        wanted: what was not confirmed is confirmed by that one. May block."""
        self._begin_to_ask([each for each in self._channels.values() if not each.ready])

    def _begin_to_ask(self, channels: list[Channel]) -> None:
        self._pending = {}
        self._send(b"PSUBSCRIBE", list(self._patterns))
        self._opened += 1
        opened = self._opened
        self._asking = True
        for start in range(0, len(channels), BATCH):
            if start:
                # There may be hundreds of thousands.
                self._runtime.breathe()
                if self._opened != opened or not self.line.is_open:
                    return
            some = channels[start : start + BATCH]
            self._ask([each for each in some if self._channels.get(each.raw) is each])
        self._asking = False
        self._look()

    def lost(self, why: str, unsent: list[bytes]) -> None:
        for channel in self._channels.values():
            channel.ready = False
        self._on_lost(why)

    def replies(self, gets: Callable[[], Any]) -> None:
        # What is sent to clients on account of this is joined, as if a client had caused it.
        self._runtime.begin_turn()
        channels, own, message = self._channels, self._own, self._message
        wanted = self.MESSAGE
        while True:
            reply = gets()
            if reply is NOTHING:
                return
            try:
                kind, name, frame = reply
                if kind != wanted:
                    self._other(kind, name)
                    continue
            except (TypeError, ValueError):
                if isinstance(reply, Exception):
                    if self._refused(str(reply)):
                        return
                elif isinstance(reply, list) and len(reply) == 4:
                    self._overheard(*reply[1:])
                else:
                    self._pong(reply)
                continue
            channel = channels.get(name)
            if channel is None:
                continue  # unsubscribed meanwhile
            self.received += 1
            try:
                version, publisher, series, number = read_head(frame)
                if publisher == own and version == VERSION:
                    if channel.words is not None:
                        self._odd(channel, frame)
                    continue
                heard = channel.publishers[publisher]
                if (
                    version != VERSION
                    or series != heard.series
                    or number != heard.number + 1
                    or len(frame) > HEADER + MAX_PAYLOAD
                ):
                    raise LookupError
                heard.number = number
                heard.late = 0
            except Exception:  # also what is no frame
                if not self._odd(channel, frame):
                    continue
            try:
                message(channel.name, frame[HEADER:])
            except Exception as error:
                self._failed(channel.name, error)

    def _refused(self, why: str) -> bool:
        """The server does not do what it is asked; whether that was all."""
        # It may be allowed later.
        self.line.lose(f"the server refuses what is asked: {why}")
        return True

    def _pong(self, reply: object) -> None:
        """A sign of life."""

    def _other(self, kind: Any, name: Any) -> None:
        """A reply of three parts that is no message."""
        left = self._pending.pop((kind, name), 0) - 1
        if left > 0:
            self._pending[kind, name] = left
        channel = self._channels.get(name) if left == 0 and kind == self.SUBSCRIBED else None
        if channel is not None:
            channel.ready = True
            then, channel.then = channel.then, []
            for fn in then:
                try:
                    fn()
                except Exception as error:
                    self._failed(channel.name, error)
        if left == 0:
            self._look()

    def _overheard(self, pattern: bytes, raw: bytes, payload: bytes) -> None:
        fn = self._patterns.get(pattern)
        if fn is None:
            return
        self.received += 1
        channel = raw.decode("utf-8", "replace")
        if len(payload) > MAX_PAYLOAD:
            self._faulty(channel, _LONG)
            return
        if self.position is not None and not self.position.is_new(pattern, raw, payload):
            return
        try:
            fn(channel, payload)
        except Exception as error:
            self._failed(channel, error)

    def _odd(self, channel: Channel, frame: Any) -> bool:
        """Whether to deliver a frame that is not simply the next of its publisher."""
        fault: Fault | None = None
        if not isinstance(frame, bytes) or len(frame) < HEADER:
            fault = _SHORT
        elif frame[0] != VERSION:
            fault = Fault(
                "version",
                f"it is of version {frame[0]}, and this sockio knows {VERSION}: do all processes "
                "run the same release?",
            )
        elif len(frame) > HEADER + MAX_PAYLOAD:
            fault = _LONG
        elif channel.words is not None:
            fault = self._word(channel.name, channel.words, frame)
            if fault is None:
                return False
        else:
            fault = self._follow(channel, frame)
        if fault is None:
            return True
        if fault is not _AGAIN:
            self._faulty(channel.name, fault)
        return False

    def _word(self, channel: str, words: Words, frame: bytes) -> Fault | None:
        _, publisher, series, number = read_head(frame)
        name = name_of(publisher)
        if name is None:
            return _NAME
        if series or number:
            return _COUNTED
        position = self.position
        if (
            position is not None
            and channel != position.channel
            and not position.is_new(channel, frame)
        ):
            return None
        try:
            words(name, frame[HEADER:])
        except Exception as error:
            self._failed(channel, error)
        return None

    def _follow(self, channel: Channel, frame: bytes) -> Fault | None:
        _, publisher, series, number = read_head(frame)
        name = name_of(publisher)
        if name is None:
            return _NAME
        heard = channel.publishers.get(publisher)
        if heard is None:
            self._begin(channel, publisher, Heard(series, number))
            # It may be of before the channel was wanted, and is known from elsewhere.
            early = self.position is not None and not self.position.is_behind(channel.since)
            return _AGAIN if early else None
        again = self.position is not None and self.position.again
        if again and (series, number) <= (heard.series, heard.number):
            return _AGAIN
        missing, fault = follow(heard, series, number, self._runtime.now())
        if missing:
            self._missed(channel, name, missing)
        if fault:
            return _IMPOSSIBLE if fault == "impossible" else _TIMES
        return None

    def _begin(self, channel: Channel, publisher: bytes, heard: Heard) -> None:
        channel.publishers[publisher] = heard
        if channel.many:
            self._followed.append((channel, publisher))
            if len(self._followed) > FOLLOWED:
                oldest, forgotten = self._followed.popleft()
                oldest.publishers.pop(forgotten, None)
        if len(channel.publishers) > PUBLISHERS:
            del channel.publishers[next(iter(channel.publishers))]
            self._faulty(channel.name, _MANY)

    def _missed(self, channel: Channel, name: str, missing: int) -> None:
        self.missing += missing
        try:
            self._gap(name, missing)
        except Exception as error:
            self._failed(channel.name, error)

    def reached(self, name: str, numbers: Mapping[str, tuple[int, int]]) -> None:
        """A publisher has said behind all else how far it has counted, by channel: what has not
        come by now does not come any more."""
        publisher = publisher_bytes(name)
        for each, (series, number) in numbers.items():
            channel = self._channels.get(each.encode("utf-8", "surrogatepass"))
            if channel is None or not channel.ready or channel.words is not None:
                continue
            heard = channel.publishers.get(publisher)
            if heard is None:
                # What comes next is the first that can be missing.
                self._begin(channel, publisher, Heard(series, number))
            elif missing := reached(heard, series, number):
                self._missed(channel, name, missing)
