"""How a namespace class is read: which method handles what, and how it wants its arguments.

Everything here is worked out once per class and kept, so that an event costs a dictionary look-up
and a comparison of two numbers.
"""

from __future__ import annotations

import functools
import inspect
import operator
import re
import types
import unicodedata
import weakref
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from ..config.plain import check_gate
from ..config.rates import Rate
from ..exceptions import UsageError
from ..sessions.jobs import name_of
from .hooks import STEPS
from .marks import CONCURRENT, CONDITIONS, EVENTS, LIMITS, check_own, closing_marks, marks_of, note

__all__ = [
    "RESERVED",
    "Handler",
    "HandlerTable",
    "allow",
    "check_event",
    "concurrent",
    "handlers_of",
    "keep_steps",
    "limit",
    "method_for_message",
    "method_name_for",
    "on",
    "reread",
    "unfinished_mark",
    "unheard",
]

F = TypeVar("F", bound=Callable[..., Any])

#: Event names that are looked up as ``on_*`` methods; any other name needs :func:`on`, unless it
#: has letters and digits of other scripts.
EVENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ ]*", re.ASCII)

ANY = "*"

#: What the client itself calls its listeners for, so that an event of that name would be taken for
#: what it is not (0.9.17, ``lib/socket.js``), or be refused (socket.io-parser 4). ``error`` and
#: ``message`` it hands to the page as well, and those are meant: ``error()`` and ``send()`` end
#: there.
RESERVED = frozenset(
    {
        "connect",
        "connect_error",
        "connect_failed",
        "connecting",
        "disconnect",
        "disconnecting",
        "newListener",
        "reconnect",
        "reconnect_failed",
        "reconnecting",
        "removeListener",
    }
)

_STEPS = frozenset(STEPS)

#: Names come from clients. Remembered are only those that find a method, which are few, though one
#: may have several spellings: so many of them, each of so many characters at most.
KEPT, LONGEST = 1000, 100

#: So many sets of attributes that objects of one class have are known by heart.
USUAL = 16


def on(name: str) -> Callable[[F], F]:
    """Handle the event ``name``, whatever characters are in it: ``@on("user:message")``.

    Names of letters, digits, spaces and underscores, in any script, need no mark: the method
    ``on_user_message`` handles ``"user message"``, and ``on_сообщение`` handles ``"сообщение"``.

    ``@on("*")`` handles every event that has no handler of its own; its first argument is the
    event's name. The method's own name is what the ACL knows. Raises ``UsageError`` for what is no
    name.
    """
    if not isinstance(name, str):
        raise UsageError('on() takes the name of the event: @on("user message").')

    def mark(fn: F) -> F:
        return note(fn, EVENTS, name)

    return mark


def allow(condition: Callable[[Any], Any]) -> Callable[[F], F]:
    """Let the client reach a handler only while ``condition(namespace)`` is true.

    ::

        @allow(lambda ns: ns.session.get("admin"))
        def on_kick(self, nickname): ...

    Checked at each event, in addition to the namespace's ACL, and on ``recv_connect`` before that
    is called, where it refuses as that does; a client that may not is answered
    with ``method_access_denied``. Who overrides the method in another class, or gives its event to
    another method, keeps the condition, unless it has one of its own: ``@allow(lambda ns: True)``
    opens it. Raises ``UsageError`` for a condition that cannot be called, and
    for one that gives no answer when it is, such as a coroutine function.
    """
    if not callable(condition):
        raise UsageError(
            f"allow() takes a condition, a function of the namespace, and {condition!r} is none: "
            '@allow(lambda ns: ns.session.get("admin")).'
        )
    check_gate(condition, f"the condition of @allow, {name_of(condition)},")

    def mark(fn: F) -> F:
        return note(fn, CONDITIONS, condition, _forget_handlers)

    mark.__dict__[_MARK] = "allow"
    return mark


#: On what :func:`allow` gives, which nothing has been decorated with yet.
_MARK = "__sockio_mark__"


def unfinished_mark(value: Any) -> str:
    """The name of the decorator that ``value`` was to become, where it stood above a function
    without its parentheses, and took that for its argument; "" otherwise."""
    mark = value.__dict__.get(_MARK, "") if isinstance(value, types.FunctionType) else ""
    return str(mark)


def check_event(name: str) -> None:
    """Raise ``UsageError`` for an event that the client would take for one of its own."""
    if name in RESERVED:
        raise UsageError(
            f"emit({name!r}): the client in the page calls its own listeners by this name, and "
            f"would take the event for a {name} of the connection. Give it another name."
        )


