"""A namespace made of functions, for programs that need no class.

::

    chat = Handlers()

    @chat.on("user message")
    def said(client, text):
        client.broadcast_event_not_me("user message", text)
        return True

    app = SocketIOMiddleware(app, {"/chat": chat})
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..config.plain import check_plain
from ..exceptions import UsageError
from .handlers import handlers_of, on, reread
from .namespace import BaseNamespace, check_hooks
from .table import MADE_IN_LINE

__all__ = ["Handlers", "NamespaceClass", "NamespaceMap"]

F = TypeVar("F", bound=Callable[..., Any])


class Handlers:
    """Functions that are a namespace together. Each is given the client, an object with all that
    ``self`` is in a :class:`~sockio.BaseNamespace`, and then what a method would be given.

    It stands where a class would: in the ``namespaces`` of the middleware, of ``socketio_manage``
    and of the helpers for frameworks. What is kept for one client goes into ``client.session``.
    :func:`~sockio.allow`, :func:`~sockio.limit` and :func:`~sockio.concurrent` may stand below its
    decorators, which give the function back as it is.
    """

    def __init__(self, name: str = "Handlers") -> None:
        #: The class that they make, which may be subclassed. ``name`` is what the log calls it.
        self.namespace: type[BaseNamespace] = type(
            # Of the module that makes it, as a class would be.
            name,
            (BaseNamespace,),
            {
                "__module__": sys._getframe(1).f_globals.get("__name__", __name__),
                MADE_IN_LINE: sys._getframe(1).f_lineno,
            },
        )

    def on(self, name: str) -> Callable[[F], F]:
        """Handle the event ``name``, whatever characters are in it; ``"*"`` is every event that
        nothing else handles, whose name is then the first argument.

        Raises ``UsageError`` where another function handles it already, and for a coroutine
        function or a generator function.
        """
        if not isinstance(name, str):
            raise UsageError('Handlers.on takes the name of the event: @chat.on("user message").')

        def add(fn: F) -> F:
            self._is_free(name, name in handlers_of(self.namespace, BaseNamespace).marked)
            attribute = getattr(fn, "__name__", "")
            if (
                not attribute.isidentifier()
                or attribute.startswith(("_", "on_", "recv_"))
                or hasattr(self.namespace, attribute)
            ):
                # As a method of that name it would mean something of its own.
                attribute = f"handler_{len(vars(self.namespace))}"
            check_plain(fn, f"the function for {name!r}")
            self._set(attribute, on(name)(fn))
            return fn

        return add

    def connect(self, fn: F) -> F:
        """Ask ``fn(client)`` or ``fn(client, auth)`` who may come in: as ``recv_connect``."""
        return self._hook("recv_connect", fn)

    def disconnect(self, fn: F) -> F:
        """Call ``fn(client)`` or ``fn(client, reason)`` when a client has gone: as
        ``recv_disconnect``."""
        return self._hook("recv_disconnect", fn)

    def message(self, fn: F) -> F:
        """Handle what the page sends by ``send``: text, bytes, or other JSON."""
        self._hook("recv_message", fn)
        self._set("recv_json", fn)
        return fn

    def around_event(self, fn: F) -> F:
        """Call ``fn(client, name, args, go_on)`` around each event: as the method of that name."""
        return self._hook("around_event", fn)

    def _hook(self, name: str, fn: F) -> F:
        self._is_free(name, name in vars(self.namespace))
        check_plain(fn, f"the function for {name}")
        self._set(name, fn)
        check_hooks(self.namespace)
        return fn

    def _is_free(self, name: str, taken: bool) -> None:
        if taken:
            raise UsageError(f"{self.namespace.__name__}: two functions want to handle {name!r}.")

    def _set(self, name: str, fn: Callable[..., Any]) -> None:
        setattr(self.namespace, name, fn)
        reread(self.namespace)


NamespaceClass = type[BaseNamespace] | Handlers
"""What serves a name: a class, or functions in place of one."""

NamespaceMap = (
    Mapping[str, NamespaceClass]
    | Mapping[re.Pattern[str], NamespaceClass]
    | Mapping[str | re.Pattern[str], NamespaceClass]
)
"""What is served: by the names of namespaces, by patterns of them, or both in one mapping."""
