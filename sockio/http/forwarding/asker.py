"""The asking side: requests that have come here, and are for the sessions of other workers."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any

from ...backplane.mesh.link import Frame, Link
from ...backplane.mesh.mesh import Mesh
from ...exceptions import RequestRefused
from ...runtime.interfaces import Cancellable, Runtime
from ...sessions.ids import BOOT, WorkerIds
from ...transports.base import WSGIApplication
from ...transports.body import announced, read_body
from ...transports.connection import FAST, can_upgrade
from ...transports.request import Request
from ..endpoint import Endpoint
from ..route import Route
from .frames import (
    ASK,
    BEGUN,
    CANCEL,
    ENDED,
    FATE,
    GIVEN,
    NEXT,
    NOBODY,
    NUMBER,
    PASS,
    PIECE,
    PING,
    PONG,
    head_of_request,
    read_answer,
)
from .owner import HAS_BATCH
from .relay import Relay, RemoteUpgrade

__all__ = ["Asker"]

#: Seconds between two looks whether those are there who owe an answer; and without a sign of life
#: after which they are given up.
LOOK, PATIENCE = 1.0, 3.0
#: Bytes of a body up to which a request goes before those that are larger.
SHORT = 16384


class Asker:
    """Asks the owners of sessions, for the middlewares of one process."""

    def __init__(self, mesh: Mesh, runtime: Runtime, ids: WorkerIds) -> None:
        self.runtime = runtime
        self._mesh = mesh
        self._ids = ids
        self._number = 0
        self._asking: dict[int, Relay] = {}
        # When those were asked for a sign of life who have not given one.
        self._pinged: dict[str, float] = {}
        self._timer: Cancellable | None = None
        for kind, taker in (
            (GIVEN, self._given),
            (BEGUN, self._begun),
            (PIECE, self._piece),
            (ENDED, self._ended),
            (NOBODY, self._nobody),
            (PONG, self._pong),
        ):
            mesh.take(kind, taker)
        mesh.on_leave.append(self._left)

    # ---- what the endpoint asks

    def owner_of(self, endpoint: Endpoint, sessid: str) -> str | None:
        """The boot id of another worker, one that lives, whose session that is; else None."""
        prefix = endpoint.settings.sid_prefix
        start = len(prefix)
        boot = sessid[start : start + BOOT]
        if boot == self._ids.boot:
            return None
        if not sessid.startswith(prefix) or self._ids.owner(sessid[start:]) is None:
            return None
        return boot if self._mesh.link_to(boot) is not None else None

    def relay(self, endpoint: Endpoint, route: Route, request: Request) -> Relay | None:
        """What answers a request of another worker's session; None for what is answered here.

        Raises ``RequestRefused`` for a stranger's body, one that is too large, or does not come;
        and where a websocket is asked for and this server can open none. Reads the body, where it
        is wanted, which may block.
        """
        boot = self.owner_of(endpoint, route.sid)
        if boot is None:
            return None
        if request.method == "POST" and request.body is None:
            endpoint.check_source(route, request)
            if endpoint.takes_body(route, request):
                announced(request, endpoint.settings)
                # What comes in the event loop without it is refused for one of these.
                if FAST not in request.environ:
                    read_body(request, endpoint.settings, self.runtime)
        environ = request.environ
        if "wsgi.websocket" in environ or ("HTTP_UPGRADE" in environ and not can_upgrade(environ)):
            raise RequestRefused(
                "501 Not Implemented",
                "This server cannot open websockets of another worker.",
                code="server-cannot-upgrade",
                detail="serve by sockio serve --workers, or by sockio's gunicorn worker",
            )
        self._number = number = self._number % 0xFFFFFFFF + 1
        return Relay(self, boot, number, request, endpoint, route)

    # ---- what a relay asks

    def ask(self, relay: Relay) -> None:
        """Send its request to the owner."""
        self._asking[relay.number] = relay
        stuck = self._pinged.get(relay.boot)
        if stuck is not None and self.runtime.now() - stuck > PATIENCE:
            self._refuse(relay)
            return
        link = self._mesh.link_to(relay.boot)
        if link is None:
            self._answer_here(relay)
            return
        if self._timer is None:
            self._timer = self.runtime.at(self.runtime.now() + LOOK, self._look)
        if link.roomy:
            self._send(link, relay)
        else:
            # What clients send keeps out no emission, and a megabyte no poll.
            short = len(relay.request.body or b"") <= SHORT
            relay.turn = link.when_roomy(functools.partial(self._send, link, relay), short=short)

    def _send(self, link: Link, relay: Relay) -> None:
        relay.turn = None
        request = relay.request
        data = b"%b%b%b" % (
            NUMBER.pack(relay.number),
            head_of_request(relay.endpoint.place, request.environ),
            request.body or b"",
        )
        if link.deaf:
            self._answer_here(relay)
        elif not link.send(ASK, data, first=True):
            # What is said to all keeps it busy.
            self._refuse(relay)

    def cancel(self, relay: Relay) -> None:
        """Nobody waits for the answer any more. Twice is once."""
        if self._asking.pop(relay.number, None) is not None:
            self._take_back(relay)

    def _take_back(self, relay: Relay) -> None:
        """Nobody waits: what was asked is not to be answered, or is not asked."""
        turn, relay.turn = relay.turn, None
        if turn is not None:
            turn.cancel()
        else:
            self._say(relay, CANCEL)

    def tell_fate(self, relay: Relay, *, written: bool) -> None:
        """Say what became of the packets in an answer."""
        self._say(relay, FATE, b"\1" if written else b"\0")

    def ask_for_next(self, relay: Relay) -> None:
        """Ask for the next piece of an answer."""
        self._say(relay, NEXT)

    def _say(
        self, relay: Relay, kind: int, data: bytes = b"", descriptor: int | None = None
    ) -> bool:
        data = NUMBER.pack(relay.number) + data
        return self._mesh.send(relay.boot, kind, data, descriptor, first=True)

    # ---- what the owner says

    def _given(self, link: Link, frame: Frame) -> None:
        payload = frame.payload
        (number,) = NUMBER.unpack_from(payload)
        relay = self._of(link, frame)
        has_batch = payload[NUMBER.size : NUMBER.size + 1] == HAS_BATCH
        if relay is None:
            if has_batch:
                # Its client hung up while this was under way.
                link.send(FATE, NUMBER.pack(number) + b"\0", first=True)
            return
        answer = read_answer(payload, NUMBER.size + 1)
        del self._asking[number]
        if answer.head.status.startswith("101"):
            relay.give(RemoteUpgrade(answer, self.runtime, self._passing(relay)))
        else:
            relay.give(answer, has_batch=has_batch)

    def _passing(self, relay: Relay) -> Callable[[int, bytes], bool]:
        def pass_on(descriptor: int, early: bytes) -> bool:
            return self._say(relay, PASS, early, descriptor)

        return pass_on

    def _of(self, link: Link, frame: Frame) -> Relay | None:
        (number,) = NUMBER.unpack_from(frame.payload)
        relay = self._asking.get(number)
        return relay if relay is not None and relay.boot == link.peer else None

    def _begun(self, link: Link, frame: Frame) -> None:
        relay = self._of(link, frame)
        if relay is not None:
            answer = read_answer(frame.payload, NUMBER.size)
            relay.begin_pieces(answer.head.status, [*answer.head.headers, *answer.more])

    def _piece(self, link: Link, frame: Frame) -> None:
        relay = self._of(link, frame)
        if relay is not None:
            relay.add_piece(frame.payload[NUMBER.size :])

    def _ended(self, link: Link, frame: Frame) -> None:
        relay = self._of(link, frame)
        if relay is not None:
            del self._asking[relay.number]
            relay.end()

    def _nobody(self, link: Link, frame: Frame) -> None:
        relay = self._of(link, frame)
        if relay is not None:
            self._answer_here(relay)

    # ---- owners that do not answer

    def _left(self, boot: str) -> None:
        self._pinged.pop(boot, None)
        for relay in self._of_owner(boot):
            self._answer_here(relay)

    def _of_owner(self, boot: str) -> list[Relay]:
        return [relay for relay in self._asking.values() if relay.boot == boot]

    def _answer_here(self, relay: Relay) -> None:
        """There is no such session, or it has died with its owner: this worker says so."""
        self._asking.pop(relay.number, None)
        if relay.head is not None:
            relay.end()
            return
        endpoint, route = relay.endpoint, relay.route

        def answer(request: Request) -> WSGIApplication:
            return endpoint.respond(route, request, alone=True, here=True)

        self.runtime.run(self._give, relay, answer)

    def _refuse(self, relay: Relay) -> None:
        """The owner does not answer: its client may try again."""
        # Should it come to read this, nobody waits.
        self._take_back(relay)
        self._asking.pop(relay.number, None)
        if relay.head is not None:
            relay.end()
            return
        endpoint = relay.endpoint
        refused = RequestRefused(
            "503 Service Unavailable",
            "The server is busy: try again.",
            code="worker-stuck",
            detail=f"worker {relay.boot}, whose session it is, has given no sign of life for "
            f"{PATIENCE:g} seconds: its event loop is blocked, or it is stopped",
        )
        self.runtime.run(self._give, relay, lambda request: endpoint.refuse(request, refused))

    def _give(self, relay: Relay, answer: Callable[[Request], WSGIApplication]) -> None:
        request = relay.request
        may_block, request.may_block = request.may_block, True
        environ: dict[str, Any] = request.environ
        if request.body is not None:
            environ["wsgi.input"] = io.BytesIO(request.body)
        relay.give(answer(request))
        request.may_block = may_block

    def _look(self) -> None:
        """See whether those live who owe an answer."""
        self._timer = None
        now = self.runtime.now()
        for boot in {relay.boot for relay in self._asking.values()} | self._pinged.keys():
            pinged = self._pinged.setdefault(boot, now)
            # Again each time: one that could not be sent is answered by nobody.
            self._mesh.send(boot, PING, b"", first=True)
            if now - pinged > PATIENCE:
                for relay in self._of_owner(boot):
                    self._refuse(relay)
        if self._asking or self._pinged:
            self._timer = self.runtime.at(now + LOOK, self._look)

    def _pong(self, link: Link, frame: Frame) -> None:
        self._pinged.pop(link.peer, None)
