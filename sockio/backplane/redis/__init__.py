"""Opaque bytes between hosts, by the publish and subscribe of a Redis server.

:class:`~sockio.backplane.redis.link.RedisLink` is what others use. redis-py makes each connection
(URL, TLS, users, Sentinel); its socket is then driven from the loop, and read by hiredis: nothing
here blocks, and nothing is sent twice. The extra ``redis`` installs both.

========= ==================================================================================
frames    what stands in front of each payload: version, publisher, number
numbering the numbers that a publisher gives, and what a receiver concludes from them
address   a URL, and the connection that it stands for
finding   ... where Sentinel or a cluster knows the server
topology  which node of a cluster has which channels
shards    ... as it is now
sharded   what leaves and arrives in a cluster, each channel by its node
rooms     the channels of rooms, while somebody is in them
library   redis-py and hiredis
line      one connection: made again whenever it is lost, asked for a sign of life
publisher what leaves, in a bounded queue
subscriber what arrives, by channel
outage    the two lines about an outage
link      the whole
members   who is alive, by the last sign of life of each
nodes     ... of the processes of other hosts, and questions to them
pieces    an answer that is longer than one publication may be
way       what a middleware has of all that
========= ==================================================================================
"""

from __future__ import annotations

from .link import LinkNumbers, RedisLink

__all__ = ["LinkNumbers", "RedisLink"]
