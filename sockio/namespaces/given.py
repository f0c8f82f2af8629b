"""What a page has given with its connect: the fields of a query, and ``auth``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, overload
from urllib.parse import parse_qsl

__all__ = ["Query", "auth_of"]


class _Given(Protocol):
    """A namespace, as far as its query is concerned."""

    environ: dict[str, Any]
    qs: str


#: What stands in the query of a handshake that no page has put there.
_OF_THE_CLIENT = frozenset(("EIO", "transport", "sid", "t", "j", "b64"))

#: Fields of a query, and characters of it, up to which it is read once.
_FEW_FIELDS, _SHORT = 20, 1000


class Query:
    """The fields of the query that the page connected with, the first value of each.

    Those of the handshake, ``io("/chat", {query: {room: 7}})``, without what the client adds by
    itself; in 0.9 that is where the query of ``io.connect("/chat?room=7")`` goes. And those of the
    connect packet, which clients 1.x and 2.x have, ``io("/chat?room=7")``. Whoever takes a field
    several times reads ``qs``, or the environ's ``QUERY_STRING``. A long one is read with each
    look: each of a client's namespaces would have one.
    """

    # No property: an application may keep something of its own by this name.

    def __repr__(self) -> str:
        return "the fields of the query that a page connected with, as a dict"

    @overload
    def __get__(self, namespace: None, owner: Any = None) -> Query: ...
    @overload
    def __get__(self, namespace: _Given, owner: Any = None) -> dict[str, str]: ...
    def __get__(self, namespace: _Given | None, owner: Any = None) -> Any:
        if namespace is None:
            return self
        text: str = namespace.environ.get("QUERY_STRING", "")
        handshake = _fields(text)
        given = {name: value for name, value in handshake.items() if name not in _OF_THE_CLIENT}
        fields = {**given, **_fields(namespace.qs[1:])}
        if len(fields) <= _FEW_FIELDS and len(text) + len(namespace.qs) <= _SHORT:
            namespace.__dict__["query"] = fields
        return fields


def auth_of(packet: Mapping[str, Any]) -> dict[str, Any]:
    """What is the ``auth`` of a namespace whose client connects by ``packet``."""
    data = packet.get("data")
    if isinstance(data, dict):
        return data
    return _fields(packet.get("qs", "")[1:])


def _fields(query: str) -> dict[str, str]:
    return dict(reversed(parse_qsl(query, keep_blank_values=True))) if query else {}
