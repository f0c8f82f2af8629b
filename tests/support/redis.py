"""A Redis server of a test's own, and links to it whose callbacks are written down."""

from __future__ import annotations

import logging
import random
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sockio.backplane.redis import RedisLink
from sockio.runtime.gevent_runtime import GeventRuntime

from .processes import Process, need_program
from .transcript import Transcript

__all__ = ["Ear", "RedisServer", "quiet_port"]


def quiet_port() -> int:
    """A port that nobody listens on, and that the kernel gives to nobody who connects: there are
    many connections while servers start."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class RedisServer:
    """``redis-server``, empty, on a Unix socket and a port. It can be killed, and started again."""

    def __init__(
        self, folder: Path, *lines: str, sentinel: bool = False, prefix: Sequence[str] = ()
    ) -> None:
        """``lines`` are of its configuration; ``prefix`` is what its command begins with."""
        self._folder = folder
        self.port = quiet_port()
        self.path = folder / f"redis-{self.port}"
        config = folder / f"redis-{self.port}.conf"
        own = [f"port {self.port}", f"unixsocket {self.path}", f"dir {folder}", "bind 127.0.0.1"]
        own += [] if sentinel else ['save ""', "appendonly no"]
        # Sentinel writes into it.
        config.write_text("\n".join([*own, *lines, ""]))
        self._command = [*prefix, need_program("redis-server"), str(config)]
        if sentinel:
            self._command.append("--sentinel")
        self._ready = r"\+monitor|Sentinel ID" if sentinel else "Ready to accept connections"
        self.url = f"unix://{self.path}"
        self.process: Process
        self.start()

    def start(self) -> None:
        self.process = Process(self._command, self._folder)
        try:
            self.process.find(self._ready)
        except BaseException:
            self.process.kill()
            raise

    def command(self, *words: object, url: str = "") -> Any:
        """Say something to it, and give its answer."""
        import redis

        with redis.Redis.from_url(url or self.url) as client:
            return client.execute_command(*words)

    def freeze(self) -> None:
        self.process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send(signal.SIGCONT)

    def kill(self) -> None:
        """``kill -9``, and wait for it to be gone."""
        self.process.kill()


class Ear:
    """A link, and what it was told: ``message CHANNEL PAYLOAD``, ``gap PUBLISHER NUMBER``,
    ``state STANDS``, ``said KIND TEXT``."""

    def __init__(
        self, url: str, *channels: str, runtime: GeventRuntime | None = None, **options: Any
    ) -> None:
        self.heard = Transcript("link")
        if runtime is None:
            runtime = GeventRuntime()
            runtime.bind()
        self.runtime = runtime
        add = self.heard.add
        told: dict[str, Callable[..., object]] = {
            "on_message": lambda channel, payload: add("message", channel, payload),
            "on_gap": lambda publisher, missing: add("gap", publisher, missing),
            "on_state": lambda stands: add("state", stands),
            "say": self._say,
        }
        self.link = RedisLink(url, runtime, **{**told, **options})
        self.link.subscribe(*channels)
        self.link.start()

    def _say(
        self,
        logger: logging.Logger,
        level: int,
        kind: str,
        address: str,
        message: str,
        *args: Any,
        **options: Any,
    ) -> None:
        assert address == self.link.label
        self.heard.add("said", kind, f"{logging.getLevelName(level)} {message % args}")

    def overhears(self, *patterns: str) -> Ear:
        """Write down as ``overheard CHANNEL PAYLOAD`` what matches; wait until it does."""
        for pattern in patterns:
            self.link.overhear(pattern, lambda *told: self.heard.add("overheard", *told))
        # Commands of one connection are carried out in order.
        self.link.subscribe("behind", then=lambda: self.heard.add("behind"))
        self.heard.next("behind")
        return self

    def stands(self) -> Ear:
        """Wait until it does."""
        self.heard.next("state", True)
        return self

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, payload in self.heard.all("message")]

    def said(self, kind: str) -> list[str]:
        """The lines of a kind."""
        return [text for each, text in self.heard.all("said") if each == kind]
