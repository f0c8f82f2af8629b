"""The servers that are compared: what starts each, and what it is able to do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .environments import Environments
from .workloads import ROWS

__all__ = ["QUICK", "REFERENCE", "SERVERS", "Server", "chosen", "variant"]

HERE = Path(__file__).resolve().parent

#: The server that tables give ratios to.
REFERENCE = "node09"
QUICK = ("sockio", "sockio-plain", REFERENCE)

ALL = frozenset(ROWS)
# Only sockio itself has these, and only the modern dialect that.
OWN = frozenset({"W7", "import"})
UPGRADE = frozenset({"W3-upgrade"})
PEER = ALL - OWN - UPGRADE
LATER = PEER | UPGRADE
# These take long to set up, and one Python peer says what there is to say.
LONG = frozenset({"W1-1000s4", "W6", "W6-100"})
# Pure websocket, and no more of a server than these need.
FLOOR = frozenset(
    {"W1-100", "W1-1000", "W1-4000", "W1-1000w1", "W1-1000s4", "W2", "W2w1", "W3", "W6", "W6-100"}
)


@dataclass(frozen=True)
class Server:
    """One server in the field.

    ``runs_in`` names the environment that it needs: "here" is this Python, "node" and "c" are what
    they say, anything else is a dependency group of pyproject.toml, which gets a virtual
    environment of its own.
    """

    name: str
    title: str
    script: str
    runs_in: str = "here"
    dialect: str = "v09"
    arguments: tuple[str, ...] = ()
    rows: frozenset[str] = PEER

    def command(self, environments: Environments) -> list[str]:
        """What to run; makes the environment, which may take a minute, if it is not there yet."""
        script = HERE / self.script
        if self.runs_in == "c":
            return [str(environments.program(script)), *self.arguments]
        if self.runs_in == "node":
            return [environments.node(), str(environments.node_script(script)), *self.arguments]
        return [str(environments.python(self.runs_in)), str(script), *self.arguments]


SERVERS = {
    server.name: server
    for server in (
        Server("sockio", "sockio, SocketIOServer", "servers/sockio_server.py", rows=PEER | OWN),
        Server(
            "sockio4",
            "sockio, SocketIOServer, clients 4.x",
            "servers/sockio_server.py",
            dialect="v5",
            rows=LATER - {"start-cpu", "start-rss"},
        ),
        Server(
            "sockio-mixed",
            "sockio, SocketIOServer, half 0.9 and half 4.x",
            "servers/sockio_server.py",
            dialect="mixed",
            rows=frozenset({"W1-1000", "W1-1000w1"}),
        ),
        Server(
            "sockio-plain",
            "sockio, plain gevent.pywsgi",
            "servers/sockio_server.py",
            arguments=("--server", "plain"),
            rows=frozenset({"W1-1000w1", "W2", "W2w1", "W3", "W5", "W5w1", "W5-alone"}),
        ),
        Server(
            "sockio-parked",
            "sockio, gevent-websocket's handler",
            "servers/sockio_server.py",
            arguments=("--server", "parked"),
            rows=frozenset({"W3", "W4-5000", "idle-5000"}),
        ),
        Server(
            "sockio-gunicorn",
            "sockio, its gunicorn worker",
            "servers/gunicorn_server.py",
            rows=frozenset({"W2", "W3", "W5", "W5w1", "W5-alone"}),
        ),
        Server("node09", "Node, socket.io 0.9", "peers/node/node09.js", "node"),
        Server("node4", "Node, socket.io 4", "peers/node/node4.js", "node", "v5", rows=LATER),
        Server(
            "pysio-gevent",
            "python-socketio, gevent",
            "peers/python/pysio_gevent.py",
            "bench-pysio-gevent",
            dialect="v5",
            rows=LATER - {"W1-1000s4"},
        ),
        Server(
            "pysio-uvicorn",
            "python-socketio, uvicorn",
            "peers/python/pysio_uvicorn.py",
            "bench-pysio-uvicorn",
            dialect="v5",
            rows=LATER - LONG,
        ),
        Server("floor", "floor: C, epoll", "floor/floor.c", "c", rows=FLOOR),
        Server(
            "floor-joined",
            "floor: C, joined writes",
            "floor/floor.c",
            "c",
            arguments=("--joined",),
            rows=FLOOR - LONG - {"W1-1000w1", "W2w1", "W3"},
        ),
        Server(
            "floor-gevent",
            "floor: gevent's loop, joined writes",
            "floor/gevent_floor.py",
            rows=frozenset({"W1-100", "W1-1000", "W1-4000", "W1-1000w1", "W2", "W2w1", "W3"}),
        ),
    )
}


def variant(text: str) -> Server:
    """sockio with other settings, from ``NAME={"setting": ...}`` or ``NAME@SERVER={...}``.

    Raises ValueError for what is neither.
    """
    label, _, rest = text.partition("=")
    name, _, base = label.partition("@")
    server = SERVERS.get(base or "sockio")
    try:
        settings: Mapping[str, Any] = json.loads(rest)
    except ValueError:
        settings = {}
    if not name or name in SERVERS or not settings or not isinstance(settings, dict):
        raise ValueError(
            f'--variant {text}: write NAME={{"setting": value}}, with a name of its own.'
        )
    if server is None or server.script != SERVERS["sockio"].script:
        raise ValueError(f"--variant {text}: {base} is no server of sockio's.")
    return dataclasses.replace(
        server,
        name=name,
        title=f"{server.title}, {name}",
        arguments=(*server.arguments, "--settings", json.dumps(settings)),
        rows=server.rows - OWN,
    )


def chosen(names: Iterable[str]) -> list[Server]:
    """The servers of those names; raises ValueError for one that is not in the field."""
    names = list(names)
    if unknown := [name for name in names if name not in SERVERS]:
        raise ValueError(f"no such server: {', '.join(unknown)}; there are {', '.join(SERVERS)}")
    return [SERVERS[name] for name in names]
