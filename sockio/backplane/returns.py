"""Clients that come back to another worker than the one that had them (setting ``recovery``).

Where a client lands it is looked for: all workers of the host are asked for its *stay*, and the one
that has it gives it away. Two things make that exact, whatever is on its way meanwhile:

* who asks keeps events from before it asks, and says how far it has heard each process: the other
  one answers when it has heard as much;
* the answer says how far that one has heard each: who asked goes on when it has heard as much, and
  adds what it has kept of what came later.

So every event that has a number is in the answer or comes later, and never both.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Hashable, Mapping
from math import isfinite
from typing import Any

from ..exceptions import PacketError, UsageError
from ..protocol.engine_codec import Attached
from ..runtime.interfaces import Runtime
from ..sessions.complaints import Complaints
from ..sessions.event_log import Origin
from ..sessions.ids import WorkerIds
from ..sessions.outbox import Outgoing
from ..sessions.recovery import NAMES, Recovery
from ..sessions.sayings import said
from ..sessions.stay import Moved
from .handover import Handover, are_numbers
from .places import Places
from .questions import Question, Questions
from .seen import Seen
from .wire import are_rooms, check_rooms

__all__ = ["Returns"]

log = logging.getLogger("sockio.mesh")

#: Seconds in which somebody has to have answered, and in which the events of all have to arrive.
ANSWERED, ARRIVED = 2.0, 1.0
#: Characters that an offset may have.
OFFSET = 40
#: How often all are asked, where workers end meanwhile; and how often one of those that somebody
#: else takes its clients from is asked whether that is done, some 15 seconds in all.
ROUNDS, WAITS = 3, 10
#: How many of those who come back are asked for at a time: each answer has to come in time. After
#: so many seconds the next ones are asked for all the same.
AT_ONCE, QUEUED = 100, 5.0
#: What such a one answers in place of the name of who has them.
NOT_CLEAR = ""
#: What goes along of a session's data: levels, values, and bits of a number.
DEEPEST, MOST_VALUES, LONGEST = 50, 1_000_000, 10_000


class Returns:
    """Those of one middleware, whose ``recovery`` looks elsewhere from now on. ``group`` is what it
    is called in each worker."""

    def __init__(
        self,
        recovery: Recovery,
        questions: Questions,
        group: str,
        ids: WorkerIds,
        seen: Seen,
        complaints: Complaints,
        handover: Handover,
        runtime: Runtime,
    ) -> None:
        self._recovery = recovery
        self._questions = questions
        self._group = group
        self._ids = ids
        self._seen = seen
        self._complaints = complaints
        self._handover = handover
        self._places = Places(runtime, AT_ONCE)
        handover.can_travel = lambda stay: self.can_travel(stay.marks, stay.session)
        handover.left_out = lambda why: self._cannot("something that it has", why)
        recovery.new_pid = ids.session
        recovery.seek = self._seek

    def _seek(self, namespace: str, pid: str, told: Mapping[str, Any] | None, address: str) -> None:
        """Look for a stay, and let it go on here. Blocks the calling task for 4 seconds at most, or
        for 6 where a worker has just ended that had it; for longer where very many are looked for
        at once; and as long as that one still hands over what it has, for 15 seconds or so."""
        if told is not None and self._ids.owner(pid) is None:
            # Nobody has given it.
            return
        offset = None if told is None else told.get("offset")
        if offset is not None and not (isinstance(offset, str) and len(offset) <= OFFSET):
            return
        self._seen.hear([namespace])
        # Those who had it, or may have had it, and do not any more.
        without: set[str] = set()
        rounds, waits = ROUNDS, WAITS
        giving = [*self._handover.ending]
        while rounds:
            for worker in giving:
                waits = self._wait_for(worker, waits)
            has_place = self._places.take(QUEUED)
            try:
                if not self._recovery.has_kept(namespace, pid, has_offsets=told is not None):
                    more, giving = self._ask(namespace, pid, told, offset, address)
            finally:
                if has_place:
                    self._places.leave()
            if self._recovery.has_kept(namespace, pid, has_offsets=told is not None):
                return
            if giving and waits:
                continue
            more -= without
            if not more:
                return
            without |= more
            rounds -= 1

    def _wait_for(self, worker: str, waits: int) -> int:
        """Until it is clear who has what that one had; how often it may be waited for still."""
        giving = True
        while giving and waits:
            giving = self._handover.is_giving(worker)
            waits -= 1
        return waits

    def _ask(
        self,
        namespace: str,
        pid: str,
        told: Mapping[str, Any] | None,
        offset: str | None,
        address: str,
    ) -> tuple[set[str], list[str]]:
        """Ask all others for a stay, and let it go on here. Where none has it: those who say that
        another one has what they had, and those who have ended before they have said anything; and
        those of whom that is not clear yet."""
        since = self._recovery.expect()
        try:
            if told is None:
                # Which of two is the later one, should both look for it.
                offset = self._recovery.claim_of(pid)
            values = ([pid, told is not None, offset], self._seen.numbers())
            question = Question("stay", namespace, None, frozenset(), ANSWERED, values)
            asked = self._questions.ask(self._group, question, enough=_is_found)
            answers = asked.wait(ANSWERED)
            for worker, answer in answers.values.items():
                if _is_found(answer):
                    # No other one has it; should one, it would be told twice.
                    self._take(worker, answer, namespace, pid, told, address, since)
                    return set(), []
            gone = set(answers.missing).difference(self._questions.names)
            gone.update(worker for worker, answer in answers.values.items() if answer)
            giving = [each for each, said in answers.values.items() if said == [NOT_CLEAR]]
            # It may have much to do, and has said before why.
            giving += self._handover.ending.intersection(answers.missing)
            return gone.difference(giving), giving
        finally:
            self._recovery.expected()

    def _take(
        self,
        worker: str,
        answer: list[Any],
        namespace: str,
        pid: str,
        told: Mapping[str, Any] | None,
        address: str,
        since: int,
    ) -> None:
        try:
            home, moved, numbers = _read(answer, namespace)
        except PacketError as error:
            self._questions.complain(worker, str(error))
            return
        if not self._arrive(numbers):
            return
        # What came there has come here as well: later it would come twice.
        self._seen.catch_up()

        def known(origin: Origin) -> bool:
            return origin[1] <= numbers.get(origin[0], 0)

        self._recovery.adopt(
            namespace,
            pid,
            told,
            moved,
            address=address,
            home=home,
            since=since,
            known=known,
        )

    def answer(self, question: Question) -> list[Any]:
        """What another worker gets that looks for a stay: nothing, or the stay, or the name of a
        worker that has all of this one; or one that hands over its own. Blocks the calling
        task."""
        if question.what == "estate":
            return self._handover.answer(question)
        key, numbers = question.values
        kinds = [str, bool, str], [str, bool, type(None)]
        if [*map(type, key)] not in kinds or not are_numbers(numbers):
            raise PacketError("a stay that is asked for with other values")
        pid, has_offsets, offset = key
        while True:
            if self._handover.under_way:
                return [NOT_CLEAR]
            if self._recovery.heir:
                return [self._recovery.heir]
            if not self._recovery.knows(question.namespace, pid, has_offsets=has_offsets):
                return []
            if not self._arrive(numbers):
                return []
            # Who asks hears other hosts from a moment ago on, perhaps.
            self._seen.catch_up()
            if not self._handover.under_way:
                break
        told, claim = ({"offset": offset}, "") if has_offsets else (None, offset or "")
        moved = self._recovery.give(question.namespace, pid, told, claim)
        if moved is None or not self.can_travel(moved.rooms, moved.session):
            return []
        names, rooms, session, missed = moved
        packets = [[str(each.text), *each.attachments] for each in missed]
        # While it is kept for another namespace no other one has that number.
        home = f"{self._ids.boot}.{id(session):x}"
        return [[home, [*names], rooms, session, packets], self._seen.numbers()]

    def _arrive(self, numbers: Mapping[str, int]) -> bool:
        """Wait for what the other worker has heard; false where that does not come."""
        if self._seen.wait(numbers, ARRIVED):
            return True
        self._complaints.say(
            log,
            logging.WARNING,
            "recovery-late",
            "",
            "a client came back to another worker and begins anew there, for what others had said "
            "did not arrive within %g s: an event loop is blocked, or has more to do than it can "
            "[recovery-late]",
            ARRIVED,
            quiet=True,
        )
        return False

    def can_travel(self, rooms: Collection[Hashable], session: Mapping[str, Any]) -> bool:
        """Whether another worker gets all of a client as it is; else somebody is told why not."""
        try:
            check_rooms(rooms)
        except UsageError as error:
            self._cannot("one of its rooms", str(error))
            return False
        odd = _odd(session)
        if odd:
            self._cannot(
                odd,
                "keep None, bool, int, float, str, bytes there, and lists and dicts of these: they "
                "are the same in every worker",
            )
        return not odd

    def _cannot(self, what: str, why: str) -> None:
        self._complaints.say(
            log,
            logging.WARNING,
            "recovery-elsewhere",
            "",
            "a client came back to another worker and begins anew there, for %s cannot go along: "
            "%s [recovery-elsewhere]",
            what,
            why,
            quiet=True,
        )


def _odd(session: Mapping[Any, Any]) -> str:
    """What of it JSON and bytes do not give back as it was, in a few words; "" where they do."""
    left: list[tuple[str, Any, int]] = []
    for name, value in session.items():
        if type(name) is not str:
            return f"a name that is no text, {said(name, repr):.60}"
        left.append((name, value, DEEPEST))
    looks = MOST_VALUES
    while left:
        name, value, deeper = left.pop()
        kind = type(value)
        what = ""
        looks -= 1
        if not deeper or not looks:
            # What is in itself has no end.
            what = f"more than {DEEPEST} levels, or {MOST_VALUES} values"
        elif kind is list:
            left += [(name, each, deeper - 1) for each in value]
        elif kind is dict:
            if not all(type(key) is str for key in value):
                what = "a key that is no text"
            elif "_placeholder" in value:
                what = "the key '_placeholder', which stands for bytes"
            left += [(name, each, deeper - 1) for each in value.values()]
        elif kind is int:
            if value.bit_length() > LONGEST:
                what = f"a number of more than {LONGEST} bits"
        elif value is not None and kind not in (bool, float, str, bytes):
            what = f"a {kind.__name__}"
        elif kind is float and not isfinite(value):
            what = said(value)
        if what:
            return f"self.session[{said(name, repr):.60}], with {what}"
    return ""


def _is_found(answer: list[Any]) -> bool:
    return len(answer) == 2


def _read(answer: Any, namespace: str) -> tuple[str, Moved, dict[str, int]]:
    """What another worker has given, and how far it has heard each. Raises ``PacketError`` for what
    is neither."""
    try:
        (home, names, rooms, session, packets), numbers = answer
        named: list[Hashable] = rooms
        if not (
            are_numbers(numbers)
            and isinstance(home, str)
            and 0 < len(names) <= NAMES + 2
            and all(isinstance(each, str) for each in names)
            and are_rooms(rooms)
            and isinstance(session, dict)
        ):
            raise TypeError("other values")
        missed = []
        for text, *attachments in packets:
            if "," not in text or not all(isinstance(each, bytes) for each in attachments):
                raise TypeError("other values")
            whole = Attached.of(text, tuple(attachments)) if attachments else text
            missed.append(Outgoing(whole, namespace))
        return home, Moved(tuple(names), named, session, missed), numbers
    except (ValueError, TypeError, AttributeError) as error:
        raise PacketError(f"a client given back as nobody can be: {error}") from None
