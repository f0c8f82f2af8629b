"""Which namespaces the site has: ``@namespace("/chat")`` above their classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...exceptions import UsageError
from ...http.manage import check_namespaces
from ...namespaces.functions import NamespaceClass
from ...namespaces.namespace import BaseNamespace
from ...namespaces.table import Namespaces
from . import events
from .channels import ChannelNamespace

__all__ = ["namespace", "namespaces"]

C = TypeVar("C", bound=NamespaceClass)

_registered = Namespaces()


def namespace(name: str = "") -> Callable[[C], C]:
    """Serve a namespace class under ``name``; without one, as the global namespace.

    ::

        @namespace("/chat")
        class ChatNamespace(BaseNamespace): ...

    Raises :class:`~sockio.UsageError` for what is no namespace class, for a name that no client
    could connect to, and for a name that another class has already.
    """
    if not isinstance(name, str):
        raise UsageError('@namespace is called with the name: @namespace("/chat").')

    def register(given: C) -> C:
        _registered.register(check_namespaces({name: given}))
        return given

    return register


def namespaces() -> dict[str, type[BaseNamespace]]:
    """All namespaces of the site by name, for ``socketio_manage`` in a view of your own.

    With handlers of the channel API (``@on_message`` and its kin) the global namespace is theirs;
    raises :class:`~sockio.UsageError` when it is taken by a class as well.
    """
    found = dict(_registered)
    if events.anybody_listens():
        if "" in found:
            cls = found[""]
            raise UsageError(
                f"{cls.__module__}.{cls.__qualname__} is the global namespace, and there are "
                "handlers of the channel API (@on_message and its kin), which need it. Give the "
                'class a name: @namespace("/site").'
            )
        found[""] = ChannelNamespace
    return found
