"""The channels of rooms (setting ``backplane_rooms``): this process is subscribed to those of rooms
that somebody is in, or was a moment ago.

What is for exactly one room goes by the channel of that room, all else by the namespace's. Names of
clients are rooms, too: those that one process gives share a channel (:func:`.room_channel`).
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import islice

from ...runtime.interfaces import Runtime
from ..channels import room_channel
from ..wire import is_room
from .link import RedisLink

__all__ = ["LINGERS", "RoomChannels"]

#: Seconds for which a room is heard still that the last client has left, at least: rooms that are
#: left and joined again cost nothing.
LINGERS = 5.0
#: Channels that are subscribed, or given up, in one turn of the loop, by one command.
AT_ONCE = 500


class RoomChannels:
    """Those of one middleware. ``lingers`` are the seconds in which somebody may come back."""

    def __init__(self, link: RedisLink, runtime: Runtime, group: str, lingers: float) -> None:
        self._link = link
        self._runtime = runtime
        self._group = group
        self._lingers = max(LINGERS, lingers)
        #: How many rooms and names there are of each that somebody is in.
        self._used: dict[str, int] = {}
        #: Those that are still to be subscribed.
        self._new: dict[str, None] = {}
        #: Those that nobody is in, and until when they are heard: in that order.
        self._ending: dict[str, float] = {}
        self._subscribes = self._ends = False

    def watch(self, namespace: str, room: Hashable, begins: bool) -> None:
        """The first client has come into a room, or has got a name; or the last has left it."""
        if not is_room(room):
            return  # no other process can mean it
        channel = room_channel(self._group, namespace, room)
        count = self._used.get(channel, 0)
        if begins:
            self._used[channel] = count + 1
            if not count and self._ending.pop(channel, None) is None:
                self._subscribe(channel)
        elif count > 1:
            self._used[channel] = count - 1
        elif count:
            del self._used[channel]
            self._linger(channel)

    def expect(self, namespace: str, room: Hashable) -> None:
        """A client that is away is to come back into a room."""
        if is_room(room):
            channel = room_channel(self._group, namespace, room)
            if channel not in self._used:
                if self._ending.pop(channel, None) is None:
                    self._subscribe(channel)
                self._linger(channel)

    # ---- in the next turns

    def _subscribe(self, channel: str) -> None:
        self._new[channel] = None
        if not self._subscribes:
            self._subscribes = True
            self._runtime.run(self._subscribe_some)

    def _subscribe_some(self) -> None:
        some = list(islice(self._new, AT_ONCE))
        for channel in some:
            del self._new[channel]
        self._link.subscribe(*some, many=True)
        self._subscribes = bool(self._new)
        if self._new:
            self._runtime.at(self._runtime.now(), self._subscribe_some)

    def _linger(self, channel: str) -> None:
        self._ending[channel] = self._runtime.now() + self._lingers
        self._wait()

    def _wait(self) -> None:
        """... for the first to end."""
        if not self._ends and self._ending:
            self._ends = True
            self._runtime.at(next(iter(self._ending.values())), self._end_some)

    def _end_some(self) -> None:
        self._ends = False
        now = self._runtime.now()
        some = [channel for channel, until in islice(self._ending.items(), AT_ONCE) if until <= now]
        if some:
            for channel in some:
                del self._ending[channel]
            self._link.unsubscribe(*some)
        # Who was waited for may have come back.
        self._wait()
