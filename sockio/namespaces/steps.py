"""From a packet to its handler: the steps in between, each of which a class may have of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any

from ..config.plain import check_has_run, says_yes
from ..config.rates import Rate
from ..exceptions import EventRefused, RateLimited, UsageError
from ..runtime.interfaces import Runtime
from .handlers import HandlerTable, method_for_message
from .membership import Member

__all__ = ["Steps"]


class Steps(Member):
    """One client whose packets are handled by methods of the class, if it may reach them."""

    #: Method names the client may reach; None means all of them.
    allowed_methods: set[str] | None
    match: re.Match[str]
    _table: HandlerTable
    # How many attributes there were when they were looked through for steps.
    _looked_at: int

    if TYPE_CHECKING:

        def _look_for_steps(self) -> None: ...

    @property
    def _runtime(self) -> Runtime:
        return self.socket.runtime

    # ---- what subclasses define

    def get_initial_acl(self) -> Iterable[str] | None:
        """Names of the methods that the client may reach at first; None (the default) for all.

        For example ``["on_login", "recv_message"]``. The life-cycle hooks ``recv_connect`` and
        ``recv_disconnect`` are never restricted.
        """
        return None

    def around_event(self, name: str, args: list[Any], go_on: Callable[..., Any]) -> Any:
        """Override to do something around each event, whatever handles it, or nothing does.

        ::

            def around_event(self, name, args, go_on):
                if name != "login" and "user" not in self.session:
                    raise EventRefused("login_first", "Log in first.")
                return go_on(*args)

        ``go_on(*args)`` checks the ACL and the limits and calls the handler, with these arguments,
        which may be others than those that came; what it returns is the ack. Messages come as the
        event ``"message"`` with one argument, in every generation. Runs where the handler does:
        in order, inside of the setting ``context``, and it may block. Not called for connects, for
        acks, and for what ``rate_limit`` refuses. Bases are asked by
        ``super().around_event(name, args, go_on)``.
        """
        return go_on(*args)

    def exception_handler_decorator(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Override to wrap every handler and every spawned function in your own error handling."""
        return fn

    # ---- access control

    def is_method_allowed(self, method_name: str) -> bool:
        """Whether the client may reach that method."""
        return self.allowed_methods is None or method_name in self.allowed_methods

    def add_acl_method(self, method_name: str) -> None:
        """Let the client reach one more method, for example ``"on_kick"``.

        Raises ``UsageError`` while there are no restrictions: adding a name would lock all others.
        """
        if self.allowed_methods is None:
            raise UsageError(
                f"add_acl_method({method_name!r}): this namespace has no restrictions, every "
                "method is allowed already. To restrict it, return a list from get_initial_acl()."
            )
        self.allowed_methods.add(method_name)

    def del_acl_method(self, method_name: str) -> None:
        """Keep the client from one method; nothing happens if it was not allowed.

        Raises ``UsageError`` while there are no restrictions.
        """
        if self.allowed_methods is None:
            raise UsageError(
                f"del_acl_method({method_name!r}): this namespace has no restrictions. Return the "
                "list of allowed methods from get_initial_acl() first."
            )
        self.allowed_methods.discard(method_name)

    def lift_acl_restrictions(self) -> None:
        """Let the client reach every ``on_*`` and ``recv_*`` method."""
        self.allowed_methods = None

    def reset_acl(self) -> None:
        """Set the ACL back to what :meth:`get_initial_acl` returns."""
        allowed = self.get_initial_acl()
        check_has_run(allowed, "get_initial_acl()", generators=False)
        if isinstance(allowed, str):
            raise UsageError(
                f"get_initial_acl() returned the string {allowed!r}; return a list of names: "
                f"[{allowed!r}]."
            )
        self.allowed_methods = None if allowed is None else set(allowed)

    # ---- dispatch, overridable

    def process_packet(self, packet: Mapping[str, Any]) -> Any:
        """Handle one packet of this client; the return value becomes the ack's arguments.

        Gets events, messages, JSON messages and errors, as mappings (``type name args data
        endpoint id ack ...``). Override it to see them all. Not what concerns the connection:
        connects and disconnects go to ``recv_connect`` and ``recv_disconnect``, acks to the
        callbacks that wait for them, and heartbeats to nobody.
        """
        if len(self.__dict__) != self._looked_at:
            # Some may have come with an event before.
            self._look_for_steps()
        kind = packet["type"]
        if kind == "event":
            table, args = self._table, packet["args"]
            handler = table.plain_event(packet["name"], len(args)) if table.plain else None
            allowed = self.allowed_methods
            # Nobody overrides what the steps below do, and none of them would object.
            if handler is not None and (allowed is None or handler.name in allowed):
                method = getattr(self, handler.name, None)
                # Else the class has another one by now, or this object has one of its own.
                if type(method) is MethodType and method.__func__ is handler.found:
                    return method(*args)
            return self.process_event(packet)
        if kind == "message":
            if self._table.surrounded:
                return self._surrounded(packet, "message", [packet["data"]])
            return self.call_method_with_acl("recv_message", packet, packet["data"])
        if kind == "json":
            if self._table.surrounded:
                return self._surrounded(packet, "message", [packet["data"]])
            return self.call_method_with_acl("recv_json", packet, packet["data"])
        if kind == "error":
            return self.call_method_with_acl("recv_error", packet, packet)
        return None

    def process_event(self, packet: Mapping[str, Any]) -> Any:
        """Find the handler of an event and call it with the event's arguments.

        ``"user message"`` is handled by ``on_user_message``; other names by methods marked with
        ``@on(name)``, and what is left by ``@on("*")``. An event ``message``, which is how clients
        since 1.0 send messages, goes to ``recv_message`` (text and bytes) or ``recv_json`` where
        there is no ``on_message``.
        """
        name = packet["name"]
        args = packet["args"]
        if self._table.surrounded:
            return self._surrounded(packet, name, args)
        return self._process_event(packet, name, args)

    def _surrounded(self, packet: Mapping[str, Any], name: str, came: list[Any]) -> Any:
        """Handle an event or a message inside of :meth:`around_event`."""

        def go_on(*args: Any) -> Any:
            given = list(args)
            if packet["type"] == "event":
                now = packet if given == came else {**packet, "args": given}
                return self._process_event(now, name, given)
            if len(given) != 1:
                raise _not_one_message(self, given)
            return self.call_method_with_acl(
                f"recv_{packet['type']}", {**packet, "data": given[0]}, *given
            )

        return self.around_event(name, came, go_on)

    def _process_event(self, packet: Mapping[str, Any], name: str, args: list[Any]) -> Any:
        table = self._table
        method_name, catch_all = table.event(name)
        if name == "message" and table.hears_it_as_message(catch_all):
            return self._process_message(packet, args)
        if method_name is None:
            raise EventRefused(
                "unallowed_event_name",
                "The event's name may have letters, digits, spaces and underscores only.",
                detail=f"mark a handler with @on({name[:60]!r}) to allow it",
            )
        if catch_all:
            return self.call_method_with_acl(method_name, packet, name, *args)
        return self.call_method_with_acl(method_name, packet, *args)

    def _process_message(self, packet: Mapping[str, Any], args: list[Any]) -> Any:
        """What clients since 1.0 call a message is an event of that name."""
        if len(args) != 1:
            raise _not_one_message(self, args)
        return self.call_method_with_acl(method_for_message(args), packet, args[0])

    def call_method_with_acl(self, method_name: str, packet: Mapping[str, Any], *args: Any) -> Any:
        """Call a handler if the client may reach it; raises ``EventRefused`` if not."""
        allowed = self.is_method_allowed(method_name)
        if allowed is not True and not says_yes(allowed, f"is_method_allowed({method_name!r})"):
            raise EventRefused(
                "method_access_denied",
                "You may not do that.",
                detail=f"{method_name} is not in allowed_methods",
            )
        return self.call_method(method_name, packet, *args)

    def call_method(self, method_name: str, packet: Mapping[str, Any], *args: Any) -> Any:
        """Call a handler, whatever the ACL says.

        A handler whose lone parameter is named ``packet`` gets the whole packet. Raises
        ``EventRefused`` when there is no such handler, and when the number of arguments is wrong.
        """
        handler = self._table.method(method_name)
        if handler is None or (handler.unheard and method_name not in self.__dict__):
            raise EventRefused(
                "no_such_method",
                "Nothing handles this.",
                detail=f"define {type(self).__name__}.{method_name}",
            )
        if not handler.simple:
            self._keep_to(handler.name, handler.limits, handler.conditions)
        method = getattr(self, method_name)
        if handler.wants_packet:
            args = (packet,)
        elif not handler.accepts(len(args)):
            raise EventRefused(
                "invalid_arguments",
                f"This takes {handler.wanted()} arguments, not {len(args)}.",
                detail=f"{type(self).__name__}.{method_name}: let it have a parameter for each "
                "argument that the page sends, or *args",
            )
        return self._decorated(method)(*args)

    def _keep_to(
        self,
        name: str,
        limits: tuple[Rate, ...],
        conditions: Sequence[Callable[[Any], Any]],
        key: Hashable = None,
    ) -> None:
        """Ask the marks of the handler ``name``, and raise ``EventRefused`` when the client comes
        sooner than it may, or may not come at all. ``key`` tells it from others of that name."""
        if limits:
            # Of a pattern once, as a client may make up any number of names that fit it.
            by_name = self.match is None
            where = self.ns_name if by_name else self.match.re.pattern
            counted = (where, name if key is None else key)
            exceeded = self.socket.over_rate(counted, limits, self._runtime.now())
            if exceeded is not None:
                raise RateLimited(str(exceeded), exceeded.policy, detail=f"@limit on {name}")
        for condition in conditions:
            answer = condition(self)
            if answer is not True and not says_yes(answer, f"a condition of @allow on {name}"):
                raise EventRefused(
                    "method_access_denied",
                    "You may not do that.",
                    detail=f"a condition of @allow on {name} said no",
                )

    def _decorated(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return self.exception_handler_decorator(fn) if self._table.wraps else fn


def _not_one_message(namespace: Steps, args: Sequence[Any]) -> EventRefused:
    return EventRefused(
        "invalid_arguments",
        f"A message is one value, not {len(args)}.",
        detail=f"define {type(namespace).__name__}.on_message to take them",
    )
