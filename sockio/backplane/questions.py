"""Questions to all other workers, and their answers: what came in time, and who is missing.

::

    QUESTION   a number (4 bytes), a line of JSON (group, what is asked, namespace, rooms, what is
               left out, seconds), then values
    ANSWER     the number, 1, then values; or 0 where it could not be answered
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from ..exceptions import PacketError
from ..protocol.dialect import BaseCodec
from ..protocol.engine_codec import Attached, Bundle, EngineCodec
from ..protocol.generations import EIO4
from ..runtime.interfaces import Runtime
from .mesh.link import Frame, Link
from .mesh.mesh import Mesh
from .wire import are_rooms, check_rooms

__all__ = [
    "Answers",
    "Asked",
    "Question",
    "Questions",
    "codec_for_values",
    "pack_values",
    "unpack_values",
]

log = logging.getLogger("sockio.mesh")

QUESTION, ANSWER = 3, 4
#: Questions that are answered at once, and seconds that an answer may take.
MOST, MOST_SECONDS = 10_000, 86_400.0
#: The types of what comes with each kind of question.
_VALUES: dict[str, list[type]] = {"call": [str, list], "sockets": [], "server-side": [str, list]}
_NUMBER = struct.Struct(">I")
_SIZE = struct.Struct(">I")

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
    #: The names of the workers that have not answered in time, or died meanwhile.
    missing: list[str]


Answer = Callable[[Question], list[Any]]


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
    """Those of one process, for all of its middlewares."""

    def __init__(self, mesh: Mesh, runtime: Runtime) -> None:
        self._mesh = mesh
        self._runtime = runtime
        self._number = 0
        # Questions of others that are being answered.
        self._answering = 0
        self._asked: dict[int, Asked] = {}
        # What answers, and reads the values, by the group.
        self._groups: dict[str, tuple[EngineCodec, Answer]] = {}
        mesh.take(QUESTION, self._question)
        mesh.take(ANSWER, self._answer)
        mesh.on_leave.append(self._left)

    def add(self, group: str, codec: BaseCodec, answer: Answer) -> EngineCodec:
        """Let ``answer`` answer the questions of a group, in tasks of their own. What packs their
        values."""
        packs = codec_for_values(codec)
        self._groups[group] = packs, answer
        return packs

    def ask(self, group: str, question: Question) -> Asked:
        """Ask all other workers, without waiting. Raises ``UsageError`` for what cannot travel."""
        codec, _ = self._groups[group]
        check_rooms(question.rooms)
        check_rooms(question.skip)
        self._number = number = self._number % 0xFFFFFFFF + 1
        asked = Asked(self, number, codec)
        what, namespace, rooms, skip, seconds, values = question
        head = _dumps([group, what, namespace, rooms, [*skip], seconds]).encode()
        data = b"%b%b\n%b" % (_NUMBER.pack(number), head, pack_values(codec, values))
        self._asked[number] = asked
        for boot, link in list(self._mesh.links.items()):
            asked.open.add(boot)
            if not link.send(QUESTION, data):
                asked.lose(boot)
        return asked

    def forget(self, number: int) -> None:
        self._asked.pop(number, None)

    def signal(self) -> Any:
        return self._runtime.signal()

    # ---- those of others

    def _question(self, link: Link, frame: Frame) -> None:
        payload = frame.payload
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
            link.send(ANSWER, number + b"\0")
            raise PacketError(f"a question that cannot be read: {error}") from None
        if self._answering >= MOST:
            link.send(ANSWER, number + b"\0")
            return
        self._answering += 1
        self._runtime.run(self._reply, link, number, codec, answer, question)

    def _reply(
        self, link: Link, number: bytes, codec: EngineCodec, answer: Answer, question: Question
    ) -> None:
        try:
            data = b"\1" + pack_values(codec, answer(question))
        except Exception:
            log.exception("a question of worker %s could not be answered", link.peer)
            data = b"\0"
        finally:
            self._answering -= 1
        link.send(ANSWER, number + data)

    # ---- what others say

    def _answer(self, link: Link, frame: Frame) -> None:
        payload = frame.payload
        (number,) = _NUMBER.unpack_from(payload)
        asked = self._asked.get(number)
        if asked is not None:
            asked.answer(link.peer, payload[_NUMBER.size :])

    def _left(self, boot: str) -> None:
        for asked in list(self._asked.values()):
            asked.lose(boot)


class Asked:
    """A question that has been asked."""

    def __init__(self, questions: Questions, number: int, codec: EngineCodec) -> None:
        self._questions = questions
        self._number = number
        self._codec = codec
        #: Who has not answered yet.
        self.open: set[str] = set()
        self._values: dict[str, list[Any]] = {}
        self._missing: list[str] = []
        self._done = questions.signal()

    def answer(self, boot: str, data: bytes) -> None:
        if boot not in self.open:
            return
        if data[:1] == b"\1":
            try:
                self._values[boot] = unpack_values(self._codec, data[1:])
            except PacketError as error:
                log.warning("worker %s answered what cannot be read: %s", boot, error)
        if boot not in self._values:
            self._missing.append(boot)
        self._settle(boot)

    def lose(self, boot: str) -> None:
        """That one does not answer any more."""
        if boot in self.open:
            self._missing.append(boot)
            self._settle(boot)

    def _settle(self, boot: str) -> None:
        self.open.discard(boot)
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
