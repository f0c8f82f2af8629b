"""The class that applications subclass: one instance per client and namespace.

::

    class ChatNamespace(BaseNamespace):
        def recv_connect(self):                 # the gate: return False to refuse
            self.join("lobby")

        def on_user_message(self, text):        # event "user message"
            self.emit_to_room("lobby", "msg_to_room", self.session["nickname"], text)
            return True                         # the ack's argument

        def recv_disconnect(self):              # exactly once, whatever ended it
            ...

Handlers run one at a time per client (but for those marked with :func:`concurrent`), each in a task
that may block (under gevent), outside of any request. What a handler raises is logged, answered
with an error, and ends nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..config.plain import check_has_run, check_plain, says_yes
from ..exceptions import AckFailed, AckTimeout, Disconnected, UsageError
from ..runtime.interfaces import Job
from ..sessions.acks import Waiting
from ..sessions.jobs import Jobs
from ..sessions.reasons import Reason
from ..sessions.socket import Socket
from .contexts import Outspoken
from .gate import refuses
from .given import Query, auth_of
from .handlers import (
    RESERVED,
    Handler,
    allow,
    check_event,
    handlers_of,
    keep_steps,
    limit,
    on,
    unheard,
)
from .hooks import CALLED, GATED
from .marks import CLOSING, closing_marks
from .runs import check_runs
from .steps import Steps

__all__ = ["BaseNamespace", "allow", "check_hooks", "limit", "on"]


#: The life-cycle hooks, and what each can be given, by parameter name.
_HOOKS = {"recv_connect": ("packet", "auth"), "recv_disconnect": ("packet", "reason")}


def _hook_parameters(cls: type, name: str) -> tuple[Handler, list[str]]:
    """The handler of a life-cycle hook, and what its parameters ask for.

    Raises ``UsageError`` for a hook that could not be called.
    """
    offered = _HOOKS[name]
    handler = handlers_of(cls, BaseNamespace).method(name)
    if handler is None:
        raise UsageError(f"{cls.__name__}.{name} must be a method.")
    if handler.limits:
        raise UsageError(
            f"{cls.__name__}.{name}: @limit is for what clients call; connects count for the "
            "setting rate_limit."
        )
    wanted = [each for each in handler.names if each in offered]
    if handler.least > len(wanted):
        raise UsageError(
            f"{cls.__name__}.{name}({', '.join(('self', *handler.names))}): it may take "
            f"{' and '.join(offered)}, by these names, and nothing else."
        )
    return handler, wanted


def check_hooks(cls: type) -> None:
    """Raise ``UsageError`` for a namespace class one of whose hooks could not be called, which
    would show only when a client comes or, worse, goes; and for one whose hook or handler would not
    run when it is called."""
    table = handlers_of(cls, BaseNamespace)
    if table.checked:
        # Views give their classes at each handshake.
        return
    check_runs(cls, table)
    for name in _HOOKS:
        _hook_parameters(cls, name)
        if name in table.concurrent:
            raise UsageError(
                f"{cls.__name__}.{name}: @concurrent is for what clients call; connects and "
                "disconnects keep their place among the events."
            )
    for name in CALLED:
        if name not in GATED and any(closing_marks(cls, (name,), kind) for kind in CLOSING):
            raise UsageError(
                f"{cls.__name__}.{name}: @allow and @limit are for what clients call, such as "
                "on_message, and @allow for recv_connect; nobody asks them here."
            )
    table.checked = True


class BaseNamespace(Steps):
    """One client in one namespace.

    Attributes: ``socket`` (the client's :class:`~sockio.virtsocket.Socket`), ``session`` (a dict of
    your own, shared by all namespaces of the client), ``request`` (what you passed to
    ``socketio_manage``, or a ``webob.Request`` of the handshake), ``environ`` (the WSGI environ of
    the handshake, without the server's own objects), ``ns_name``, ``allowed_methods`` (the ACL),
    ``jobs``, ``auth`` (what the page gave with the connect), ``query`` (the fields of the page's
    query), ``qs`` (the query of the connect packet as it came), ``id`` (what the client is called
    towards others).
    """

    # The task that tells of a refusal, while it does.
    _refusing: object = None
    # Whether what is started from now on ends at once.
    _over = False
    # Bytes of memory that ``auth`` and ``qs`` take.
    _auth_size = 0

    def __init__(self, environ: dict[str, Any], ns_name: str, request: Any = None) -> None:
        self.environ = environ
        self.socket: Socket = environ["socketio"]
        self.session = self.socket.session
        self.request = request
        self.ns_name = ns_name
        #: Method names the client may reach; None means all of them.
        self.allowed_methods: set[str] | None = None
        #: The query of the connect packet: ``"?a=b"``, or "".
        self.qs = ""
        #: What the page gave with the connect: the ``auth`` of clients since 3.0, of others the
        #: fields of the query (the first value of each). Behind ``recv_connect`` both are empty
        #: where all of this client's together take more than 65 536 bytes of memory.
        self.auth: dict[str, Any] = {}
        #: How the namespace's name fits the pattern that it was found by, with its groups; None for
        #: one that is configured by name (which its type leaves out: a class that is for a pattern
        #: need not ask).
        self.match: re.Match[str] = None  # type: ignore[assignment]
        #: Whether the client has come back after its connection broke (setting ``recovery``): it
        #: has its rooms and its session's data again (in later generations than 0.9 its ``id``,
        #: too), and gets what it had missed.
        self.recovered = False
        self._table = handlers_of(type(self), BaseNamespace).of_now()
        # How many attributes there were when they were looked through for steps.
        self._looked_at = 0
        self._leaving = False
        self._deaf = False
        self._told = False
        # The task that runs recv_connect, while it does.
        self._gatekeeper: object = None
        self.reset_acl()
        # Mixins that come after this class in the bases have their __init__ called too.
        super().__init__()

    def __str__(self) -> str:
        return f"{self.socket} {self.ns_name or '(global)'}"

    @functools.cached_property
    def jobs(self) -> Jobs:
        """Tasks started by :meth:`spawn` that are still running."""
        # Made for the first one: most have none, and it refers to the namespace in turn.
        jobs = Jobs(self, self.socket)
        if self._over:
            jobs.end()
        return jobs

    query = Query()

    def _end_jobs(self) -> None:
        self._over = True
        jobs: Jobs | None = self.__dict__.pop("jobs", None)
        if jobs is not None:
            jobs.end()

    @property
    def id(self) -> str:
        """What the client is called towards others in this namespace: for ``skip``, and to tell
        other clients. It opens nothing, unlike a session's id (which it is in 0.9: do not tell that
        one). New with each connect."""
        return self.socket.name_in(self.ns_name)

    @property
    def connected(self) -> bool:
        """Whether the client is in this namespace: false from the moment its leaving begins, which
        is before ``recv_disconnect`` runs."""
        return not self._leaving and self.socket.connected

    # ---- what subclasses define

    def initialize(self) -> None:
        """Set up the instance; called before ``recv_connect``.

        Every class of the inheritance chain that defines it has its own called exactly once, bases
        first, so do not call ``super().initialize()``.
        """

    if TYPE_CHECKING:
        # Both take what their parameters ask for by name; one signature here would make a type
        # checker refuse the others.
        def recv_connect(self, *args: Any, **kwargs: Any) -> Any: ...
        def recv_disconnect(self, *args: Any, **kwargs: Any) -> Any: ...

    else:

        def recv_connect(self) -> Any:
            """The gate. Return False or raise ``ConnectionRefused`` to refuse the client; whatever
            is false refuses, but None does not. What is no answer refuses, and the log says what it
            was: a coroutine, a generator, a task, a function, an exception that was returned.

            Called once, when the client connects to the namespace (of clients before 3.0 the global
            namespace: when its transport opens). Any other exception refuses too, and is logged.
            What is emitted in here is delivered right after the client was told that it is
            connected; a refused client gets none of it. May take what the page gave with the
            connect, ``def recv_connect(self, auth)``, and the packet, ``def recv_connect(self,
            packet)``.
            """

        def recv_disconnect(self) -> Any:
            """The client is gone, or was thrown out, or left the namespace. Called exactly once.

            Its rooms are still joined, so that the others can be told; nothing reaches the client
            any more. May take the reason: ``def recv_disconnect(self, reason)``, one of
            :class:`~sockio.Reason`. The default calls ``self.disconnect(silent=True)``, for
            applications that keep their clean-up there.
            """
            self.disconnect(silent=True)

    @unheard
    def recv_message(self, data: Any) -> Any:
        """A plain message, from the page's ``send(text)``; of clients since 1.0 bytes as well,
        where the class has no ``on_message``. Returns the ack's arguments. A class that has neither
        refuses it, ``no_such_method``."""

    @unheard
    def recv_json(self, data: Any) -> Any:
        """Any other JSON, from the page's ``send(value)``, where the class has no ``on_message``;
        in 0.9 from ``json.send(value)``. Returns the ack's arguments. A class that has neither
        refuses it, ``no_such_method``."""

    def recv_error(self, packet: Mapping[str, Any]) -> Any:
        """An error packet from the client, whole."""

    # ---- sending

    def emit(
        self,
        event: str,
        *args: Any,
        callback: Callable[..., object] | None = None,
        timeout: float | None = None,
        volatile: bool = False,
    ) -> bool:
        """Send an event to this client; whether it was written or queued. Never blocks.

        ``callback(*args)`` runs in a task of its own when the client acknowledges; it is forgotten
        after ``timeout`` seconds (setting ``ack_timeout``, 60, when None) and when the client goes.
        A ``volatile`` event is dropped when the client cannot take it right now. ``args`` must be
        JSON; anything else raises :class:`~sockio.exceptions.UsageError`, and so does an event of a
        name that is the client's own, such as ``connect``. May be called from any thread; from
        another one the result is always True.
        """
        if event in RESERVED:
            check_event(event)
        packet: dict[str, Any] = {"type": "event", "name": event, "args": args}
        return self._send(packet, callback, timeout, volatile)

    def send(
        self,
        message: Any,
        json: bool = False,
        callback: Callable[[], object] | None = None,
        timeout: float | None = None,
        volatile: bool = False,
    ) -> bool:
        """Send a message: text, or with ``json`` any JSON value. Otherwise like :meth:`emit`.

        The client acknowledges a message by itself, without arguments, when it has arrived.
        """
        packet: dict[str, Any] = {"type": "json" if json else "message", "data": message}
        return self._send(packet, callback, timeout, volatile)

    def call(self, event: str, *args: Any, timeout: float | None = None) -> Any:
        """Send an event, wait for the client's ack, and return its arguments.

        No argument gives None, one gives itself, several a tuple. Blocks the calling task for
        ``timeout`` seconds at most (setting ``ack_timeout`` when None); other clients, and this
        client's acks and heartbeats, go on meanwhile. Raises
        :class:`~sockio.exceptions.AckTimeout`, :class:`~sockio.exceptions.Disconnected`, or
        ``AckFailed`` itself when a limit (``max_outbox``, ``max_acks``) was in the way.
        """
        check_event(event)
        runtime = self._runtime
        if not runtime.here():
            raise UsageError(
                "call() waits in the server's own thread; from another thread use "
                "emit(..., callback=...)."
            )
        if self._gatekeeper is runtime.task():
            raise UsageError(
                "call() inside recv_connect cannot be answered: the client is told that it is "
                "connected only after recv_connect returned. Use self.spawn(...) for it."
            )
        seconds = self.socket.config.ack_timeout if timeout is None else timeout
        done = runtime.signal()
        answer: list[tuple[Any, ...]] = []
        failure: list[str] = []

        def answered(*values: Any) -> None:
            answer.append(values)
            done.set()

        def failed(reason: str) -> None:
            failure.append(reason)
            done.set()

        waiting = Waiting(answered, runtime.now() + seconds, failed=failed, direct=True)
        packet = {"type": "event", "name": event, "args": args}
        if not self._send_expecting(packet, waiting, volatile=False):
            raise self._unanswered(event, "it could not be queued: the outbox is full")
        if not done.wait(seconds) or failure == ["no answer in time"]:
            raise AckTimeout(f"call({event!r}): no ack within {seconds:g} s")
        if failure:
            raise self._unanswered(event, failure[0])
        values = answer[0]
        return values[0] if len(values) == 1 else values or None

    def _unanswered(self, event: str, why: str) -> AckFailed:
        if self._told or not self.socket.connected:
            return Disconnected(f"call({event!r}): the client is gone")
        return AckFailed(f"call({event!r}): {why}")

    def ack(self, packet: Mapping[str, Any], *args: Any) -> bool:
        """Answer ``packet`` by hand, before the handler returns or for one that was kept. Whether
        the answer was written or queued.

        A packet that asked for an ack is also answered by its handler's return value, unless that
        is :data:`~sockio.LATER`; clients heed the first ack only.
        """
        if "id" not in packet:
            raise UsageError("ack(): this packet has no id, its sender waits for no ack.")
        ack = {"type": "ack", "ackId": packet["id"], "args": args, "endpoint": self.ns_name}
        return not self._told and self.socket.send_packet(ack)

    def error(
        self, error_name: str, error_message: str, msg_id: int | None = None, quiet: bool = False
    ) -> None:
        """Report an error to the client, through the configured error handler.

        By default the client gets an event ``error`` with the name and the message; with ``msg_id``
        (``packet["id"]``) the error ack ``{"error": name, "message": message}`` instead. It is
        logged, and with ``quiet`` nothing else.

        Override it to see what is refused as well: ``method_access_denied``, ``no_such_method``
        and the other codes of sockio come here on their way to the client, who hears of them only
        if the override calls ``super().error(...)``.
        """
        if self._refusing is not None and self._refusing is self._runtime.task():
            # The log knows of it already.
            self.socket.tell_error(error_name, error_message, self.ns_name, msg_id, quiet)
        else:
            self.socket.error(error_name, error_message, self.ns_name, msg_id, quiet)

    def _refused(self, code: str, message: str, msg_id: int | None) -> None:
        """Let an overridden :meth:`error` tell the client of a refusal."""
        self._refusing = self._runtime.task()
        try:
            self.error(code, message, msg_id)
        finally:
            self._refusing = None

    def _send(
        self,
        packet: dict[str, Any],
        callback: Callable[..., object] | None,
        timeout: float | None,
        volatile: bool,
    ) -> bool:
        if not self._runtime.here():
            # As in Emitter: mistakes show here, and what is sent is what it was now.
            copied, size = self.socket.codec.copy(packet)
            send = (dict(copied), callback, timeout, volatile)
            if self._told or not self.socket.connected:
                return False  # There is nobody to wait for.
            self._runtime.from_thread(self._send, *send, size=size)
            return True
        if callback is not None:
            seconds = self.socket.config.ack_timeout if timeout is None else timeout
            waiting = Waiting(callback, self._runtime.now() + seconds)
            return self._send_expecting(packet, waiting, volatile)
        packet["endpoint"] = self.ns_name
        return not self._told and self.socket.send_packet(packet, volatile=volatile)

    def _send_expecting(self, packet: dict[str, Any], waiting: Waiting, volatile: bool) -> bool:
        if self._told or not self.socket.connected:
            return False
        # "data" asks the client's code for the ack of an event; messages are acknowledged by the
        # client itself for a plain id (fact sheet, section 4).
        packet["ack"] = "data" if packet["type"] == "event" else True
        packet["endpoint"] = self.ns_name
        packet["id"] = self.socket.expect_ack(self.ns_name, waiting)
        return self.socket.send_packet(packet, volatile=volatile)

    # ---- life

    @property
    def session_before(self) -> Mapping[str, Any]:
        """What was in ``self.session`` when the client lost its connection, for one that has come
        back (:attr:`recovered`); empty for others. ``self.session`` may have newer values."""
        return self.socket.data_before(self.ns_name)

    def begin_anew(self) -> None:
        """In ``recv_connect``: let a client that has come back (:attr:`recovered`) be a new one,
        with another ``id``, in no room, without the earlier session's data and what it has missed.
        For one that is somebody else by now; nothing happens otherwise. Never blocks."""
        if self.recovered and self.socket.begin_anew(self.ns_name):
            self.recovered = False

    def disconnect(self, silent: bool = False) -> None:
        """Disconnect the client from this namespace; on the global namespace, altogether.

        The client is told unless ``silent``. ``recv_disconnect`` is called if it was not already;
        what the client had sent and was not handled yet is dropped. A handler that calls this still
        has its return value sent, and then the client is told; if it goes on for more than half a
        second, the client is told without. What it emits behind the call is dropped.
        """
        if not self._runtime.here():
            self._runtime.from_thread(self.disconnect, silent)
            return
        if self._leaving or self._told:
            return
        if self.socket.ends_with(self.ns_name):
            self.socket.disconnect(silent)
            return
        self.socket.dispatcher.leave(self, Reason.NAMESPACE_SERVER, say=not silent)

    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Job:
        """Start ``fn`` in a task that ends with this namespace at the latest, and return the task.

        It may block. An exception is logged (or goes to ``exception_handler_decorator``). It runs
        inside of the setting ``job_context``, if there is one: the helpers for frameworks set it.
        Raises ``UsageError`` for a coroutine function or a generator function.
        """
        check_plain(fn, "what spawn() is given")
        job = self._decorated(fn)
        context = self.socket.config.job_context
        return self.jobs.spawn(
            job if context is None else _inside(context, self, job), *args, **kwargs
        )

    def kill_local_jobs(self) -> None:
        """End every task started by :meth:`spawn`. Done by itself when the namespace ends."""
        self.jobs.kill()

    # ---- for the dispatcher

    def _open(self, packet: Mapping[str, Any]) -> bool:
        """Initialize the instance and ask its gate; whether the client is let in."""
        self.qs = packet.get("qs", "")
        self.auth = auth_of(packet)
        self._gatekeeper = self._runtime.task()
        try:
            return self._ask_gate(packet)
        finally:
            self._gatekeeper = None

    def _ask_gate(self, packet: Mapping[str, Any]) -> bool:
        for initialize in self._table.initializers:
            check_has_run(initialize(self), "initialize()")
        # They may have replaced methods of this object, and recv_connect may.
        self._look_for_steps()
        gate = self._table.method("recv_connect")
        for condition in () if gate is None else gate.conditions:
            if not says_yes(condition(self), "a condition of @allow on recv_connect"):
                return False
        let_in = False

        def recv_connect() -> Any:
            nonlocal let_in
            answer = self._call_hook("recv_connect", packet=packet, auth=self.auth)
            let_in = not refuses(answer, "recv_connect")
            return answer

        # The hook's own answer counts, whatever the application's decorator makes of it: one that
        # swallows an exception, or forgets to return, must not open what was to stay closed.
        answer = self._decorated(recv_connect)()
        self._look_for_steps()
        return not refuses(answer, "recv_connect") and let_in

    def _look_for_steps(self) -> None:
        """Go by the steps that this object has for itself, if it has some, and by those of the
        class that it is of by now."""
        table = self._table
        if not table.is_of(type(self)):
            table = handlers_of(type(self), BaseNamespace).of_now()
        self._table = table.for_object(self)
        self._looked_at = len(self.__dict__)

    def _close(self, reason: str) -> None:
        packet = {"type": "disconnect", "endpoint": self.ns_name}

        def recv_disconnect() -> Any:
            return self._call_hook("recv_disconnect", packet=packet, reason=reason)

        check_has_run(self._decorated(recv_disconnect)(), "recv_disconnect")

    def _call_hook(self, name: str, **offered: Any) -> Any:
        """Call a life-cycle hook with those of ``offered`` that its parameters ask for."""
        cls, hooks = type(self), self._table.hooks
        known = hooks.get(name)
        if known is None or known[0].found is not getattr(cls, name, None):
            known = hooks[name] = _hook_parameters(cls, name)
        handler, wanted = known
        if wanted == list(handler.names[: len(wanted)]):
            # By position: a decorator may hand on nothing else.
            return getattr(self, name)(*[offered[each] for each in wanted])
        return getattr(self, name)(**{each: offered[each] for each in wanted})

    def _discard(self) -> None:
        """The client was not let in: what the instance started ends."""
        self._leaving = self._told = True
        self._end_jobs()


keep_steps(BaseNamespace)


def _inside(
    context: Callable[..., Any], namespace: BaseNamespace, job: Callable[..., Any]
) -> Callable[..., Any]:
    @functools.wraps(job, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        with Outspoken(context(namespace)):
            return job(*args, **kwargs)

    return run
