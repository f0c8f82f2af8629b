"""The servers that are compared: what starts each, and what it is able to do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .environments import Environments

__all__ = ["SERVERS", "Server", "chosen", "variant"]

HERE = Path(__file__).resolve().parent
POLLING = frozenset({"W5", "W5w1"})


@dataclass(frozen=True)
class Server:
    """One server in the field.

    ``runs_in`` names the environment that it needs: "here" (this Python), "node", or a dependency
    group of pyproject.toml.
    """

    name: str
    title: str
    script: str
    runs_in: str = "here"
    dialect: str = "v09"
    arguments: tuple[str, ...] = ()
    #: Rows it cannot have, such as those of long-polling.
    without: frozenset[str] = frozenset()
    environ: Mapping[str, str] = field(default_factory=dict)

    def command(self, environments: Environments) -> list[str]:
        """What to run, with the environment made if it is not there yet."""
        script = HERE / self.script
        if self.runs_in == "node":
            return [environments.node(), str(environments.node_script(script))]
        return [str(environments.python(self.runs_in)), str(script), *self.arguments]


SERVERS = {
    server.name: server
    for server in (
        Server("sockio", "sockio, SocketIOServer", "servers/sockio_server.py"),
        Server(
            "sockio-plain",
            "sockio, plain gevent.pywsgi",
            "servers/sockio_server.py",
            arguments=("--server", "plain"),
        ),
        Server("node09", "Node socket.io 0.9", "peers/node/node09.js", "node"),
        Server("node4", "Node socket.io 4", "peers/node/node4.js", "node", dialect="v5"),
    )
}


def variant(name: str, base: str, settings: Mapping[str, Any]) -> Server:
    """A server of sockio with other settings, measured under a name of its own."""
    server = SERVERS[base]
    return Server(
        name,
        f"{server.title}, {name}",
        server.script,
        arguments=(*server.arguments, "--settings", json.dumps(settings)),
    )


def chosen(names: Iterable[str]) -> list[Server]:
    """The servers of those names; raises ValueError for one that is not in the field."""
    names = list(names)
    if unknown := [name for name in names if name not in SERVERS]:
        raise ValueError(f"no such server: {', '.join(unknown)}; there are {', '.join(SERVERS)}")
    return [SERVERS[name] for name in names]
