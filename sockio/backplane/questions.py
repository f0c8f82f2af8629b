"""Questions to all other workers, and their answers: what came in time, and who is missing.

How the others are reached, by the mesh of a host or by a Redis server, is not known here:
:class:`Others` is what both have.

::

    QUESTION   a number (4 bytes), a line of JSON (group, what is asked, namespace, rooms, what is
               left out, seconds), then values
    ANSWER     the number, 1, then values; or 0 where it could not be answered
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, Protocol

from ..exceptions import PacketError, UsageError
from ..protocol.dialect import BaseCodec
from ..protocol.engine_codec import Attached, Bundle, EngineCodec
from ..protocol.generations import EIO4
from ..runtime.interfaces import Runtime
from .wire import are_rooms, check_rooms

__all__ = [
    "ANSWER",
    "ANSWERED",
    "OTHER_HOSTS",
    "QUESTION",
    "Answers",
    "Asked",
    "AskedAll",
    "Others",
    "Question",
    "Questions",
    "codec_for_values",
    "pack_values",
    "unpack_values",
]

QUESTION, ANSWER = 3, 4
#: Among the missing: workers whose names are not known, since the way to them is not there.
OTHER_HOSTS = "other hosts"
#: Seconds in which other workers have to have answered, unless somebody says otherwise.
ANSWERED = 5.0
#: Questions that are answered at once, and seconds that an answer may take.
MOST, MOST_SECONDS = 10_000, 86_400.0
#: The types of what comes with each kind of question.
_VALUES: dict[str, list[type]] = {
    "call": [str, list],
    "sockets": [],
    "server-side": [str, list],
    "stay": [list, dict],
    "estate": [str, str, list],
}
_NUMBER = struct.Struct(">I")
_SIZE = struct.Struct(">I")
#: What an answer begins with: whether the question could be answered.
_NO, _YES = b"\0", b"\1"

_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Question(NamedTuple):
    """What is asked, and of whose clients."""

    what: str
    namespace: str
    rooms: tuple[Hashable, ...] | None
    skip: frozenset[Hashable]
    #: Within which the answer is wanted.
    seconds: float
    #: JSON values and bytes.
    values: tuple[Any, ...] = ()


class Answers(NamedTuple):
    """What the other workers have answered."""

    #: By the worker's name.
    values: dict[str, Any]
    #: The names of the workers that have not answered in time, or died meanwhile; ``other hosts``
    #: where those could not be asked, or not all of them are known.
    missing: list[str]


Answer = Callable[[Question], list[Any]]


class Others(Protocol):
    """Those who are asked, each by its name. Nothing here blocks."""

    def names(self) -> list[str]:
        """Who is there."""
        ...

    def ask(self, data: bytes, name: str | None = None) -> list[str]:
        """Send a question to all of them, or to one; the names of those who could not be reached.
        Raises ``UsageError`` for one that is too long."""
        ...

    def answer(self, name: str, data: bytes) -> None:
        """Send an answer to one. Raises ``UsageError`` for one that is too long."""
        ...

    def complain(self, name: str, what: str) -> None:
        """Log what is wrong with what one has sent."""
        ...

    def failed(self, name: str, error: Exception) -> None:
        """Log why a question of one could not be answered."""
        ...


def codec_for_values(codec: BaseCodec) -> EngineCodec:
    """What packs values between processes, with the JSON functions of ``codec``."""
    if isinstance(codec, EngineCodec):
        return codec
    return EngineCodec(EIO4, codec.json_loads, codec.json_dumps)


def pack_values(codec: EngineCodec, values: list[Any] | tuple[Any, ...]) -> bytes:
    """JSON values and bytes as bytes. Raises ``UsageError`` for what is neither."""
    text = codec.encode({"type": "ack", "ackId": 0, "args": list(values)})
    parts = [text.encode("utf-8", "surrogatepass")]
    if type(text) is Attached:
        parts += text.attachments
    return b"".join([each for part in parts for each in (_SIZE.pack(len(part)), part)])


def unpack_values(codec: EngineCodec, data: bytes) -> list[Any]:
    """Raises ``PacketError`` for what is none."""
    parts, at = [], 0
    while at < len(data):
        if len(data) - at < _SIZE.size:
            raise PacketError("values that end too early")
        (size,) = _SIZE.unpack_from(data, at)
        at += _SIZE.size
        if size > len(data) - at:
            raise PacketError("values that end too early")
        parts.append(data[at : at + size])
        at += size
    if not parts:
        raise PacketError("no values")
    try:
        text = parts[0].decode("utf-8", "surrogatepass")[1:]
    except UnicodeDecodeError:
        raise PacketError("values that are no text") from None
    packet = codec.decode(Bundle(text, parts[1:]) if len(parts) > 1 else text)
    values = packet.get("args")
    if not isinstance(values, list):
        raise PacketError("values that are none")
    return values


class Questions:
    """Those of one process by one way. Whoever carries them calls :meth:`question`, :meth:`answer`
    and :meth:`left`, in the hub."""

    def __init__(self, others: Others, runtime: Runtime) -> None:
        self._others = others
        self._runtime = runtime
        self._number = 0
        # Questions of others that are being answered.
        self._answering = 0
        self._asked: dict[int, Asked] = {}
        # What answers, and reads the values, by the group.
        self._groups: dict[str, tuple[EngineCodec, Answer]] = {}

    def add(self, group: str, codec: BaseCodec, answer: Answer) -> EngineCodec:
        """Let ``answer`` answer the questions of a group, in tasks of their own. What packs their
        values."""
        packs = codec_for_values(codec)
        self._groups[group] = packs, answer
        return packs

    @property
    def names(self) -> list[str]:
        """Who is there."""
        return self._others.names()

    def ask(
        self,
        group: str,
        question: Question,
        enough: Callable[[list[Any]], bool] | None = None,
        name: str | None = None,
    ) -> Asked:
        """Ask all other workers, or one of them, without waiting. Raises ``UsageError`` for what
        cannot travel. After an answer that is ``enough`` nobody waits for the others."""
        codec, _ = self._groups[group]
        check_rooms(question.rooms)
        check_rooms(question.skip)
        self._number = number = self._number % 0xFFFFFFFF + 1
        what, namespace, rooms, skip, seconds, values = question
        # Who waits for longer has the answer of those who are asked by then.
        seconds = min(max(0.0, seconds), MOST_SECONDS)
        head = _dumps([group, what, namespace, rooms, [*skip], seconds]).encode()
        data = b"%b%b\n%b" % (_NUMBER.pack(number), head, pack_values(codec, values))
        asked = Asked(self, number, codec, what, enough)
        # Before it leaves: who is gone by then is told of at once.
        asked.open.update(self._others.names() if name is None else [name])
        self._asked[number] = asked
        try:
            unreached = self._others.ask(data, name)
        except UsageError:
            self.forget(number)
            raise
        for each in unreached:
            asked.lose(each)
        return asked

    def forget(self, number: int) -> None:
        self._asked.pop(number, None)

    def signal(self) -> Any:
        return self._runtime.signal()

    def now(self) -> float:
        return self._runtime.now()

    def complain(self, name: str, what: str) -> None:
        self._others.complain(name, what)

    # ---- those of others

    def question(self, name: str, payload: bytes) -> None:
        """``name`` has asked something. Raises ``PacketError`` for what is no question."""
        number = payload[: _NUMBER.size]
        head, _, rest = payload[_NUMBER.size :].partition(b"\n")
        try:
            group, what, namespace, rooms, skip, seconds = json.loads(head)
            found = self._groups.get(group)
            if found is None:
                raise PacketError(f"a question to {group!r:.40}, which is not here")
            codec, answer = found
            values = tuple(unpack_values(codec, rest))
            named = None if rooms is None else tuple(rooms)
            question = Question(
                str(what), str(namespace), named, frozenset(skip), float(seconds), values
            )
            if not (
                (rooms is None or are_rooms(rooms))
                and are_rooms(skip)
                and 0 <= question.seconds <= MOST_SECONDS
                and list(map(type, values)) == _VALUES[question.what]
            ):
                raise TypeError("it has other values")
        except (ValueError, TypeError, LookupError, RecursionError, PacketError) as error:
            self._others.answer(name, number + _NO)
            raise PacketError(f"a question that cannot be read: {error}") from None
        if self._answering >= MOST:
            self._others.answer(name, number + _NO)
            return
        self._answering += 1
        self._runtime.run(self._reply, name, number, codec, answer, question)

    def _reply(
        self, name: str, number: bytes, codec: EngineCodec, answer: Answer, question: Question
    ) -> None:
        try:
            data = pack_values(codec, answer(question))
            self._others.answer(name, number + _YES + data)
        except Exception as error:
            self._others.failed(name, error)
            self._others.answer(name, number + _NO)
        finally:
            self._answering -= 1

    # ---- what others say

    def answer(self, name: str, payload: bytes) -> None:
        """``name`` has answered. Raises ``struct.error`` for what is no answer."""
        (number,) = _NUMBER.unpack_from(payload)
        asked = self._asked.get(number)
        if asked is not None:
            asked.answer(name, payload[_NUMBER.size :])

    def left(self, name: str) -> None:
        """``name`` does not answer any more."""
        for asked in list(self._asked.values()):
            asked.lose(name)


class Asked:
    """A question that has been asked."""

    def __init__(
        self,
        questions: Questions,
        number: int,
        codec: EngineCodec,
        what: str,
        enough: Callable[[list[Any]], bool] | None = None,
    ) -> None:
        self._questions = questions
        self._enough = enough
        self._number = number
        self._codec = codec
        self._is_answer = _ANSWERS[what]
        #: Who has not answered yet.
        self.open: set[str] = set()
        self._values: dict[str, list[Any]] = {}
        self._missing: list[str] = []
        self._done = questions.signal()

    def answer(self, name: str, data: bytes) -> None:
        if name not in self.open:
            return
        if data[:1] == _YES:
            try:
                values = unpack_values(self._codec, data[1:])
                if not self._is_answer(values):
                    raise PacketError("no answer to what was asked")
                self._values[name] = values
            except PacketError as error:
                self._questions.complain(name, f"an answer that cannot be read: {error}")
        if name not in self._values:
            self._missing.append(name)
        elif self._enough is not None and self._enough(self._values[name]):
            self._done.set()
        self._settle(name)

    def lose(self, name: str) -> None:
        """That one does not answer any more."""
        if name in self.open:
            self._missing.append(name)
            self._settle(name)

    def _settle(self, name: str) -> None:
        self.open.discard(name)
        if not self.open:
            self._done.set()

    def leave(self) -> None:
        """Nobody waits for the answers."""
        self._questions.forget(self._number)

    def wait(self, seconds: float) -> Answers:
        """The answers that there are by then. Blocks the calling task."""
        if self.open:
            self._done.wait(max(0.0, seconds))
        self._questions.forget(self._number)
        return Answers(dict(self._values), [*self._missing, *sorted(self.open)])

    def now(self) -> float:
        """Of the clock that seconds are counted by."""
        return self._questions.now()


class AskedAll:
    """The same question, asked by several ways."""

    def __init__(self, asked: list[Asked]) -> None:
        self._asked = asked

    def leave(self) -> None:
        """Nobody waits for the answers."""
        for each in self._asked:
            each.leave()

    def wait(self, seconds: float) -> Answers:
        """The answers that there are by then, of all. Blocks the calling task."""
        ends = self._asked[0].now() + seconds
        values: dict[str, Any] = {}
        missing: list[str] = []
        for each in self._asked:
            answers = each.wait(ends - each.now())
            values |= answers.values
            missing += answers.missing
        return Answers(values, missing)


# ---- whether what came is an answer: those who wait for it take that for granted


def _are_replies(values: list[Any]) -> bool:
    """What clients have said, by name, and who is missing."""
    if not (len(values) == 2 and isinstance(values[0], list) and _are_texts(values[1])):
        return False
    return all(
        isinstance(each, list)
        and len(each) == 2
        and isinstance(each[0], str)
        and isinstance(each[1], list)
        for each in values[0]
    )


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)


def _are_sockets(values: list[Any]) -> bool:
    """Name, rooms and address of each."""
    return all(
        isinstance(each, list)
        and len(each) == 3
        and isinstance(each[0], str)
        and are_rooms(each[1])
        and isinstance(each[2], str)
        for each in values
    )


def _is_one(values: list[Any]) -> bool:
    return len(values) == 1


def _is_stay(values: list[Any]) -> bool:
    """A stay and how far others were heard, or who has all of that worker; nothing."""
    return len(values) in (0, 2) or (len(values) == 1 and isinstance(values[0], str))


def _is_word(values: list[Any]) -> bool:
    """Whether it goes on, and what else is to be known for that."""
    return len(values) <= 1


#: By what is asked.
_ANSWERS: dict[str, Callable[[list[Any]], bool]] = {
    "call": _are_replies,
    "sockets": _are_sockets,
    "server-side": _is_one,
    "stay": _is_stay,
    "estate": _is_word,
}
