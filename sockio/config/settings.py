"""The settings, as one table: name, converter, default, what it means.

The same table feeds keyword arguments, ini keys and command-line options, so a value may always
come as the string that an ini file holds: ``ping_interval="25"`` is ``25.0``. Times are
seconds, sizes are bytes. A :class:`Settings` object is frozen and belongs to one middleware; two
middlewares in one process never share one.
"""

from __future__ import annotations

import math
import os
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..exceptions import SettingsError, UsageError
from .forwarded import TrustedProxies
from .origins import Hosts
from .other_names import unknown
from .plain import check_gate, check_plain
from .rates import Rate

__all__ = ["FAST_PATHS", "GENERATIONS", "OPTIONS", "Option", "Settings", "flag"]

#: Seconds: two of them, in milliseconds, are what a timer of JavaScript can be set to.
LONGEST_TIMER = 1_000_000
#: Bytes that wait to be handled, where a setting says nothing of them.
INBOX_BYTES = 4_000_000
#: Bytes of memory that are kept for who comes back, where a setting says nothing of them.
RECOVERY_BYTES = 20_000_000
#: Bytes from which a message is compressed, where a setting says only that.
COMPRESSED = 1024
#: Bytes of memory of one client's rooms, where a setting says nothing of them.
ROOMS_BYTES = 8_000_000
#: Bytes of memory of one client's callbacks, where a setting says nothing of them.
ACKS_BYTES = 4_000_000
#: Sessions of all addresses together, where a setting says nothing of them.
SESSIONS = 100_000

#: Programs that publish for Socket.IO servers: Node's, and python-socketio's write-only manager.
INPUTS = ("redis-emitter", "python-socketio")

Converter = Callable[[Any], Any]
#: What a converter raises for a value that it refuses.
_OF_CONVERTERS = (
    ValueError,
    TypeError,
    OverflowError,
    ImportError,
    AttributeError,
    UsageError,
)


