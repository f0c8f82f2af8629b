"""One process as a worker among several: it joins the mesh, and its middlewares with it.

A worker joins when its server begins, or with the first request that one of its middlewares gets:
never before it was forked.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import logging
import os
import secrets
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any

from ..backplane import Emission, Order
from ..backplane.commands import Command, CommandError, ServerEvent, order_of
from ..backplane.handover import Handover
from ..backplane.idle import RELAY_TAKEN, Idle, idle_settings
from ..backplane.joined import COUNT, EMISSION, ORDER, JoinedBackplane
from ..backplane.local import LocalBackplane
from ..backplane.mesh.directory import Directory
from ..backplane.mesh.link import Frame, Link
from ..backplane.mesh.mesh import Mesh
from ..backplane.mesh.way import MeshWay, questions_by
from ..backplane.questions import Question, codec_for_values
from ..backplane.returns import Returns
from ..exceptions import PacketError, UsageError
from ..namespaces.emitter import Emitter
from ..runtime.interfaces import Runtime
from ..sessions.ids import BOOT, HostIds, WorkerIds
from ..sessions.recovery import Recovery
from ..sessions.registry import SessionRegistry
from ..sessions.returning_socket import TOKEN
from ..sessions.socket import Socket
from .endpoint import Endpoint
from .forwarding.asker import Asker
from .forwarding.owner import Owner
from .route import Route, route_at
from .told import tell

if TYPE_CHECKING:
    from ..backplane.redis.sharing import Relay
    from ..backplane.relay.relays import Relays

log = logging.getLogger("sockio.redis")

__all__ = ["Handlers", "Worker", "connections_passed", "join", "worker_of"]

#: An order: a client of 0.9 is by a token that it may have said elsewhere, too, at this host
#: (setting ``recovery``).
TAKEN_OVER = "taken-over"
#: The code of a line that a setting was given in vain.
IDLE = "setting-without-effect"

#: Functions by the name of an event between workers.
Handlers = Mapping[str, Callable[..., Any]]


class Worker:
    """This process in the mesh of one directory, for all of its middlewares."""

    def __init__(self, path: str, runtime: Runtime) -> None:
        directory = Directory(path)
        self.mesh = Mesh(directory, runtime)
        self.ids = WorkerIds(self.mesh.boot, directory.key)
        self.asker = Asker(self.mesh, runtime, self.ids)
        self.owner = Owner(self.mesh, runtime, self._endpoint_of)
        self.questions = questions_by(self.mesh, runtime)
        # By the name that the others ask for: several where one application has several servers.
        self._endpoints: dict[str, list[Endpoint]] = {}
        self._backplanes: dict[str, JoinedBackplane] = {}
        self._relays: Relays | None = None
        self.mesh.take(EMISSION, self._take)
        self.mesh.take(ORDER, self._take)
        self.mesh.take(COUNT, self._take_count)
        self.mesh.on_join.append(self._count)
        self.mesh.on_leave.append(self._look_again)

    @property
    def host(self) -> str:
        """Eight characters that all workers of this host have in common, and no other host's."""
        return hashlib.blake2s(b"host", key=self.mesh.directory.key, digest_size=4).hexdigest()

    def add(self, backplane: JoinedBackplane, endpoint: Endpoint, handlers: Handlers) -> None:
        """Let a middleware of this process take part, by its backplane; ``handlers`` are for what
        the applications say to each other."""
        registry, group = endpoint.registry, backplane.group
        returns = None
        if registry.recovery is not None:
            handover = self._handover(registry.recovery, backplane, endpoint)
            returns = Returns(
                registry.recovery,
                self.questions,
                group,
                self.ids,
                backplane.seen,
                registry.complaints,
                handover,
                registry.runtime,
            )
            backplane.seen.may_come = self._may_come
        stands_in = endpoint.inside.stands_in
        if not (stands_in and group in self._backplanes):
            # Whoever stands in takes nobody's place: what others say is for the application's own.
            self.questions.add(group, registry.copier, _answerer(registry, handlers, returns))
            self._backplanes[group] = backplane
        backplane.ways.append(MeshWay(self.mesh, self.questions, registry.complaints))
        for boot in list(self.mesh.links):
            self.mesh.send(boot, COUNT, backplane.count(asks=True))
        registry.ids = self.ids
        endpoint.others = self.asker
        # What a server stands in for has the same group, and other sessions.
        endpoint.place = f"{group}*" if stands_in else group
        self._endpoints.setdefault(endpoint.place, []).append(endpoint)

    def _handover(
        self, recovery: Recovery, backplane: JoinedBackplane, endpoint: Endpoint
    ) -> Handover:
        registry, namespaces = endpoint.registry, endpoint.namespaces
        shortest, longest = TOKEN

        def is_pid(counts: bool, pid: str) -> bool:
            return bool(self.ids.owner(pid)) if counts else shortest <= len(pid) <= longest

        def is_namespace(name: str) -> bool:
            return not name or namespaces is None or namespaces.get(name) is not None

        return Handover(
            recovery,
            self.questions,
            backplane.group,
            self.mesh.boot,
            backplane.seen,
            registry.complaints,
            registry.runtime,
            codec=codec_for_values(registry.copier),
            begin_to_leave=registry.refuse_others,
            leave=registry.lose_all,
            is_pid=is_pid,
            is_namespace=is_namespace,
            publish=backplane.publish,
        )

    def relay(self, group: str, url: str, runtime: Runtime) -> Relay | None:
        """What has a middleware hear a Redis server together with the other workers; None where
        another one of this process does that by the same name already."""
        # Whoever has none does not wait until redis-py is imported.
        from ..backplane.relay.hearing import Hearing
        from ..backplane.relay.relays import Relays, key_of

        if self._relays is None:
            self._relays = Relays(self.mesh)
        key = key_of(group, url)
        if key in self._relays:
            return None
        return functools.partial(Hearing, self._relays, key, runtime)

    def _take(self, link: Link, frame: Frame) -> None:
        for backplane in self._backplanes.values():
            if backplane.take(frame.kind, frame.payload):
                return

    # ---- how far others are heard, from when on they are

    @property
    def origin(self) -> str:
        """What the names begin with by which others know what this process says."""
        return self.host + self.mesh.boot

    def _count(self, boot: str) -> None:
        for backplane in self._backplanes.values():
            self.mesh.send(boot, COUNT, backplane.count(asks=False))

    def _take_count(self, link: Link, frame: Frame) -> None:
        for backplane in self._backplanes.values():
            asks = backplane.take_count(frame.payload)
            if asks is not None:
                if asks:
                    self.mesh.send(link.peer, COUNT, backplane.count(asks=False))
                return

    def _look_again(self, boot: str) -> None:
        for backplane in self._backplanes.values():
            backplane.seen.look_again()

    def _may_come(self, name: str) -> bool:
        """Whether anything of a process may come still. All that a worker of this host has said has
        come when it is gone."""
        host, boot = name[: len(self.host)], name[len(self.host) :][:BOOT]
        return host != self.host or self.mesh.is_there(boot)

    def _endpoint_of(self, place: str, path: str, query: str) -> tuple[Endpoint, Route] | None:
        """Whose session a request is for that has come to the middleware ``place`` of another
        worker; where there is none (any more), one that says so. None where there is no such
        middleware here: a session of another one is none of its."""
        found = None
        for endpoint in self._endpoints.get(place, ()):
            mount = f"/{endpoint.settings.resource}"
            route = route_at(mount, path, query) if path.startswith(mount) else None
            if route is not None:
                found = found or (endpoint, route)
                if endpoint.registry.get_socket(route.sid):
                    return endpoint, route
        return found


