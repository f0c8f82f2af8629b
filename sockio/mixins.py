"""The mixins by the ancestor's address of them."""

from __future__ import annotations

from .namespaces.mixins import BroadcastMixin, RoomsMixin

__all__ = ["BroadcastMixin", "RoomsMixin"]
