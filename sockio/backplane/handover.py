"""A worker that ends leaves what it has kept to another one (setting ``recovery``): its clients
find there what they had, and a rolling restart loses nothing.

The one that ends asks another, the *heir*, in steps, each of which is answered:

1. ``begin``: the heir keeps all events from then on, and says how far it has heard each process.
   When as much has been heard here, the clients are told to go: what they had is kept as that of
   anybody who has lost the connection.
2. ``pieces`` of the :class:`~sockio.sessions.estate.Estate`: all of that, and all events, as they
   are at one moment.
3. ``end``: how far each process had been heard at that moment. When the heir has heard as much, it
   keeps all of it, and adds what it has kept of what came later. While it is at that it says so,
   and is asked ``taken`` again.
4. ``done``; or ``forget``, where it has not answered in time, and the next one is asked.

So every event that has a number is in the estate or comes later, and never both.

Who ends says so to all when somebody takes it (``ends``). Whoever looks for a client meanwhile
asks ``clear`` until it is known who has it, and only then for the client.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from ..exceptions import PacketError, UsageError
from ..protocol.engine_codec import EngineCodec
from ..runtime.interfaces import Cancellable, Runtime, Signal
from ..sessions.away import MAX_KEPT
from ..sessions.complaints import Complaints
from ..sessions.estate import Estate
from ..sessions.event_log import Origin
from ..sessions.recovery import Recovery
from ..sessions.stay import Stay
from . import Emission
from .estates import Bounds, Reader, pack_head, pieces
from .questions import Question, Questions
from .seen import CAUGHT_UP, Seen

__all__ = ["Handover", "are_numbers"]

log = logging.getLogger("sockio.mesh")

#: Namespaces in which other hosts are heard, of which an heir is told.
MOST_HEARD = 1000
#: Seconds in which each step has to be answered; in which the events of all have to arrive; and
#: between two looks at who is there.
STEP, ARRIVED, LOOK = 1.0, 0.8, 0.05
#: The share of all the time that a step may have instead, where that is more: an heir that stands
#: still leaves enough for another one.
SHARE = 0.25
#: Seconds after which who asks whether it is clear where a client is has to ask again.
CLEAR = 1.5
#: Seconds after which the heir of one that says nothing more goes on without it: that one may have
#: thousands of clients to tell that it ends.
PATIENCE = 20.0
#: Workers that are heard at once.
MOST = 100
#: Clients that are taken without a pause.
PER_TURN = 250


class Handover:
    """That of one middleware, both ways. ``group`` is what it is called in each worker, ``boot``
    the name of this one. ``codec`` packs values, ``leave`` ends all sessions so that their clients
    are kept as lost; ``is_pid`` says whether one can be (of a client that counts, or of another),
    and ``is_namespace`` whether it is here; ``publish`` lets all workers have an emission."""

    def __init__(
        self,
        recovery: Recovery,
        questions: Questions,
        group: str,
        boot: str,
        seen: Seen,
        complaints: Complaints,
        runtime: Runtime,
        *,
        codec: EngineCodec,
        begin_to_leave: Callable[[], object],
        leave: Callable[[], object],
        is_pid: Callable[[bool, str], bool],
        is_namespace: Callable[[str], bool],
        publish: Callable[[Emission], object],
    ) -> None:
        self._recovery = recovery
        self._questions = questions
        self._group = group
        self._boot = boot
        self._seen = seen
        self._complaints = complaints
        self._runtime = runtime
        self._codec = codec
        self._begin_to_leave = begin_to_leave
        self._leave = leave
        #: Whether that of a client means something elsewhere.
        self.can_travel: Callable[[Stay], bool] = lambda stay: True
        #: Is told why somebody is left out nevertheless.
        self.left_out: Callable[[str], object] = lambda why: None
        self._is_pid = is_pid
        self._is_namespace = is_namespace
        self._number = 0
        self._step = STEP
        # While what is kept is neither here nor there.
        self._under_way: Signal | None = None
        # Workers that have said that they end, and what is asked of them.
        self._ending: set[str] = set()
        self._polls: dict[str, _Poll] = {}
        # What comes from others, by what they call it.
        self._coming: dict[str, _Coming] = {}
        recovery.hand_over = self.give
        recovery.say_elsewhere = lambda packet, namespace, name: publish(
            Emission(namespace, {**packet, "endpoint": namespace}, (name,))
        )

    # ---- giving

    def give(self, seconds: float, somebody_comes: Callable[[], bool] | None = None) -> bool:
        """Have another worker keep all of it, and end the clients' sessions with that; whether one
        does. Where none does they are as they were, or have ended, and find nothing again.

        Blocks the calling task for ``seconds`` at most: for as long as nobody is there and
        ``somebody_comes()``, or while somebody takes it, and answers each step in time.
        """
        recovery, now = self._recovery, self._runtime.now
        if recovery.ends or not recovery.has_anybody:
            return bool(recovery.heir)
        recovery.ends = True
        for ref, coming in list(self._coming.items()):
            if not coming.taken_wholly:
                # The other one is not told that it was taken. What was is handed on.
                self._forget(ref)
        if not self._questions.names and (somebody_comes is None or not somebody_comes()):
            return False
        self._begin_to_leave()
        self._step = max(STEP, seconds * SHARE)
        ends = now() + seconds
        asked: set[str] = set()
        if somebody_comes is not None:
            # Where several are told to end at once, each knows that by then, and takes nothing.
            self._runtime.signal().wait(2 * LOOK)
        while now() < ends:
            heir = self._next(asked)
            if heir is not None:
                asked.add(heir)
                try:
                    if self._give_to(heir, ends):
                        return True
                except Exception:
                    # The server ends all the same.
                    log.exception("what this worker keeps could not be given to %s", heir)
            elif somebody_comes is not None and somebody_comes():
                self._runtime.signal().wait(LOOK)
            else:
                break
        if recovery.leaving:
            recovery.leaving = False
            log.warning(
                "no other worker has taken what this one keeps for %d clients: they begin anew "
                "[recovery-not-taken]",
                len(recovery),
            )
        return False

    def _next(self, asked: set[str]) -> str | None:
        """Whom to ask: the one behind this one in the order of names, and so on around."""
        names = sorted(name for name in self._questions.names if name not in asked)
        return next((name for name in names if name > self._boot), names[0] if names else None)

    def _give_to(self, heir: str, ends: float) -> bool:
        self._number += 1
        ref = f"{self._boot}.{self._number}"
        answer = self._ask(heir, "begin", ref, [self._seen.heard[:MOST_HEARD]], ends)
        if not answer:
            # It is about to end itself.
            return False
        done = False
        self._under_way = self._runtime.signal()
        # Whoever looks for a client knows by that why this one may be slow to answer.
        said = Question("estate", "", None, frozenset(), STEP, ("ends", ref, []))
        self._questions.ask(self._group, said).leave()
        try:
            done = self._hand_over(heir, ref, answer[0], ends)
        finally:
            self._ask(heir, "done" if done else "forget", ref, [], self._runtime.now())
            under_way, self._under_way = self._under_way, None
            under_way.set()
        return done

    def _hand_over(self, heir: str, ref: str, heard: Any, ends: float) -> bool:
        runtime = self._runtime
        if not are_numbers(heard):
            self._questions.complain(heir, "an heir that has heard what makes no sense")
            return False
        if not self._seen.wait(heard, min(ARRIVED, ends - runtime.now())):
            return False
        # The heir hears other hosts from a moment ago on, perhaps.
        self._seen.catch_up(min(CAUGHT_UP, ends - runtime.now()))
        if not self._recovery.leaving:
            self._recovery.leaving = True
            self._leave()
        # Nothing else happens between these two.
        numbers, estate = self._seen.numbers(), self._recovery.leave()
        clients = len(self._recovery)
        most = self._recovery.max_bytes // 4
        for piece in pieces(
            self._codec, estate, runtime.now(), most, self.can_travel, self.left_out
        ):
            if not self._ask(heir, "piece", ref, [piece], ends):
                return False
        answer = self._ask(heir, "end", ref, [numbers, *pack_head(estate)], ends)
        while answer == [False]:
            answer = self._ask(heir, "taken", ref, [], ends)
        if not answer:
            return False
        self._recovery.heir = heir
        log.info(
            "handed %d clients that may come back, and %d events, to worker %s",
            clients,
            len(estate.entries),
            heir,
        )
        return True

    def _ask(
        self,
        heir: str,
        step: str,
        ref: str,
        values: list[Any],
        ends: float,
        within: float | None = None,
    ) -> list[Any]:
        """What the heir answers to a step; nothing where it does not go on, or not in time."""
        left = min(self._step if within is None else within, ends - self._runtime.now())
        question = Question("estate", "", None, frozenset(), max(0.0, left), (step, ref, values))
        try:
            asked = self._questions.ask(self._group, question, name=heir)
        except UsageError:
            return []
        if left <= 0:
            asked.leave()
            return []
        answer: list[Any] = asked.wait(left).values.get(heir, [])
        return answer

    # ---- for whoever looks for a client

    @property
    def under_way(self) -> bool:
        """Whether it is not clear who has what was here."""
        return self._under_way is not None

    @property
    def ending(self) -> set[str]:
        """The workers that have said that they hand over what they have, and are still there."""
        if self._ending:
            self._ending.intersection_update(self._questions.names)
        return self._ending

    def is_giving(self, worker: str) -> bool:
        """Whether it is not clear yet who has what another worker had that ends. Blocks the calling
        task until it is, for :data:`CLEAR` seconds and a step at most."""
        poll = self._polls.get(worker)
        if poll is not None:
            # There may be thousands who look for a client of that one.
            poll.over.wait(CLEAR + 2 * STEP)
            return poll.giving
        poll = self._polls[worker] = _Poll(self._runtime.signal())
        try:
            within = CLEAR + STEP
            answer = self._ask(worker, "clear", "", [], self._runtime.now() + within, within)
            # It may have much to do.
            poll.giving = not answer[0] if answer else worker in self.ending
        finally:
            del self._polls[worker]
            poll.over.set()
        return poll.giving

    def _is_clear(self) -> bool:
        return self._under_way is None or bool(self._under_way.wait(CLEAR))

    # ---- taking

    def answer(self, question: Question) -> list[Any]:
        """What another worker gets that ends, to one step: nothing where it is not to go on. Blocks
        the calling task."""
        step, ref, values = question.values
        whose = ref.partition(".")[0]
        try:
            if step == "ends":
                self._ending.add(whose)
                return []
            if step == "clear":
                return [self._is_clear()]
            if step == "begin":
                return self._begin(ref, values)
            coming = self._coming.get(ref)
            if coming is None or step in (("taken",) if coming.taken is None else ("piece", "end")):
                return []
            self._expect(ref, coming)
            if step == "piece":
                return self._read(coming, whose, values)
            if step == "end":
                self._end(ref, coming, whose, values)
            if step in ("end", "taken"):
                # Half of what the other one waits for.
                over = coming.over.wait(STEP / 2)
                return [coming.taken_wholly] if coming.taken_wholly or not over else []
            if step == "forget":
                self._forget(ref)
                return []
            if step == "done":
                self._let_go(ref)
                return []
            raise PacketError("a step of an estate that is none")
        except PacketError as error:
            self._forget(ref)
            self._questions.complain(whose, str(error))
            return []

    def _begin(self, ref: str, values: list[Any]) -> list[Any]:
        heard = values[0] if values else []
        if not isinstance(heard, list) or len(heard) > MOST_HEARD:
            raise PacketError("an estate of namespaces that are none")
        some = [name for name in heard if isinstance(name, str) and self._is_namespace(name)]
        self._seen.hear(some, STEP / 2)
        recovery, now = self._recovery, self._runtime.now()
        if recovery.ends or len(self._coming) >= MOST or ref in self._coming:
            return []
        since = recovery.expect()
        reader = Reader(
            self._codec,
            now,
            Bounds(2 * recovery.max_bytes, MAX_KEPT, *recovery.kept_for),
            recovery.twins(),
            self._is_pid,
        )
        coming = self._coming[ref] = _Coming(reader, since, self._runtime.signal())
        self._expect(ref, coming)
        return [self._seen.numbers()]

    def _expect(self, ref: str, coming: _Coming) -> None:
        """The other one has said something, and is to say more."""
        if coming.alarm is not None:
            coming.alarm.cancel()
        coming.alarm = self._runtime.at(
            self._runtime.now() + PATIENCE, lambda: self._is_silent(ref, coming)
        )

    def _is_silent(self, ref: str, coming: _Coming) -> None:
        if coming.taken is None or coming.taken_wholly:
            self._let_go(ref)
        else:
            # It has ended, or died, and has said all: what is begun is done.
            self._expect(ref, coming)

    def _read(self, coming: _Coming, whose: str, values: list[Any]) -> list[Any]:
        if [*map(type, values)] != [bytes]:
            raise PacketError("a piece of an estate that is none")
        wrong = coming.reader.read(values[0])
        if wrong:
            self._questions.complain(whose, wrong)
        return [True]

    def _end(self, ref: str, coming: _Coming, whose: str, values: list[Any]) -> None:
        """Take all of it, in a task. Raises ``PacketError`` for what makes no sense."""
        try:
            numbers, lines, earlier = values
        except ValueError:
            raise PacketError("an end of an estate that is none") from None
        if not are_numbers(numbers):
            raise PacketError("an estate of which nobody knows what is in it")
        estate = coming.reader.estate(lines, earlier)
        coming.taken = []

        def take() -> None:
            try:
                self._take(ref, coming, whose, numbers, estate)
            finally:
                if not coming.taken_wholly:
                    self._forget(ref)
                coming.over.set()

        self._runtime.run(take)

    def _take(
        self, ref: str, coming: _Coming, whose: str, heard: Mapping[str, int], estate: Estate
    ) -> None:
        """Blocks the calling task."""
        arrived = self._seen.wait(heard, ARRIVED)
        # What came there has come here as well: later it would come twice.
        self._seen.catch_up()
        if not arrived or self._coming.get(ref) is not coming:
            return

        def known(origin: Origin) -> bool:
            return origin[1] <= heard.get(origin[0], 0)

        recovery = self._recovery
        before = recovery.given_up
        base = recovery.inherit(estate, coming.since, known)
        if base is None:
            return
        assert coming.taken is not None
        strangers = 0
        for number, heirloom in enumerate(estate.heirlooms, 1):
            namespace, stay, _ = heirloom
            if not self._is_namespace(namespace):
                strangers += 1
            elif recovery.inherit_client(heirloom, base):
                coming.taken.append((namespace, stay))
            if number % PER_TURN == 0:
                self._runtime.breathe()
                if self._coming.get(ref) is not coming:
                    return
        recovery.inherited()
        coming.taken_wholly = True
        if strangers:
            self._questions.complain(whose, f"{strangers} clients of namespaces that are not here")
        clients, events = recovery.given_up
        clients, events = clients - before[0], events - before[1]
        log.info(
            "worker %s has ended, and left %d clients that may come back, and %d events",
            whose,
            len(coming.taken),
            len(estate.entries),
        )
        if clients or events:
            self._complaints.say(
                log,
                logging.WARNING,
                "recovery-full",
                "",
                "worker %s has left more than the setting recovery has room for here (%d bytes): "
                "the oldest were given up, %d clients and %d events [recovery-full]",
                whose,
                recovery.max_bytes,
                clients,
                events,
                quiet=True,
            )

    def _forget(self, ref: str) -> None:
        """The other one keeps it, or gives it to somebody else: it may have heard too late that it
        was taken."""
        for number, (namespace, stay) in enumerate(self._let_go(ref) or (), 1):
            if not stay.recovered:
                self._recovery.forget(stay, namespace)
            if number % PER_TURN == 0:
                self._runtime.breathe()

    def _let_go(self, ref: str) -> list[tuple[str, Stay]] | None:
        """The other one has nothing more to say."""
        coming = self._coming.pop(ref, None)
        if coming is None:
            return None
        if coming.alarm is not None:
            coming.alarm.cancel()
        self._recovery.expected()
        return coming.taken


class _Poll:
    """Whether it is clear who has what a worker had, while that is asked."""

    def __init__(self, over: Signal) -> None:
        self.over = over
        self.giving = True


class _Coming:
    """An estate that comes."""

    def __init__(self, reader: Reader, since: int, over: Signal) -> None:
        self.reader = reader
        #: The number of the last event before.
        self.since = since
        #: Set when it was taken, or nobody will.
        self.over = over
        #: For the case that the other one says nothing more.
        self.alarm: Cancellable | None = None
        #: Who was taken; None before.
        self.taken: list[tuple[str, Stay]] | None = None
        self.taken_wholly = False


def are_numbers(numbers: Any) -> bool:
    """Whether that says how far processes were heard."""
    return isinstance(numbers, dict) and all(type(number) is int for number in numbers.values())
