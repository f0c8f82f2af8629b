"""What a worker does that goes between a client with TLS and its owner."""

from __future__ import annotations

import gevent
from gevent import socket

from sockio.http.forwarding.relay import _move
from sockio.runtime.gevent_runtime import GeventRuntime


def test_a_client_that_reads_nothing_does_not_hold_it() -> None:
    client, here = socket.socketpair()
    ours, owner = socket.socketpair()
    here.settimeout(0.05)
    runtime = GeventRuntime()
    to_client = gevent.spawn(lambda: _move(ours, here, runtime))
    to_owner = gevent.spawn(lambda: _move(here, ours, runtime))
    # Silence is no reason.
    gevent.sleep(0.1)
    client.sendall(b"still here")
    assert owner.recv(100) == b"still here"
    try:
        while True:
            owner.sendall(b"x" * 65536)
    except OSError:
        pass
    gevent.joinall([to_client, to_owner], raise_error=True)
    for each in (client, here, ours, owner):
        each.close()
