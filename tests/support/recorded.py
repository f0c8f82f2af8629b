"""A namespace that writes down who comes and goes."""

from __future__ import annotations

from typing import Any, ClassVar

from sockio import BaseNamespace, BroadcastMixin, RoomsMixin

from .transcript import Transcript

__all__ = ["Recorded"]


class Recorded(BaseNamespace, RoomsMixin, BroadcastMixin):
    """Base class of the namespaces of a test, which gives them their ``journal``."""

    journal: ClassVar[Transcript]

    def recv_connect(self) -> Any:
        self.journal.add("connect", self.ns_name, self)

    def recv_disconnect(self, reason: str) -> None:
        self.journal.add("disconnect", self.ns_name, reason)
