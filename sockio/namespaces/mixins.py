"""Rooms and broadcast by the ancestor's names of them.

::

    class ChatNamespace(BaseNamespace, RoomsMixin, BroadcastMixin): ...

Every :class:`~sockio.BaseNamespace` has all of it: the mixins add nothing, and may be left out.
"""

from __future__ import annotations

from .membership import Member

__all__ = ["BroadcastMixin", "RoomsMixin"]


class RoomsMixin(Member):
    """``rooms``, ``join``, ``leave`` and ``emit_to_room``, which namespaces have without it."""


class BroadcastMixin(Member):
    """``broadcast_event`` and ``broadcast_event_not_me``, which namespaces have without it."""