def limit(rate: str, policy: str | None = None) -> Callable[[F], F]:
    """Let each client reach a handler so often only.

    ::

        @limit("5/10s")                     # five at once, then one every two seconds
        def on_user_message(self, text): ...

    What comes sooner is answered with the error ``rate_limited`` (``policy="refuse"``, the
    default), dropped without a word to the client (``"drop"``), or ends the session (``"close"``).
    ``"5/10s drop"`` says both in one. Several on one handler count together: ``@limit("5/s")`` and
    ``@limit("1000/h")``; so do the namespaces that one pattern has found. Who
    overrides the method keeps the limits, unless it has some of its own. Raises
    ``UsageError`` for a rate or a policy that is none, and for two policies.
    """
    try:
        parsed = Rate.parse(rate, policy)
    except ValueError as error:
        raise UsageError(f"limit(): {error}") from None

    def mark(fn: F) -> F:
        return note(fn, LIMITS, parsed, _forget_handlers)

    return mark


def concurrent(fn: F) -> F:
    """Let a handler run beside others of the same client, which do not wait for it.

    ::

        @concurrent
        def on_search(self, words):         # may take its time
            return database.search(words)

    Its acks come when they come, and so do its events. Of one client as many run at once as the
    setting ``max_concurrent`` says; one more waits, and with it what the client has sent behind it.
    Those that run when the client leaves the namespace are ended: what has to be finished is no
    matter for them. What several share on ``self`` may change wherever one of them waits.
    """
    return note(fn, CONCURRENT, True)


_FOR_MESSAGES = ("recv_message", "recv_json")


def method_for_message(args: Sequence[Any]) -> str:
    """Which method hears an event ``message`` that brings ``args``."""
    text, json = _FOR_MESSAGES
    return text if args and isinstance(args[0], (str, bytes)) else json


#: Methods of sockio's own that are there to be overridden, and handle nothing.
_UNHEARD: list[Any] = []


def unheard(fn: F) -> F:
    """Mark a method of sockio's own that handles nothing: whoever sends what it is for is told so,
    where a class has left it as it is."""
    _UNHEARD.append(fn)
    return fn


def method_name_for(event: str) -> str | None:
    """``"user message"`` -> ``"on_user_message"``; None for a name that maps to no method.

    Letters and digits of any script, as Python takes them: it reads names in the form NFKC.
    """
    name = "on_" + event.replace(" ", "_")
    if event.isascii():
        return name if EVENT_NAME.fullmatch(event) else None
    if len(event) > LONGEST or not event[0].isalnum():
        return None
    name = unicodedata.normalize("NFKC", name)
    return name if name.isidentifier() else None


