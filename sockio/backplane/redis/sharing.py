"""A source of replies that several processes have together: what it is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from .line import Source, User
from .outage import Say
from .position import Position
from .subscriber import Subscriber

__all__ = ["Relay", "Shared", "Sharing"]


class Shared(Source, Protocol):
    """A source that other processes have, too."""

    @property
    def relay(self) -> str | None:
        """The name of the process whose connection it is; None where there is none."""
        ...


class Sharing(NamedTuple):
    """What a link gives to what makes such a source."""

    #: Makes a connection to the server.
    connect: Callable[[User], Source]
    #: Who hears it, and how far.
    user: Subscriber
    position: Position
    #: Publishes a mark.
    mark: Callable[[bytes], object]
    #: ``Complaints.say``, and what the log calls the server.
    say: Say
    label: str


#: What makes one.
Relay = Callable[[Sharing], Shared]
