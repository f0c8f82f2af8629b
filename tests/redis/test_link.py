"""Payloads from one process to others, by a real server."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from sockio import UsageError
from sockio.backplane.redis import RedisLink, address, library
from sockio.backplane.redis.frames import MAX_PAYLOAD
from sockio.runtime.gevent_runtime import GeventRuntime

from ..support.redis import Ear, RedisServer, quiet_port
from ..support.tls import make_certificate
from ..support.transcript import eventually
from .conftest import Listen

Start = Callable[..., RedisServer]


def test_what_one_publishes_the_others_hear(shared: RedisServer, listen: Listen) -> None:
    ada, bob, eve = (
        listen(shared.url, *channels).stands() for channels in (["a", "b"], ["a", "b"], ["c"])
    )
    assert ada.link.publish("a", b"one") is True
    assert ada.link.publish("b", b"")
    assert ada.link.publish("c", bytes(range(256)))
    bob.heard.next("message", "a", b"one")
    bob.heard.next("message", "b", b"")
    eve.heard.next("message", "c", bytes(range(256)))
    bob.link.publish("a", b"two")
    ada.heard.next("message", "a", b"two")
    assert ada.payloads == [b"two"], "nobody hears himself"
    assert len(bob.payloads) == 2
    assert ada.link.numbers._replace(waiting=0) == (3, 0, 3, 0, 0, 0, 2)


@pytest.mark.parametrize("channel", ["socket.io#/chat#rööm#", "a b\r\nc", "", "\ud800"])
def test_a_channel_has_any_name(channel: str, shared: RedisServer, listen: Listen) -> None:
    bob = listen(shared.url, channel).stands()
    listen(shared.url).stands().link.publish(channel, b"x")
    bob.heard.next("message", channel, b"x")


def test_what_is_published_in_one_turn_leaves_in_one_write(
    shared: RedisServer, listen: Listen
) -> None:
    def reads() -> int:
        stats = shared.command("INFO", "stats")
        return int(stats["total_reads_processed"])

    ada = listen(shared.url).stands()
    bob = listen(shared.url, "joined").stands()
    asking = -reads() + reads()
    before = reads()
    for number in range(10):
        ada.link.publish("joined", b"%d" % number)
    bob.heard.next("message", "joined", b"9")
    assert reads() - before - asking == 1
    assert bob.payloads == [b"%d" % number for number in range(10)]


def test_many_arrive_in_order(shared: RedisServer, listen: Listen) -> None:
    bob = listen(shared.url, "much").stands()
    publishers = [listen(shared.url).stands() for _ in range(3)]
    for number in range(3000):
        for each, ear in enumerate(publishers):
            assert ear.link.publish("much", b"%d %d" % (each, number))
        if number % 100 == 0:
            gevent.sleep(0)
    eventually(lambda: len(bob.payloads) == 9000, "all are there")
    for each in range(3):
        heard = [payload for payload in bob.payloads if payload.startswith(b"%d " % each)]
        assert heard == [b"%d %d" % (each, number) for number in range(3000)]
    assert bob.heard.all("gap") == []


def test_large_ones_arrive_and_too_large_ones_are_refused(
    shared: RedisServer, listen: Listen
) -> None:
    bob = listen(shared.url, "large").stands()
    ada = listen(shared.url).stands()
    with pytest.raises(UsageError, match="1000000 bytes"):
        ada.link.publish("large", bytes(MAX_PAYLOAD + 1))
    for number in range(5):
        ada.link.publish("large", bytes([number]) * MAX_PAYLOAD)
    bob.heard.next("message", "large", b"\4" * MAX_PAYLOAD)
    assert len(bob.payloads) == 5
    assert bob.heard.all("gap") == [], "what was refused has no number"


def test_channels_come_and_go(shared: RedisServer, listen: Listen) -> None:
    bob = listen(shared.url, "stays").stands()
    ada = listen(shared.url).stands()
    names = [f"room {number}" for number in range(1200)]
    bob.link.subscribe(*names, "stays", then=lambda: bob.heard.add("confirmed"))
    bob.heard.next("confirmed")
    bob.link.subscribe("stays", then=lambda: bob.heard.add("at once"))
    assert bob.heard.all("at once")
    ada.link.publish("room 1199", b"x")
    bob.heard.next("message", "room 1199", b"x")
    bob.link.unsubscribe(*names, "never was one")
    assert bob.link.numbers.channels == 1
    ada.link.publish("room 1199", b"y")
    ada.link.publish("stays", b"z")
    bob.heard.next("message", "stays", b"z")
    # Back again: what was published meanwhile was not for it, and is not missing.
    bob.link.subscribe("room 1199", then=lambda: bob.heard.add("again"))
    bob.heard.next("again")
    ada.link.publish("room 1199", b"w")
    bob.heard.next("message", "room 1199", b"w")
    assert bob.payloads == [b"x", b"z", b"w"]
    assert bob.heard.all("gap") == []


def test_what_is_published_before_the_connection_is_there_waits_for_it(
    shared: RedisServer, listen: Listen
) -> None:
    bob = listen(shared.url, "early").stands()
    ada = listen(shared.url)
    assert ada.link.publish("early", b"before")
    bob.heard.next("message", "early", b"before")


def test_close_sends_what_was_published(shared: RedisServer, listen: Listen) -> None:
    bob = listen(shared.url, "last words").stands()
    ada = listen(shared.url).stands()
    ada.link.publish("last words", b"bye")
    ada.link.close()
    assert ada.link.publish("last words", b"too late") is False
    ada.link.subscribe("x")
    ada.link.close()
    bob.heard.next("message", "last words", b"bye")


def test_at_the_end_of_a_process_the_server_reads_all(shared: RedisServer, listen: Listen) -> None:
    bob = listen(shared.url, "last words").stands()
    ada = listen(shared.url).stands()
    for number in range(5_000):
        ada.link.publish("last words", b"%d" % number + bytes(1_000))
    ada.link.close(10)
    bob.heard.wait(lambda: len(bob.payloads) == 5_000 or None, "all")
    assert bob.heard.all("gap") == []


def test_nothing_stays_open(shared: RedisServer) -> None:
    def connections() -> int:
        clients: bytes = shared.command("CLIENT", "LIST")
        return clients.count(b" name=leaves ")

    url = f"{shared.url}?client_name=leaves"
    ear = Ear(url, "x").stands()
    assert connections() == 2
    ear.link.close()
    eventually(lambda: not connections(), "both are closed")
    unheard = Ear(url, "x")
    gevent.sleep(0)
    unheard.link.close()  # while it connects
    eventually(lambda: not connections(), "none is left")


# ---- where the server is


@pytest.fixture
def guarded(start_redis: Start, redis_folder: Path) -> tuple[RedisServer, int]:
    """A server with users, and its port for TLS."""
    certificate = make_certificate(redis_folder)
    tls = quiet_port()
    server = start_redis(
        f"tls-port {tls}",
        "tls-auth-clients no",
        f"tls-cert-file {certificate.certfile}",
        f"tls-key-file {certificate.keyfile}",
        "user ada on >p#ss/w:rd &* +@all",
    )
    return server, tls


@pytest.mark.parametrize("protocol", ["", "&protocol=2", "&protocol=3"])
@pytest.mark.parametrize("kind", ["redis", "rediss", "unix"])
def test_redis_py_knows_the_way(
    kind: str, protocol: str, guarded: tuple[RedisServer, int], redis_folder: Path, listen: Listen
) -> None:
    server, tls = guarded
    user = "ada:p%23ss%2Fw%3Ard@"
    url = {
        "redis": f"redis://{user}127.0.0.1:{server.port}/0?db=1{protocol}",
        "rediss": f"rediss://{user}127.0.0.1:{tls}/?ssl_ca_certs={redis_folder}/certificate.pem"
        f"{protocol}",
        "unix": f"unix://{user}{server.path}?db=0{protocol}",
    }[kind]
    bob = listen(url, "there").stands()
    ada = listen(url).stands()
    assert "p#ss" not in bob.link.label
    for number in range(3):
        # More than one record of TLS.
        ada.link.publish("there", b"%d" % number * 200_000)
    bob.heard.next("message", "there", b"2" * 200_000)
    assert [payload[:1] for payload in bob.payloads] == [b"0", b"1", b"2"]


def test_sentinel_says_where_the_master_is(start_redis: Start, listen: Listen) -> None:
    master = start_redis()
    sentinel = start_redis(f"sentinel monitor mymaster 127.0.0.1 {master.port} 1", sentinel=True)
    bob = listen(f"sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/mymaster/0", "found").stands()
    listen(master.url).stands().link.publish("found", b"x")
    bob.heard.next("message", "found", b"x")
    assert bob.link.label == "sentinel service mymaster"


def test_any_node_of_a_cluster_will_do(nodes: list[RedisServer], listen: Listen) -> None:
    known = ",".join(f"127.0.0.1:{port}" for port in (1, nodes[0].port))
    bobs = [listen(each.url, "everywhere").stands() for each in nodes]
    ada = listen(f"cluster://{known}?sharded=no", "everywhere").stands()
    assert ada.link.label == "Redis Cluster at 127.0.0.1:1"
    ada.link.publish("everywhere", b"x")
    for bob in bobs:
        bob.heard.next("message", "everywhere", b"x")
    bobs[1].link.publish("everywhere", b"y")
    ada.heard.next("message", "everywhere", b"y")
    # Wherever it is connected: the nodes that it was not told about, too.
    for node in nodes[1:]:
        node.kill()

    def hears() -> bool:
        bobs[0].link.publish("everywhere", b"z")
        return b"z" in ada.payloads

    eventually(hears, "it has found the one that is left")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param(
            "http://localhost",
            "begins with one of redis://, .* clusters://",
            id="another scheme",
        ),
        pytest.param(
            "localhost:6379", "begins with one of redis://, .* clusters://", id="no scheme"
        ),
        pytest.param("redis://:se/cret@localhost", "percent-encoded", id="a bare slash"),
        pytest.param("redis://localhost:secret", "percent-encoded", id="no port"),
        pytest.param("redis://localhost?wrong=1", "unknown .*wrong", id="an unknown option"),
        pytest.param("redis://localhost?db=cret@", "percent-encoded", id="a wrong value"),
        pytest.param("redis", "begins with one of redis://", id="a scheme alone"),
        pytest.param("redis://:secret@localhost/staging", "number of a database", id="a name"),
        pytest.param("sentinel://localhost", "a host and a service", id="no service"),
        pytest.param("sentinel:///service", "a host and a service", id="nobody to ask"),
        pytest.param("cluster://localhost/1", "hosts alone", id="a cluster has no databases"),
        pytest.param("cluster://", "hosts alone", id="no nodes"),
    ],
)
def test_a_url_that_cannot_be_one_is_refused_without_its_password(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        RedisLink(
            url, GeventRuntime(), on_message=print, on_gap=print, say=lambda *args, **options: None
        )
    assert "cret@" not in str(refusal.value)


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_missing", ImportError("No module named 'redis'"))
    with pytest.raises(UsageError, match=r"pip install 'sockio-wsgi\[redis\]'"):
        address.Address("redis://localhost")


def test_a_name_that_can_be_none_is_refused(shared: RedisServer) -> None:
    with pytest.raises(UsageError, match="1 to 16 letters"):
        Ear(shared.url, name="a name")


UNPATCHED = """
import sys
import gevent, gevent.event, gevent.server
from sockio.backplane.redis import RedisLink
from sockio.runtime.gevent_runtime import GeventRuntime

