"""What a worker hears of the server for others of its host, and for itself.

It has one connection, subscribed to what any of them wants, and is to each what the server would
be: commands are confirmed to each, and what it says is said to those who want it. What was said
lately is kept, so that who heard it elsewhere until now can go on here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from ...exceptions import PacketError
from ...runtime.interfaces import Runtime
from ..redis.batches import BATCH, in_batches
from ..redis.frames import HEADER
from ..redis.library import reader
from ..redis.line import NOTHING, Source, User
from ..redis.position import MARK_BYTES
from .frames import confirmed, head_of_message, overheard
from .recent import Recent

__all__ = ["MOST_BYTES", "MOST_WANTED", "Feed", "Listener"]

#: Channels and patterns that one may want, and bytes that their names have.
MOST_WANTED, MOST_BYTES = 300_000, 32_000_000
#: Marks that are known as such in a second: each is work for all, and whoever may publish can send
#: a million.
MOST_MARKS = 50
#: What the server calls it when it confirms a command.
_VERBS = {b"SUBSCRIBE": b"subscribe", b"PSUBSCRIBE": b"psubscribe"}
_UNDO = {b"UNSUBSCRIBE": b"subscribe", b"PUNSUBSCRIBE": b"psubscribe"}

_Key = tuple[bytes, bytes]


class _Wanted:
    """A channel, or a pattern."""

    __slots__ = ("awaiting", "confirmed", "head", "listeners")

    def __init__(self, name: bytes) -> None:
        #: What each message of a channel begins with.
        self.head = head_of_message(name)
        self.confirmed = False
        self.listeners: set[Listener] = set()
        #: To whom it is to be confirmed: to each as often as it has asked.
        self.awaiting: list[Listener] = []


class Listener:
    """Somebody who listens. ``send`` gets replies as the server writes them, and says whether that
    was possible; it is None for this process."""

    def __init__(self, send: Callable[[bytes], bool] | None) -> None:
        self.send = send
        #: Whether it is told what comes, or only prepared for.
        self.live = False
        #: Whether all that it wants was said at least once.
        self.prepared = False
        self.wants: set[_Key] = set()
        self.size = 0
        self.out: list[bytes] = []


class Feed:
    """A :class:`~sockio.backplane.redis.line.User`. All of it is for the sockets' thread."""

    def __init__(
        self,
        connect: Callable[[User], Source],
        runtime: Runtime,
        marks: str,
        *,
        replies: Callable[[Callable[[], Any]], None],
        marked: Callable[[bytes], None],
        changed: Callable[[str], None],
        confirmed: Callable[[], None],
        left: Callable[[Listener], None],
    ) -> None:
        """``marks`` is the channel that they come by. ``replies`` takes what is for this process,
        ``marked`` is told a mark, ``changed`` that the server is heard, or why it is not any more;
        ``confirmed`` is called when all is subscribed; ``left`` with a listener that does not keep
        up, and was let go."""
        self._runtime = runtime
        self._marks = marks.encode()
        # Since when marks are counted, and how many have come since.
        self._counted, self._count = 0.0, 0
        self._replies = replies
        self._marked = marked
        self._changed = changed
        self._all_confirmed = confirmed
        self._left = left
        self._wanted: dict[_Key, _Wanted] = {}
        # The same by the names of the channels alone.
        self._channels: dict[bytes, _Wanted] = {}
        self._pending: dict[_Key, int] = {}
        # What was asked and not answered to the end, in order: verb, names, and how many of them
        # are confirmed.
        self._asked: deque[tuple[bytes, list[bytes], int]] = deque()
        # How many connections there were; whether the present one is still being asked for all.
        self._opened = 0
        self._asking = False
        self._recent: Recent[_Wanted] = Recent(runtime)
        self._mine: list[Any] = []
        self._soon = False
        self._out: list[Listener] = []
        #: This process, and others.
        self.here = Listener(None)
        self.others: set[Listener] = set()
        self._source = connect(self)

    # ---- for those who listen

    @property
    def stands(self) -> bool:
        return self._source.is_open

    def start(self) -> None:
        self._source.start()

    def lose(self, why: str) -> None:
        self._source.lose(why)

    def close(self) -> None:
        self._source.close()

    def __contains__(self, mark: bytes) -> bool:
        return mark in self._recent

    def add(self, listener: Listener) -> None:
        """Somebody of another process begins to listen, and wants nothing yet."""
        if not self._keeps:
            self._recent = Recent(self._runtime)
        self.others.add(listener)

    @property
    def _keeps(self) -> bool:
        """Whether anybody may go on here: for this process alone nothing is kept."""
        return bool(self.others) or not self.here.live

    def command(self, listener: Listener, data: bytes) -> None:
        """Do what a listener tells the server. Raises ``PacketError`` for what makes no sense, or
        is too much."""
        commands = reader(NOTHING)
        try:
            commands.feed(data)
            while (command := commands.gets()) is not NOTHING:
                verb, *names = command
                if not all(type(name) is bytes for name in names):
                    raise TypeError("it has other values")
                if verb in _VERBS:
                    self._want(listener, verb, names)
                elif verb in _UNDO:
                    self._unwant(listener, verb, [(_UNDO[verb], name) for name in names])
                else:
                    raise ValueError("nobody may want that")
        except (ValueError, TypeError) as error:
            raise PacketError(f"a command to its relay that cannot be read: {error}") from None

    def _want(self, listener: Listener, verb: bytes, names: list[bytes]) -> None:
        kind = _VERBS[verb]
        new: list[bytes] = []
        try:
            for name in names:
                key = kind, name
                if key not in listener.wants:
                    # This process may have as many as without a relay.
                    if listener is not self.here and (
                        len(listener.wants) >= MOST_WANTED or listener.size > MOST_BYTES
                    ):
                        raise PacketError(
                            f"more than {MOST_WANTED} channels, or {MOST_BYTES} bytes of names, "
                            "that it wants to hear from its relay"
                        )
                    listener.wants.add(key)
                    listener.size += len(name)
                wanted = self._wanted.get(key)
                if wanted is None:
                    wanted = self._wanted[key] = _Wanted(name)
                    if kind == b"subscribe":
                        self._channels[name] = wanted
                    new.append(name)
                elif not (wanted.confirmed or key in self._pending):
                    # It was refused, and may be allowed by now.
                    new.append(name)
                wanted.listeners.add(listener)
                if wanted.confirmed:
                    self._confirm(listener, kind, name)
                elif listener.live:
                    wanted.awaiting.append(listener)
        finally:
            self._ask(verb, new)

    def _unwant(self, listener: Listener, verb: bytes, keys: list[_Key]) -> None:
        nobodys: list[bytes] = []
        for key in keys:
            wanted = self._wanted.get(key)
            if wanted is None or key not in listener.wants:
                continue
            listener.wants.discard(key)
            listener.size -= len(key[1])
            wanted.listeners.discard(listener)
            for _ in range(wanted.awaiting.count(listener)):
                self._confirm(listener, *key)
            wanted.awaiting = [each for each in wanted.awaiting if each is not listener]
            if not wanted.listeners:
                del self._wanted[key]
                if key[0] == b"subscribe":
                    del self._channels[key[1]]
                nobodys.append(key[1])
        if nobodys and self._source.is_open:
            for command in in_batches(verb, nobodys):
                self._source.send(command)

    def _ask(self, verb: bytes, names: list[bytes]) -> None:
        if not self._source.is_open:
            return
        for name in names:
            key = _VERBS[verb], name
            self._pending[key] = self._pending.get(key, 0) + 1
        for at in range(0, len(names), BATCH):
            some = names[at : at + BATCH]
            self._asked.append((verb, some, 0))
            for command in in_batches(verb, some):
                self._source.send(command)

    def go_live(self, listener: Listener, marks: list[bytes]) -> tuple[bytes | None, list[bytes]]:
        """Say it what comes from now on; the mark behind which that is complete, and what came
        since. None, and all that is kept, where no mark is known."""
        listener.live = True
        mark, said = self._recent.since(marks)
        return mark, [data for wanted, data in said if listener in wanted.listeners]

    def hold(self, listener: Listener) -> None:
        """Say it no more."""
        listener.live = False
        listener.out.clear()

    def drop(self, listener: Listener) -> None:
        """It wants nothing any more."""
        self.hold(listener)
        self.others.discard(listener)
        for verb, kind in _UNDO.items():
            self._unwant(listener, verb, [key for key in listener.wants if key[0] == kind])

    # ---- for the source

    def opened(self) -> None:
        """May block."""
        self._opened += 1
        opened = self._opened
        self._pending = {}
        self._asked.clear()
        self._asking = True
        self._changed("")
        keys = list(self._wanted)
        for at in range(0, len(keys), BATCH):
            if at:
                # There may be hundreds of thousands.
                self._runtime.breathe()
                if self._opened != opened:
                    return
            for verb, kind in _VERBS.items():
                some = [key for key in keys[at : at + BATCH] if key[0] == kind]
                self._ask(verb, [key[1] for key in some if key in self._wanted])
        self._asking = False
        self._look_whether_all()

    def lost(self, why: str, unsent: list[bytes]) -> None:
        self._opened += 1
        for wanted in self._wanted.values():
            wanted.confirmed = False
            wanted.awaiting.clear()
        self._changed(why)

    def replies(self, gets: Callable[[], Any]) -> None:
        self._runtime.begin_turn()
        channels, mine, out = self._channels, self._mine, self._out
        keeps = self._keeps
        said: list[tuple[_Wanted, bytes]] = []
        data = b""
        while True:
            reply = gets()
            if reply is NOTHING:
                break
            if not isinstance(reply, list):
                if isinstance(reply, Exception) and not self._refused(reply):
                    self._recent.add(said)
                    self._flush()
                    self._source.lose(f"the server refuses what is asked: {reply}")
                    return
                continue  # PONG, or those who want what is refused are told
            if reply[0] == b"message":
                _, name, payload = reply
                wanted = channels.get(name)
                if wanted is None:
                    continue
                if keeps:
                    if name == self._marks:
                        # It is the first of what comes behind it.
                        self._recent.add(said)
                        said.clear()
                        self._mark(payload)
                    data = b"%b%d\r\n%b\r\n" % (wanted.head, len(payload), payload)
            elif reply[0] == b"pmessage":
                wanted = self._wanted.get((b"psubscribe", reply[1]))
                if wanted is None:
                    continue
                if keeps:
                    data = overheard(*reply[1:])
            else:
                self._other(reply)
                continue
            if keeps:
                said.append((wanted, data))
            for each in wanted.listeners:
                if not each.live:
                    continue
                if each.send is None:
                    mine.append(reply)
                    continue
                if not each.out:
                    out.append(each)
                each.out.append(data)
        self._recent.add(said)
        self._flush()

    def _mark(self, frame: Any) -> None:
        mark = frame[HEADER:] if isinstance(frame, bytes) else b""
        # Behind one that counts all comes that is wanted now.
        if not (0 < len(mark) <= MARK_BYTES and self._all):
            return
        now = self._runtime.now()
        if now - self._counted >= 1:
            self._counted, self._count = now, 0
        self._count += 1
        if self._count <= MOST_MARKS and self._recent.mark(mark):
            self._marked(mark)

    def _other(self, reply: list[Any]) -> None:
        """A command that the server confirms."""
        key: _Key = (reply[0], reply[1])
        if self._asked and key[0] == _VERBS[self._asked[0][0]]:
            verb, names, count = self._asked.popleft()
            if count + 1 < len(names):
                self._asked.appendleft((verb, names, count + 1))
        left = self._settle(key)
        wanted = self._wanted.get(key)
        if left != 0 or wanted is None:
            self._look_whether_all()
            return
        wanted.confirmed = True
        awaiting, wanted.awaiting = wanted.awaiting, []
        for each in awaiting:
            self._confirm(each, *key)
        self._look_whether_all()

    def _refused(self, why: Exception) -> bool:
        """The server does not do what it was asked first; whether it is known what that is. Whoever
        wants it is told, and all others go on: what one may not hear is not refused to them."""
        if not self._asked:
            return False
        verb, names, _ = self._asked.popleft()
        for name in names:
            self._settle((_VERBS[verb], name))
        if len(names) > 1:
            # One is enough for all of a command to be refused.
            left = [name for name in names if (_VERBS[verb], name) in self._wanted]
            for some in (left[: len(left) // 2], left[len(left) // 2 :]):
                self._ask(verb, some)
            return True
        wanted = self._wanted.get((_VERBS[verb], names[0]))
        awaiting = [] if wanted is None else [*dict.fromkeys(wanted.awaiting)]
        if wanted is not None:
            wanted.awaiting = []
        for each in awaiting:
            if each is self.here:
                self._mine.append(why)
            elif each.live:
                if not each.out:
                    self._out.append(each)
                each.out.append(b"-%b\r\n" % " ".join(str(why).split()).encode())
        self._look_whether_all()
        return True

    def _settle(self, key: _Key) -> int:
        """One answer has come; how many are to come."""
        left = self._pending.pop(key, 0) - 1
        if left > 0:
            self._pending[key] = left
        return left

    @property
    def _all(self) -> bool:
        """Whether all that is wanted is confirmed."""
        return not (self._pending or self._asking)

    def _look_whether_all(self) -> None:
        if self._all:
            self._all_confirmed()

    # ---- what is said

    def _confirm(self, listener: Listener, kind: bytes, name: bytes) -> None:
        if not listener.live:
            return
        if listener is self.here:
            self._mine.append([kind, name, 1])
        else:
            if not listener.out:
                self._out.append(listener)
            listener.out.append(confirmed(kind, name))
        if not self._soon:
            # Whoever asks is not called back before it has done so.
            self._soon = True
            self._runtime.run(self._flush)

    def _flush(self) -> None:
        self._soon = False
        out = self._out[:]
        self._out.clear()
        for each in out:
            said, each.out = each.out, []
            if said and each.send is not None and not each.send(b"".join(said)):
                self.drop(each)
                self._left(each)
        mine = self._mine[:]
        self._mine.clear()
        if mine:
            mine.append(NOTHING)
            self._replies(iter(mine).__next__)