def _teller(backplane: JoinedBackplane, host: str) -> Callable[[str, str], None]:
    def tell(token: str, claim: str) -> None:
        backplane.tell(Order(TAKEN_OVER, "", None, frozenset(), (token, host, claim)))

    return tell


def _executor(registry: SessionRegistry, host: str) -> Callable[[Order], None]:
    def execute(order: Order) -> None:
        if order.what == TAKEN_OVER:
            if registry.recovery is not None:
                # Those of this host will ask for what is kept.
                token, *by = map(str, order.args)
                claim = by[1] if len(by) > 1 else ""
                registry.recovery.lose(token, claim, wholly=by[:1] != [host])
            return
        emitter = Emitter(registry, order.namespace, order.rooms, order.skip)
        emitter.carry_out(order.what, order.args)

    return execute


def _answerer(
    registry: SessionRegistry, handlers: Handlers, returns: Returns | None = None
) -> Callable[[Question], list[Any]]:
    def answer(question: Question) -> list[Any]:
        if question.what in ("stay", "estate"):
            return [] if returns is None else returns.answer(question)
        what, namespace, rooms, skip, seconds, values = question
        emitter = Emitter(registry, namespace, rooms, skip)
        if what == "call":
            event, args = values
            replies = emitter.call_here(event, args, seconds)
            # As many as there were: None and one None are one to the caller.
            said = [(name, _listed(value)) for name, value in replies.answers.items()]
            return [said, replies.missing]
        if what == "sockets":
            return list(emitter.sockets_here())
        if what == "server-side":
            event, args = values
            handler = handlers.get(event)
            if handler is None:
                raise UsageError(
                    f"another worker emits {event!r:.60}, for which nothing is registered here: "
                    "all workers run the same application, with on_server_side() in it."
                )
            return [handler(*args)]
        raise PacketError(f"a question of another kind: {what!r:.40}")

    return answer


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


#: By the process and the directory: a process that was forked is another worker.
_workers: dict[tuple[int, str], Worker] = {}


