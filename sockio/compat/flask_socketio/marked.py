"""sockio's own marks on handlers of Flask-SocketIO, and what nothing handles."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from ...config.plain import says_yes
from ...config.rates import Rate
from ...exceptions import EventRefused, UsageError
from ...namespaces.handlers import handlers_of
from ...namespaces.marks import CONCURRENT, CONDITIONS, EVENTS, LIMITS, marks_on, noted

__all__ = ["Marks", "check_marks", "nobody"]

Conditions = Sequence[Callable[[Any], Any]]


def nobody(event: str, missing: str) -> None:
    """Refuse an event that nothing handles; ``missing`` would. Nobody has to hear who comes and
    goes."""
    if event not in ("connect", "disconnect"):
        raise EventRefused("no_such_method", "Nothing handles this.", detail=f"define {missing}")


def check_marks(handler: Any, event: str | None, what: str) -> None:
    """Raise ``UsageError`` for a mark that would mean nothing on the handler of an event, or, where
    that is None, on a function that is called otherwise."""
    if marks_on(handler, EVENTS):
        raise UsageError(
            f"{what}: @sockio.on is for namespaces of sockio's own; here it is "
            '@socketio.on("event"), or a method on_EVENT.'
        )
    if marks_on(handler, CONCURRENT):
        raise UsageError(
            f"{what}: @concurrent is for namespaces of sockio's own; here the handlers of a client "
            "run side by side anyway, unless async_handlers is False. Leave it out."
        )
    _check(
        what, event, marks_on(handler, CONDITIONS) if event != "connect" else [],
        tuple(marks_on(handler, LIMITS)),
    )  # fmt: skip


def _check(what: str, event: str | None, conditions: Conditions, limits: tuple[Rate, ...]) -> None:
    if event not in (None, "connect", "disconnect"):
        return
    if limits:
        raise UsageError(
            f"{what}: @limit is for what clients call; connects count for the setting rate_limit."
        )
    if conditions and event != "connect":
        raise UsageError(f"{what}: @allow is for what clients call, and for connect.")


class Marks:
    """The conditions of ``@allow`` and the rates of ``@limit`` on handlers, as long as they are
    these."""

    def __init__(self) -> None:
        # By namespace and event: the handler, how many marks there were, and what was found.
        self._known: dict[Any, tuple[Any, int, Conditions, tuple[Rate, ...]]] = {}

    def admit(self, client: Any, handler: Any, event: str, owner: Any) -> bool:
        """Whether the handler may be called. Raises ``EventRefused`` where an event may not go to
        it; of connect what it returns is the answer."""
        key, conditions, limits = self._of(handler, event, owner)
        if not conditions and not limits:
            return True
        name = str(getattr(handler, "__qualname__", "") or f"for {event[:60]!r}")
        _check(f"the handler {name}", event, conditions, limits)
        if event == "connect":
            who = "a condition of @allow on connect"
            return all(says_yes(condition(client), who) for condition in conditions)
        client._keep_to(name, limits, conditions, key)
        return True

    def _of(
        self, handler: Any, event: str, owner: Any
    ) -> tuple[Hashable, Conditions, tuple[Rate, ...]]:
        if owner is not None:
            method = handlers_of(type(owner), object).method(f"on_{event}")
            if method is not None:
                return method.name, method.conditions, method.limits
        key = id(handler)
        known = self._known.get(key)
        if known is None or known[0] is not handler or known[1] != noted():
            if len(self._known) >= KEPT:
                self._known.clear()
            conditions, limits = marks_on(handler, CONDITIONS), tuple(marks_on(handler, LIMITS))
            known = self._known[key] = (handler, noted(), conditions, limits)
        return key, known[2], known[3]


#: Handlers whose marks are remembered. Methods that were put on an object are new each time.
KEPT = 1000