class Handler:
    """One method of a namespace class, and how to call it.

    ``wants_packet``: its lone parameter is named ``packet``, so it gets the whole packet.
    ``least`` and ``most``: how many positional arguments it takes (``most`` None: any number).
    """

    __slots__ = (
        "conditions",
        "exactly",
        "found",
        "least",
        "limits",
        "most",
        "name",
        "names",
        "simple",
        "unheard",
        "wants_packet",
    )

    def __init__(self, name: str, function: Any, owner: type, before: Collection[str] = ()) -> None:
        """``before``: the methods that had its events in the bases of ``owner``."""
        self.name = name
        #: What the class has by that name, as long as nobody replaces it there.
        self.found = getattr(owner, name, None)
        #: Whether it is sockio's own, which handles nothing.
        self.unheard = any(self.found is each for each in _UNHEARD)
        names = (name, *before)
        self.conditions: tuple[Callable[[Any], Any], ...] = tuple(
            closing_marks(owner, names, CONDITIONS)
        )
        self.limits: tuple[Rate, ...] = tuple(closing_marks(owner, names, LIMITS))
        bound = function.__get__(object.__new__(owner), owner)
        parameters = list(inspect.signature(bound).parameters.values())
        positional = [
            p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        self.names = tuple(p.name for p in positional)
        self.least = sum(1 for p in positional if p.default is p.empty)
        self.most: int | None = len(positional)
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            self.most = None
        #: The number that it takes, if that is one alone; else -1.
        self.exactly = self.least if self.least == self.most else -1
        self.wants_packet = self.names == ("packet",) and self.most == 1
        #: Whether there is nothing to look at but the number of arguments.
        self.simple = not (self.conditions or self.limits or self.wants_packet)

    def accepts(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)

    def wanted(self) -> str:
        """How many arguments it takes, in words for an error message."""
        if self.most is None:
            return f"{self.least} or more"
        if self.least == self.most:
            return str(self.least)
        return f"{self.least} to {self.most}"


class HandlerTable:
    """The handlers of one namespace class: by method name, and by event name for :func:`on`."""

    __slots__ = (
        "__weakref__",
        "_base",
        "_before",
        "_events",
        "_methods",
        "_own",
        "_own_steps",
        "_owner",
        "_plain",
        "_resolved",
        "_root",
        "_steps",
        "_usual",
        "checked",
        "concurrent",
        "errs",
        "hooks",
        "plain",
        "surrounded",
        "wraps",
    )

    def __init__(
        self, owner: type, base: type, own_steps: Collection[str] = (), root: Any = None
    ) -> None:
        self._owner = owner
        self._base = base
        self._own_steps = own_steps
        self._root: HandlerTable = root or self
        # For objects with steps of their own, by the names of these: in the root alone.
        self._own: dict[frozenset[str], HandlerTable] = {}
        # Own attributes of objects, none of which is a step or looks like a handler: in the root
        # alone, too.
        self._usual: set[tuple[str, ...]] = set()
        self._read()

    def _read(self) -> None:
        """Look at the class, as it is by now."""
        owner = self._owner
        #: What is known of the life-cycle hooks, by name: for who calls them.
        self.hooks: dict[str, tuple[Handler, list[str]]] = {}
        #: Whether it has been looked at, as far as that is done when the class is given.
        self.checked = False
        self._methods: dict[str, Handler] = {}
        self._events: dict[str, str] = {}
        self._resolved: dict[str, tuple[str | None, bool]] = {}
        # Of those, the handlers of which nothing is to be looked at but the arguments' number.
        self._plain: dict[str, Handler] = {}
        # By the names of methods: those that have lost their events to them.
        self._before: dict[str, list[str]] = {}
        concurrent: set[str] = set()
        there: set[str] = set()
        for cls in reversed(owner.__mro__):
            there.update(vars(cls))
            for name in list(vars(cls)):
                # An override says so for itself: that opens nothing.
                (concurrent.add if marks_of(cls, name, CONCURRENT) else concurrent.discard)(name)
                for event in marks_of(cls, name, EVENTS):
                    before = self._events.get(event) or method_name_for(event)
                    if before != name and before in there:
                        earlier = self._before.get(before, [])
                        self._before[name] = [before, *earlier, *self._before.get(name, [])]
                    self._events[event] = name
        # Where there is none for the event, messages go to these.
        heard = self._events.get("message", "on_message")
        self._before[heard] = [*self._before.get(heard, []), *_FOR_MESSAGES]
        #: The names of the methods that may run beside others.
        self.concurrent = frozenset(concurrent)
        # As they were looked at.
        self._steps = _steps_of(owner)
        now = zip(STEPS, self._steps, _OURS.get(self._base) or _steps_of(self._base), strict=True)
        overridden = {name for name, step, ours in now if step is not ours}.union(self._own_steps)
        #: Whether ``exception_handler_decorator`` is the application's own.
        self.wraps = "exception_handler_decorator" in overridden
        #: Whether ``error`` is.
        self.errs = "error" in overridden
        #: Whether ``around_event`` is.
        self.surrounded = "around_event" in overridden
        #: Whether the steps between an event and its handler are left as they are.
        self.plain = not overridden or overridden == {"error"}

    def read_again(self) -> None:
        """The class has changed: whoever is there goes by what it has now."""
        root = self._root
        for table in (root, *root._own.values()):
            table._read()

    def forget_handlers(self) -> None:
        """A function has been marked that may be one of them: look at each again."""
        for table in (self, *self._own.values()):
            for known in (table._methods, table._resolved, table._plain, table.hooks):
                known.clear()

    def of_now(self) -> HandlerTable:
        """This table, read again where the class's steps have been replaced since. That is looked
        at whenever a client comes: with each event it would cost as much as the rest of this."""
        if _steps_of(self._owner) != self._steps:
            self.read_again()
        return self

    def is_of(self, owner: type) -> bool:
        """Whether it is that class's: an object may have become one of another."""
        return self._owner is owner

    def for_object(self, holder: object) -> HandlerTable:
        """The table for an object of the class: some of its own attributes may be steps. Raises
        ``UsageError`` for a handler of its own that is marked."""
        root = self._root
        names = tuple(vars(holder))
        if names in root._usual:
            return root
        handlers = [name for name in names if name.startswith(("on_", "recv_"))]
        for name in handlers:
            check_own(holder, name)
        own = _STEPS.intersection(names)
        if own:
            table = root._own.get(own)
            if table is None:
                table = root._own[own] = HandlerTable(self._owner, self._base, own, root)
            return table
        if not handlers and len(root._usual) < USUAL:
            root._usual.add(names)
        return root

    @property
    def initializers(self) -> tuple[Callable[[Any], object], ...]:
        """Every ``initialize`` of the class and its bases, base first, each exactly once."""
        return tuple(
            [
                vars(cls)["initialize"]
                for cls in reversed(self._owner.__mro__)
                if "initialize" in vars(cls) and cls is not self._base
            ]
        )

    @property
    def marked(self) -> Collection[str]:
        """The names of events that :func:`on` gives to methods."""
        return self._events.keys()

    @property
    def marked_methods(self) -> Collection[str]:
        """The names of the methods that :func:`on` gives events to."""
        return self._events.values()

    def plain_event(self, name: str, count: int) -> Handler | None:
        """The handler of an event, if it takes ``count`` arguments and nothing else is to be
        looked at but whether the object still has what was :attr:`Handler.found`; None leaves
        it to :meth:`event` and :meth:`method`."""
        handler = self._plain.get(name)
        if handler is None or handler.exactly == count or handler.accepts(count):
            return handler
        return None

    def _lost(self, handler: Handler) -> bool:
        """Whether the class has another method by that name now: then it has been read again."""
        # Those of classes and the like are other objects at each look, and the same nevertheless.
        if getattr(self._owner, handler.name, None) == handler.found:
            return False
        self.read_again()
        return True

    def hears_it_as_message(self, catch_all: bool) -> bool:
        """Whether an event ``message`` goes to ``recv_message`` or ``recv_json``, given whether the
        catch-all handler is all that would take it."""
        if not catch_all:
            return "message" not in self._events and self.method("on_message") is None
        found = (self.method(name) for name in ("recv_message", "recv_json"))
        return any(handler is not None and not handler.unheard for handler in found)

    def method(self, name: str) -> Handler | None:
        """The handler with that method name; None when the class has no such *method*.

        Attributes that merely look like one (a flag ``on_air``, a property, a nested class) are
        not reachable for clients.
        """
        known = self._methods.get(name)
        if known is not None and not self._lost(known):
            return known
        if not any(name in vars(cls) for cls in self._owner.__mro__):
            # Made up by a client. It is not remembered.
            return None
        value = inspect.getattr_static(self._owner, name, None)
        if isinstance(value, (staticmethod, classmethod)):
            is_method = True
        else:
            # Partials become methods in Python 3.14 and are none before: none here.
            is_method = (
                callable(value)
                and hasattr(type(value), "__get__")
                and not isinstance(value, (type, functools.partial))
            )
        if not is_method:
            return None
        before = self._before.get(name, ())
        handler = self._methods[name] = Handler(name, value, self._owner, before)
        return handler

    def event(self, name: str) -> tuple[str | None, bool]:
        """The method name that handles an event, and whether it is the catch-all one."""
        found = self._resolved.get(name)
        if found is None:
            found = self._resolve(name)
            method, catch_all = found
            if (
                method is not None
                and not catch_all
                and len(name) <= LONGEST
                and len(self._resolved) < KEPT
                and (handler := self.method(method)) is not None
            ):
                self._resolved[name] = found
                if handler.simple:
                    self._plain[name] = handler
        return found

    def _resolve(self, name: str) -> tuple[str | None, bool]:
        marked = self._events.get(name)
        if marked is not None and name != ANY:
            return marked, False
        method = method_name_for(name)
        if method is not None and self.method(method) is not None:
            return method, False
        if ANY in self._events:
            return self._events[ANY], True
        return method, False


_all_steps = operator.attrgetter(*STEPS)


def _steps_of(owner: type) -> tuple[Any, ...]:
    try:
        # Of every class whenever a client comes: by one call.
        steps: tuple[Any, ...] = _all_steps(owner)
    except AttributeError:
        steps = tuple([getattr(owner, name, None) for name in STEPS])
    return steps


#: The steps as sockio has them: who replaces one in BaseNamespace itself overrides it, too.
_OURS: dict[type, tuple[Any, ...]] = {}


def keep_steps(base: type) -> None:
    """``base`` is as it was written: what its steps are from now on, others have made of them."""
    _OURS[base] = _steps_of(base)


#: Where a class has its table: it goes with the class. Views may make one for each client.
_TABLE = "__sockio_table__"
_tables: weakref.WeakSet[HandlerTable] = weakref.WeakSet()


def _forget_handlers() -> None:
    for table in list(_tables):
        table.forget_handlers()


def _table_of(cls: type) -> HandlerTable | None:
    table: HandlerTable | None = vars(cls).get(_TABLE)
    # Who makes one class of another, as dataclasses do, takes all along that it has.
    return table if table is not None and table.is_of(cls) else None


def reread(cls: type) -> None:
    """The class has got another method: whoever is there goes by it, and whoever comes."""
    table = _table_of(cls)
    if table is not None:
        table.read_again()


def handlers_of(cls: type, base: type) -> HandlerTable:
    """The table of a namespace class, made on its first use. ``base`` is BaseNamespace."""
    table = _table_of(cls)
    if table is None:
        table = HandlerTable(cls, base)
        type.__setattr__(cls, _TABLE, table)
        _tables.add(table)
    return table
