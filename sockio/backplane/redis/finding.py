"""Where the server is, when others know it: Sentinel, or the nodes of a cluster."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from .library import PATIENCE, cluster, no_retry, sentinel

__all__ = ["SCHEMES", "Found", "finder"]

_Places = list[tuple[str, int]]
_WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}

#: Schemes of URLs, and the port of those who are asked.
SCHEMES = {"cluster": 6379, "clusters": 6379, "sentinel": 26379, "sentinels": 26379}


class Found:
    """What a URL with several hosts says. Raises ``ValueError`` for one that cannot be read."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        credentials, at, hosts = parts.netloc.rpartition("@")
        path = parts.path.strip("/")
        self.of_cluster = parts.scheme.startswith("cluster")
        service, _, database = path.partition("/")
        if not hosts or self.of_cluster is bool(path):
            # Sentinel needs a service, a cluster has no databases.
            raise ValueError
        asked = [urlsplit(f"//{each}") for each in hosts.split(",")]
        #: Who is asked.
        self.asked: _Places = [
            (one.hostname or "localhost", one.port or SCHEMES[parts.scheme]) for one in asked
        ]
        #: Sentinel's name for the server.
        self.service = unquote(service)
        self.tls = parts.scheme.endswith("s")
        options = parse_qsl(parts.query)
        others = [
            (name, value)
            for name, value in options
            if not name.startswith("sentinel_") and (name != "sharded" or not self.of_cluster)
        ]
        said = dict(options).get("sharded", "yes").lower()
        if self.of_cluster and said not in _WORDS:
            raise ValueError
        #: Whether channels are to have nodes of their own.
        self.sharded = self.of_cluster and _WORDS[said]
        #: What only Sentinel is told.
        self.own = {
            name.removeprefix("sentinel_"): value
            for name, value in options
            if name.startswith("sentinel_")
        }
        if self.tls:
            self.own |= {name: value for name, value in others if name.startswith("ssl_")}
        scheme = "rediss" if self.tls else "redis"
        #: The URL of the server itself, without its host.
        self.url = f"{scheme}://{credentials}{at}/{database}?{urlencode(others)}"
        self.label = (
            f"Redis Cluster at {self.asked[0][0]}:{self.asked[0][1]}"
            if self.of_cluster
            else f"sentinel service {self.service}"
        )


def finder(found: Found, options: dict[str, Any]) -> Callable[[], _Places]:
    """What gives the places to try, in order, and blocks. ``options`` are those of connections."""
    if found.of_cluster:
        return lambda: _nodes(found, options)
    return lambda: _master(found)


def _master(found: Found) -> _Places:
    asked = sentinel().Sentinel(
        found.asked,
        sentinel_kwargs={
            "socket_timeout": PATIENCE,
            "socket_connect_timeout": PATIENCE,
            "retry": no_retry(),
            "ssl": found.tls,
            **found.own,
        },
    )
    try:
        return [asked.discover_master(found.service)]
    finally:
        for each in asked.sentinels:
            each.connection_pool.disconnect()


def _nodes(found: Found, options: dict[str, Any]) -> _Places:
    """All of them, shuffled: what is published at one is heard at all."""
    library = cluster()
    asked = library.RedisCluster(
        startup_nodes=[library.ClusterNode(*each) for each in found.asked],
        require_full_coverage=False,
        ssl=found.tls,
        **{name: value for name, value in options.items() if name != "retry"},
    )
    try:
        places = [(node.host, node.port) for node in asked.get_nodes()]
    finally:
        asked.disconnect_connection_pools()
        asked.close()
    random.shuffle(places)
    return places