def connections_passed() -> int:
    """How many connections of clients are open here that other workers have accepted."""
    return sum(worker.owner.passed for (pid, _), worker in _workers.items() if pid == os.getpid())


def worker_of(path: str, runtime: Runtime) -> Worker:
    """This process's place in the mesh of a directory. Raises ``SettingsError`` for a directory
    that cannot be used."""
    key = os.getpid(), os.path.abspath(path)
    worker = _workers.get(key)
    if worker is None or worker.mesh.closed:
        worker = _workers[key] = Worker(path, runtime)
        # What it leaves behind otherwise is removed by who comes next.
        atexit.register(worker.mesh.close)
    return worker


def join(
    path: str, group: str, endpoint: Endpoint, local: LocalBackplane, handlers: Handlers
) -> None:
    """Join a middleware with the other processes: those of the mesh in the directory ``path``, and
    those of the setting ``backplane``. Without both nothing happens. ``group`` is what it is called
    in each of them.

    Raises ``SettingsError`` for a directory that cannot be used, and ``UsageError`` for a URL that
    cannot, or where the packages for it are missing.
    """
    registry = endpoint.registry
    settings, runtime = registry.settings, registry.runtime
    worker = worker_of(path, runtime) if path else None
    host = secrets.token_hex(4) if worker is None else worker.host
    origin = host if worker is None else worker.origin
    backplane = JoinedBackplane(local, registry, group, _executor(registry, host), origin)
    if worker is not None:
        worker.add(backplane, endpoint, handlers)
    idle = list(idle_settings(settings, meshed=worker is not None))
    if settings.backplane:
        # Whoever has no backplane does not wait until redis-py is imported.
        from ..backplane.redis.way import RedisWay

        relay = None
        if settings.backplane_relay and worker is not None and not idle:
            relay = worker.relay(group, settings.backplane, runtime)
            if relay is None:
                idle.append(RELAY_TAKEN)

        way = RedisWay(
            settings.backplane,
            runtime,
            registry.complaints,
            group,
            host,
            codec_for_values(registry.copier),
            take=backplane.take,
            obey=_obeyer(registry, backplane, handlers),
            on_gap=settings.on_gap,
            inputs=settings.backplane_inputs,
            lingers=settings.recovery[0] if settings.recovery is not None else 0,
            by_room=settings.backplane_rooms,
            relay=relay,
        )
        way.questions.add(group, registry.copier, _answerer(registry, handlers))
        if registry.recovery is not None:
            backplane.seen.begin(way)
            way.on_stands = backplane.seen.hears
        backplane.ways.append(way)
        atexit.register(way.close)
        registry.rooms.watch = way.watch
        if way.rooms is not None:
            _watch_rooms(registry, way.rooms.watch)
            registry.rooms.expect = way.rooms.expect
        way.start(registry.known)
    for setting in idle:
        _say_idle(registry, setting)
    if backplane.ways:
        registry.backplane = backplane
        if registry.recovery is not None:
            registry.recovery.on_take_over = _teller(backplane, host)


def _say_idle(registry: SessionRegistry, setting: Idle) -> None:
    registry.complaints.say(
        log,
        logging.INFO if setting.harmless else logging.WARNING,
        (IDLE, setting.name),
        "",
        "the setting %s of /%s/ has no effect: %s. What to do: %s [%s]",
        setting.name,
        registry.settings.resource,
        setting.why,
        setting.mend,
        IDLE,
        quiet=True,
    )


def _watch_rooms(registry: SessionRegistry, watch: Callable[[str, Hashable, bool], object]) -> None:
    """Have ``watch`` told of all rooms that clients are in, their own names among them."""
    if not isinstance(registry.ids, WorkerIds):
        registry.ids = HostIds()
    # Heard whoever is there: who comes next is called alike.
    watch("", registry.ids.name(), True)
    rooms = registry.rooms

    def watch_member(socket: Socket, namespace: str, begins: bool) -> None:
        # Other names are registered one by one.
        if socket.name_in(namespace) == socket.sessid:
            watch(namespace, socket.sessid, begins)

    rooms.watch_room = registry.watch_name = watch
    rooms.watch_member = watch_member


def _obeyer(
    registry: SessionRegistry, backplane: JoinedBackplane, handlers: Handlers
) -> Callable[[Command], None]:
    """What carries out here what is for all processes and comes by a broker: commands of other
    programs, and what the application says to itself on other hosts."""

    def obey(command: Command) -> None:
        if isinstance(command, Emission):
            backplane.local.publish(command)
        elif isinstance(command, ServerEvent):
            name, *args = command.args
            handler = handlers.get(name)
            if handler is None:
                raise CommandError(f"no on_server_side() is there for the event {name!r:.60}")
            tell(
                registry.runtime, f"the function of on_server_side for {name!r:.60}", handler, *args
            )
        else:
            backplane.execute(order_of(command))

    return obey