def _seconds(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError("must be a positive number of seconds")
    return number


def _told_to_client(value: Any) -> float:
    """Seconds that a client reads from its handshake, and sets a timer of JavaScript to."""
    if value in (0, "0"):
        # 0.9 multiplies an empty field by a thousand, and gives up after no time at all.
        raise ValueError(
            "must be a positive number of seconds. The reference's 0 turned it off, and kept the "
            "JavaScript clients of 0.9 from ever connecting; a week is 604800"
        )
    seconds = _seconds(value)
    if seconds > LONGEST_TIMER:
        raise ValueError(f"must be {LONGEST_TIMER} at most: longer timers of browsers end at once")
    return seconds


def _count(value: Any) -> int:
    number = int(value)
    if number < 1 or (isinstance(value, float) and number != value):
        raise ValueError("must be a positive whole number")
    return number


def _count_or_none(value: Any) -> int:
    return 0 if value in (0, "0") and value is not False else _count(value)


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    return tuple(str(item) for item in value)


# What narrows who may come is not left open by an empty value: that is a variable that was not set,
# perhaps, or a list that something else was to fill. Where an empty one lets in the fewest, as with
# origins and trusted_proxies, it is as good as None.


def _transports(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = _words(value)
    if not names:
        raise ValueError("must name at least one transport; leave it out, or None, for all of them")
    return names


def _resource(value: Any) -> str:
    resource = value.strip("/") if isinstance(value, str) else ""
    if not resource or any(character in resource for character in "?#"):
        raise ValueError("must be a URL path such as 'socket.io' or 'live/socket.io'")
    return resource


def _group(value: Any) -> str:
    name = "" if value is None else str(value)
    if not re.fullmatch(r"[A-Za-z0-9_.~/-]{0,60}", name):
        raise ValueError("must be up to 60 letters, digits or any of _ . ~ / -")
    return name


def _sid_prefix(value: Any) -> str:
    prefix = str(value)
    if not re.fullmatch(r"[A-Za-z0-9_.~-]{0,40}", prefix):
        raise ValueError("must be up to 40 letters, digits or any of _ . ~ -")
    return prefix


def _backplane(value: Any) -> str:
    url = str(value or "")
    if url and not url.partition("://")[1]:
        raise ValueError("must be a URL, such as redis://localhost:6379")
    return url


def _inputs(value: Any) -> tuple[str, ...]:
    words = _words(value)
    unknown = [word for word in words if word not in INPUTS]
    if unknown:
        raise ValueError(f"must be among {', '.join(INPUTS)}")
    return words


def _directory(value: Any) -> str:
    path = os.fspath(value) if value else ""
    if path and path != "off" and not os.path.isabs(path):
        raise ValueError("must be an absolute path, the same for all workers, or 'off'")
    return str(path)


def _imported(value: Any) -> Any:
    """A callable, or the dotted name of one (``package.module:name``), or None."""
    if isinstance(value, str):
        if not value:
            return None
        value = pkgutil.resolve_name(value)
    if value is not None and not callable(value):
        raise ValueError("must be a callable or the dotted name of one")
    check_plain(value, "it")
    return value


def _gate(value: Any) -> Any:
    """One whose value decides who comes in."""
    if value == "":
        # A variable that was not set, perhaps: nobody would ask any more.
        raise ValueError("must be a callable or the dotted name of one; leave it out for everybody")
    value = _imported(value)
    if value is not None:
        check_gate(value, "it")
    return value


def _classes(value: Any) -> tuple[Any, ...]:
    """Classes, or the dotted names of some."""
    given = _words(value) if isinstance(value, str) else tuple(value)
    return tuple(_imported(each) for each in given)


def _origins(value: Any) -> Any:
    if callable(value):
        return _gate(value)
    if value is None or value == "":
        return None
    if isinstance(value, str) and ":" in value and "//" not in value and "*" not in value:
        return _gate(value)
    words = _words(value)
    if "*" in words:
        return "*"
    for word in words:
        if word != "null" and "://" not in word:
            raise ValueError(f"{word!r} is no origin; write scheme and host: 'https://{word}'")
        if "*" in word:
            raise ValueError(f"{word!r} would match no origin; use a callable for patterns")
        if word.lower().startswith(("ws://", "wss://")):
            page = "http" + word[2:]
            raise ValueError(f"{word!r} would match no origin, which is that of the page: {page!r}")
    return tuple(word if word == "null" else _as_sent(word) for word in words)


def _as_sent(origin: str) -> str:
    """An origin as browsers send it: hosts in ASCII, and no port that goes without saying. Raises
    ``ValueError`` for what no browser sends."""
    scheme, _, host = origin.lower().partition("://")
    host = host.rstrip("/")
    if scheme == "file" and not host:
        return "file://"  # of pages inside of an app, in some web views
    if not host or re.search(r"[/?#@\\\s]", host):
        raise ValueError(
            f"{origin!r} would match no origin: scheme, host and maybe a port, and no path, "
            "such as 'https://www.example.com'"
        )
    usual = {"http": ":80", "https": ":443"}.get(scheme)
    if usual is not None:
        host = host.removesuffix(usual)
    return f"{scheme}://{host if host.isascii() else host.encode('idna').decode('ascii')}"


def _hosts(value: Any) -> Hosts | None:
    if value is None or isinstance(value, Hosts):
        return value
    hosts = Hosts.named(_words(value or ()))
    if hosts is None:
        raise ValueError(
            "must name at least one host, such as 'chat.example.com'; leave it out, or None, for "
            "any"
        )
    return hosts


def _trusted_proxies(value: Any) -> TrustedProxies | None:
    if isinstance(value, TrustedProxies):
        return value
    return TrustedProxies.named(_words(value or ()))


def _client_script(value: Any) -> Path | None:
    if value is None or value == "":
        return None
    path = Path(value)
    script = path / "socket.io.js" if path.is_dir() else path
    if not script.is_file():
        raise ValueError(f"there is no file {str(script)!r} (in {Path.cwd()})")
    return path


def _pair(value: Any) -> tuple[int, int]:
    items = _words(value) if isinstance(value, str) else tuple(value)
    if len(items) != 2:
        raise ValueError("must be two numbers: packets, bytes")
    return _count(items[0]), _count(items[1])


def _inbox(value: Any) -> tuple[int, int]:
    """Packets and bytes; a single number is the packets, as it was before there were two."""
    items = _words(value) if isinstance(value, str) else value
    if isinstance(items, (int, float)):
        items = (items,)
    if len(items) == 1:
        return _count(items[0]), INBOX_BYTES
    return _pair(items)


def _rooms(value: Any) -> tuple[int, int]:
    return _number_and_bytes(value, "rooms", ROOMS_BYTES)


def _acks(value: Any) -> tuple[int, int]:
    return _number_and_bytes(value, "callbacks", ACKS_BYTES)


def _number_and_bytes(value: Any, of_what: str, size: int) -> tuple[int, int]:
    """So many and their bytes; a single number is how many."""
    items = _words(value) if isinstance(value, str) else value
    items = [items] if isinstance(items, (int, float)) else [*items]
    if len(items) == 1:
        items.append(size)
    if len(items) != 2:
        raise ValueError(f"must be one or two numbers: {of_what}, bytes")
    return _count(items[0]), _count(items[1])


def _sessions(value: Any) -> tuple[int, int]:
    """Of one address, and of all; a single number is the former. 0 is no limit."""
    items = _words(value) if isinstance(value, str) else value
    if isinstance(items, (int, float)):
        return _count_or_none(items), SESSIONS
    if len(items) == 1:
        return _count_or_none(items[0]), SESSIONS
    if len(items) != 2:
        raise ValueError("must be one or two numbers: sessions of one address, and of all")
    return _count_or_none(items[0]), _count_or_none(items[1])


def _recovery(value: Any) -> tuple[float, int] | None:
    """Seconds and bytes; a single number is the seconds."""
    if value is None or value == "":
        return None
    items: Any = _words(value) if isinstance(value, str) else value
    if isinstance(items, (int, float)):
        items = (items,)
    if len(items) == 1:
        return _seconds(items[0]), RECOVERY_BYTES
    if len(items) != 2:
        raise ValueError("must be seconds, or two numbers: seconds, bytes")
    return _seconds(items[0]), _count(items[1])


def _compression(value: Any) -> int | None:
    """Bytes; yes is from a kilobyte on, as ws has it."""
    if value is None or value is False or value == "":
        return None
    if isinstance(value, str) and not value.strip().isdigit():
        value = flag(value)
        return COMPRESSED if value else None
    return COMPRESSED if value is True else _count(value)


def _rate(value: Any) -> Rate | None:
    if value is None or isinstance(value, Rate):
        return value
    if value == "":
        raise ValueError("must be a rate, such as '100/1s'; leave it out, or None, for no limit")
    return Rate.parse(value)


def flag(value: Any) -> bool:
    """A yes or no, also as an ini file says it."""
    words = {"1": True, "yes": True, "true": True, "on": True}
    words |= {"": False, "0": False, "no": False, "false": False, "off": False}
    known = value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if known is None:
        raise ValueError("must be true or false")
    return known


def _port(value: Any) -> int:
    number = int(value)
    if not 0 <= number <= 65535:
        raise ValueError("must be a port number")
    return number


def _one_of(*allowed: str) -> Converter:
    def convert(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return convert


#: What can be left out, each a way that is faster where it is possible at all: answering requests
#: without the WSGI server, taking a websocket out of its request, joining what leaves in one turn,
#: keeping tasks for handlers, and reading whole text frames without the WebSocket library.
FAST_PATHS = ("http", "detach", "join", "workers", "frames")


#: The generations of clients, by the names that the setting has for them: 0.7 to 0.9; 1.x and 2.x;
#: 3.x and 4.x.
GENERATIONS = ("0.9", "eio3", "eio4")


def _generations(value: Any) -> tuple[str, ...]:
    names = _words(value)
    for name in names:
        if name not in GENERATIONS:
            raise ValueError(f"there is no generation {name!r}; known: {', '.join(GENERATIONS)}")
    if not names:
        raise ValueError("must name at least one generation")
    return names


def _fast_paths(value: Any) -> tuple[str, ...]:
    names = _words(value or ())
    for name in names:
        if name not in FAST_PATHS:
            raise ValueError(f"there is no fast path {name!r}; known: {', '.join(FAST_PATHS)}")
    return names


def _option(default: Any, convert: Converter, doc: str) -> Any:
    return field(default=default, metadata={"convert": convert, "doc": doc})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one middleware works by. Make it with :meth:`make`, which converts and checks."""

    resource: str = _option("socket.io", _resource, "URL path prefix of the endpoint")
    transports: tuple[str, ...] | None = _option(
        None, _transports, "names of the transports offered, in order; None is all of them"
    )
    own_transports: tuple[Any, ...] = _option(
        (), _classes, "transports of the application's own for clients of 0.9: their classes"
    )
    heartbeat_interval: float = _option(
        25.0, _seconds, "seconds between heartbeats of clients of 0.9 on streaming transports"
    )
    heartbeat_timeout: float = _option(
        60.0, _told_to_client, "seconds to wait for the answer to a heartbeat of that kind"
    )
    close_timeout: float = _option(
        60.0,
        _told_to_client,
        "seconds a session lives without any request; also told to the client",
    )
    polling_duration: float = _option(20.0, _seconds, "seconds after which an idle poll is ended")
    generations: tuple[str, ...] = _option(
        GENERATIONS,
        _generations,
        f"generations of clients that are served, of {', '.join(GENERATIONS)}",
    )
    ping_interval: float = _option(
        25.0,
        _told_to_client,
        "seconds between two heartbeats of clients since 1.0, on every transport",
    )
    ping_timeout: float = _option(
        20.0,
        _told_to_client,
        "seconds that a client since 1.0 may be late with its heartbeat",
    )
    upgrade_timeout: float = _option(
        10.0, _seconds, "seconds that a client since 1.0 may try out a websocket"
    )
    connect_timeout: float = _option(
        45.0, _seconds, "seconds within which a client since 1.0 has to join a namespace"
    )
    recovery: tuple[float, int] | None = _option(
        None,
        _recovery,
        "seconds for which, and bytes of what, is kept for clients who lost their connection",
    )
    bytes_to_09: str = _option(
        "base64",
        _one_of("base64", "refuse"),
        "bytes toward clients of 0.9: 'base64' writes {\"base64\": ...}, 'refuse' is an error",
    )
    compression: int | None = _option(
        None,
        _compression,
        "bytes from which websocket messages of clients since 1.0 are compressed; None is never",
    )
    msgpack: bool = _option(
        False, flag, "whether clients 3.x and 4.x may have socket.io-msgpack-parser"
    )
    bare: bool = _option(
        False, flag, "whether clients of Engine.IO speak no Socket.IO: their messages come as such"
    )
    origins: Any = _option(
        None, _origins, "allowed origins: None (same origin), a list, '*', or a callable"
    )
    hosts: Hosts | None = _option(
        None, _hosts, "names of this server, such as '*.example.com'; None takes any"
    )
    trusted_proxies: TrustedProxies | None = _option(
        None,
        _trusted_proxies,
        "addresses and networks of proxies whose X-Forwarded headers count; also 'unix' or '*'",
    )
    client_script: Path | None = _option(
        None,
        _client_script,
        "file or folder of the client that is served as socket.io.js; None looks in node_modules",
    )
    authorize: Callable[..., Any] | None = _option(
        None, _gate, "callable(request) that decides on each handshake"
    )
    mesh: str = _option(
        "",
        _directory,
        "directory by which the workers of one host find each other; "
        "empty is SOCKIO_MESH of the environment, 'off' none",
    )
    group: str = _option(
        "",
        _group,
        "what this middleware is called in all processes that are one by mesh or backplane; "
        "empty is its resource, and for further ones of a process a number besides",
    )
    backplane: str = _option(
        "", _backplane, "URL of the Redis server by which the processes of several hosts are one"
    )
    backplane_relay: bool = _option(
        False, flag, "whether two workers of a host hear the Redis server for all of it"
    )
    backplane_inputs: tuple[str, ...] = _option(
        (), _inputs, f"programs whose publications there are understood: {', '.join(INPUTS)}"
    )
    backplane_rooms: bool = _option(
        False,
        flag,
        "whether what is for one room goes only to the processes that have somebody in it",
    )
    on_gap: Callable[[str, int], Any] | None = _option(
        None, _imported, "callable(process, number) that is told of lost emissions of another host"
    )
    sid_prefix: str = _option(
        "", _sid_prefix, "in front of session ids, for proxies that tell servers apart by it"
    )
    max_payload: int = _option(
        1_000_000, _count, "bytes of a request body, of a websocket message and of one answer"
    )
    max_packets: int = _option(10_000, _count, "packets in one request body")
    max_outbox: tuple[int, int] = _option(
        (10_000, 8_000_000), _pair, "packets and bytes of memory waiting for one client"
    )
    overflow: str = _option(
        "close", _one_of("close", "drop"), "full outbox: 'close' the client or 'drop' the packet"
    )
    max_inbox: tuple[int, int] = _option(
        (1_000, INBOX_BYTES), _inbox, "received packets and bytes of one client not handled yet"
    )
    max_acks: tuple[int, int] = _option(
        (1_000, ACKS_BYTES),
        _acks,
        "callbacks of one client waiting for their ack, and bytes of memory of these",
    )
    max_concurrent: int = _option(
        10, _count, "handlers of one client, marked with @concurrent, that run at once"
    )
    max_rooms: tuple[int, int] = _option(
        (10_000, ROOMS_BYTES), _rooms, "rooms that one client is in, and bytes of memory of these"
    )
    rate_limit: Rate | None = _option(
        None, _rate, "events of one client, such as '100/1s' or '100/1s close'; None is no limit"
    )
    max_unopened: int = _option(
        5_000, _count, "sessions per address that were handshaken and that nobody came back to"
    )
    max_sessions: tuple[int, int] = _option(
        (10_000, SESSIONS), _sessions, "sessions of one address, and of all; 0 is no limit"
    )
    log_lines: int = _option(
        10, _count_or_none, "lines a minute of one kind about one address; 0 is all of them"
    )
    head_timeout: float = _option(
        10.0, _seconds, "seconds for a request's head, or the handshake of TLS, to arrive"
    )
    keep_alive: float = _option(
        10.0, _seconds, "seconds a connection may be idle between two requests"
    )
    max_head: int = _option(65_536, _count, "bytes of a request line and its headers")
    max_connections: int = _option(
        0, _count_or_none, "connections at a time; 0 is as many as the system lets be open"
    )
    ack_timeout: float = _option(60.0, _seconds, "seconds a callback waits for its ack")
    context: Callable[..., Any] | None = _option(
        None, _imported, "callable(namespace) giving a context manager around each event"
    )
    job_context: Callable[..., Any] | None = _option(
        None, _imported, "callable(namespace) giving a context manager around each spawned task"
    )
    policy_server: bool = _option(
        False, flag, "whether SocketIOServer answers Flash's policy-file requests"
    )
    policy_listener_host: str = _option(
        "", str, "address of the policy server; empty is the server's own"
    )
    policy_listener_port: int = _option(10843, _port, "port of the policy server")
    policy_domains: tuple[str, ...] = _option(
        (), _words, "domains whose Flash pages may connect; '*' is any"
    )
    error_handler: Callable[..., Any] | None = _option(
        None, _imported, "callable(socket, name, message, endpoint, msg_id, quiet)"
    )
    json_loads: Callable[[str], Any] | None = _option(
        None, _imported, "JSON decoder in place of the strict one of the standard library"
    )
    json_dumps: Callable[[Any], str] | None = _option(
        None, _imported, "JSON encoder in place of the strict one of the standard library"
    )
    json_default: Callable[[Any], Any] | None = _option(
        None, _imported, "callable(value) that gives what JSON has for what it does not have"
    )
    without: tuple[str, ...] = _option(
        (), _fast_paths, f"fast paths to leave out, of {', '.join(FAST_PATHS)}"
    )

    @classmethod
    def make(cls, options: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Settings:
        """Settings from keyword arguments or from the strings of an ini section.

        Raises :class:`~sockio.exceptions.SettingsError` for an unknown name, for a value that its
        converter refuses, and for times that contradict each other.
        """
        given = {**(options or {}), **kwargs}
        converted = {}
        for name, value in given.items():
            option = OPTIONS.get(name)
            if option is None:
                raise SettingsError(unknown(name, OPTIONS))
            try:
                converted[name] = option.convert(value)
            except _OF_CONVERTERS as error:
                raise SettingsError(
                    f"setting {name}={value!r}: {str(error).rstrip('.')}. It is: {option.doc}."
                ) from error
        settings = cls(**converted)
        settings._check()
        return settings

    def _check(self) -> None:
        # The client restarts its own timers with what the handshake told it (fact sheet,
        # section 6, "Timers"): contradicting times make every client drop in turn.
        if self.heartbeat_interval >= self.heartbeat_timeout:
            raise SettingsError(
                f"heartbeat_interval ({self.heartbeat_interval:g} s) must be shorter than "
                f"heartbeat_timeout ({self.heartbeat_timeout:g} s): clients hang up when nothing "
                "arrives for the timeout."
            )
        for name in ("heartbeat_interval", "polling_duration"):
            if getattr(self, name) >= self.close_timeout:
                raise SettingsError(
                    f"{name} ({getattr(self, name):g} s) must be shorter than close_timeout "
                    f"({self.close_timeout:g} s): clients expect data within the close timeout."
                )
        if self.policy_server and not self.policy_domains:
            raise SettingsError(
                "policy_server needs the domains whose pages may connect: "
                "policy_domains=['www.example.com'] (['*'] for any page)."
            )


@dataclass(frozen=True)
class Option:
    """One row of the table."""

    name: str
    convert: Converter
    default: Any
    doc: str


#: Every setting by name, in the order of the documentation.
OPTIONS: Mapping[str, Option] = {
    item.name: Option(item.name, item.metadata["convert"], item.default, item.metadata["doc"])
    for item in fields(Settings)
}