# A server in the same loop, which nobody would hear if connecting stopped it: it passes on to the
# real one.
def forward(near, address):
    far = gevent.socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    def pump(one, other):
        while data := one.recv(65536):
            other.sendall(data)
    gevent.spawn(pump, far, near)
    pump(near, far)

server = gevent.server.StreamServer(("127.0.0.1", 0), forward)
server.start()
runtime = GeventRuntime()
runtime.bind()
heard = gevent.event.Event()
def link():
    up = gevent.event.Event()
    made = RedisLink(
        f"redis://127.0.0.1:{server.server_port}", runtime,
        on_message=lambda channel, payload: heard.set(), on_gap=print,
        say=lambda *args, **options: print(args), on_state=lambda stands: up.set())
    made.subscribe("unpatched")
    made.start()
    assert up.wait(10)
    return made
one, two = link(), link()
one.publish("unpatched", b"x")
assert heard.wait(10)
"""


def test_connecting_does_not_stop_a_loop_whose_library_is_not_patched(shared: RedisServer) -> None:
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", UNPATCHED, str(shared.port)],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


# ---- bad publications


@pytest.fixture
def noisy(shared: RedisServer, listen: Listen) -> Iterator[Ear]:
    ear = listen(shared.url, "open").stands()
    yield ear
    listen(shared.url).stands().link.publish("open", b"still there")
    ear.heard.next("message", "open", b"still there")
    gc.collect()


def frame(
    version: int = 1, publisher: bytes = b"eve", series: int = 1, number: int = 1, payload: str = ""
) -> bytes:
    return b"".join(
        [
            bytes([version]),
            publisher.ljust(16, b"\0"),
            series.to_bytes(4, "big"),
            number.to_bytes(8, "big"),
            payload.encode(),
        ]
    )


@pytest.mark.parametrize(
    ("published", "kind"),
    [
        pytest.param(b"", "redis_garbage", id="nothing"),
        pytest.param("text", "redis_garbage", id="text"),
        pytest.param(12345678901234567890, "redis_garbage", id="a number"),
        pytest.param(b"\x80\x04pickle and more, so that it is no short one", "redis_version"),
        pytest.param(frame(version=2, payload="x"), "redis_version", id="a later version"),
        pytest.param(frame(publisher=b"\xff\n"), "redis_garbage", id="no name"),
        pytest.param(frame(publisher=b""), "redis_garbage", id="an empty name"),
        pytest.param(frame(publisher=b"a\0b"), "redis_garbage", id="a name and more"),
        pytest.param(frame() + bytes(MAX_PAYLOAD + 1), "redis_garbage", id="too long"),
    ],
)
def test_what_is_no_frame_is_dropped_with_a_line(
    published: object, kind: str, noisy: Ear, shared: RedisServer
) -> None:
    shared.command("PUBLISH", "open", published)
    _, text = noisy.heard.next("said", kind)
    assert text.startswith("WARNING ")
    assert "'open'" in text
    assert noisy.payloads == []


def test_forged_numbers_disturb_for_a_while_only(noisy: Ear, shared: RedisServer) -> None:
    def publish(number: int) -> None:
        shared.command("PUBLISH", "open", frame(number=number, payload=str(number)))

    publish(5)
    publish(6)
    publish(6)  # again
    publish(2)  # late
    publish(9)
    publish(2**63)  # nobody has got so far
    noisy.heard.next("said", "redis_garbage")
    noisy.heard.next("said", "redis_late")
    assert noisy.payloads == [b"5", b"6", b"9"]
    assert noisy.heard.all("gap") == [("eve", 2)]
    publish(500_000_000)  # forged: the true ones seem to be late
    for number in range(10, 30):
        publish(number)
    noisy.heard.next("message", "open", b"29")
    assert noisy.link.numbers.missing == 2 + 499_999_990


def test_what_a_callback_raises_is_logged_and_the_rest_arrives(
    shared: RedisServer, listen: Listen
) -> None:
    def fail(channel: str, payload: bytes) -> None:
        bob.heard.add("message", channel, payload)
        raise ValueError(payload)

    bob = listen(shared.url, "callbacks", on_message=fail).stands()
    ada = listen(shared.url).stands()
    for number in range(3):
        ada.link.publish("callbacks", b"%d" % number)
    bob.heard.next("message", "callbacks", b"2")
    assert len(bob.said("redis_handler")) == 3
