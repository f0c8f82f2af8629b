"""Settings of the backplane that have no effect as the others are: nobody is to find that out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..config.settings import Settings

__all__ = ["RELAY_TAKEN", "Idle", "idle_settings"]

_RELAY = "backplane_relay"
#: What means nothing without a server, beside that.
_OF_A_SERVER = "backplane_inputs", "backplane_rooms", "on_gap"


class Idle(NamedTuple):
    """A setting that has no effect, why, and what to do."""

    name: str
    why: str
    mend: str
    #: Whether all is well without it, as where there is only one host.
    harmless: bool = False


#: This process has another middleware of that name, which takes part.
RELAY_TAKEN = Idle(
    _RELAY,
    "another middleware of this process takes part by the same name, so this one hears the server "
    "by itself",
    "nothing, or serve the application once in each process",
    harmless=True,
)


def idle_settings(settings: Settings, *, meshed: bool) -> Iterator[Idle]:
    """Those that were given in vain. ``meshed`` is whether workers of this host meet."""
    if not settings.backplane:
        given = [name for name in (_RELAY, *_OF_A_SERVER) if getattr(settings, name)]
        for name in given:
            yield Idle(
                name,
                "there is no setting backplane, so no other host is heard",
                f"give the URL of a Redis server as backplane, or leave {name} out",
                harmless=True,
            )
    elif not settings.backplane_relay:
        return
    elif settings.backplane.startswith("cluster:"):
        # Nodes of a cluster do not all say things in one order.
        yield Idle(
            _RELAY,
            "the nodes of a cluster do not say all things in one order, so each worker hears them "
            "by itself",
            f"leave {_RELAY} out, or use one server (redis://, or sentinel://)",
        )
    elif settings.backplane_rooms and settings.recovery is not None:
        # What goes by a room's channel has no number: a client that changes workers would hear it
        # again when one relay says it again.
        yield Idle(
            _RELAY,
            "what goes by the channels of rooms (backplane_rooms) has no number, so clients that "
            "come back (recovery) would hear it twice by a relay: each worker hears the server by "
            "itself",
            f"leave one of {_RELAY}, backplane_rooms and recovery out",
        )
    elif not meshed:
        yield Idle(
            _RELAY,
            "this process has no mesh, by which the workers of a host find each other: it hears "
            "the server by itself",
            "start workers by sockio serve --workers or gunicorn's GeventSocketIOWorker, or give "
            f"them a directory as mesh; or leave {_RELAY} out",
        )
