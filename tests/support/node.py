"""The real JavaScript clients in a node process that tests can talk to: socket.io-client 0.9.17 by
:meth:`Node.connect`, and those since 1.0 by :meth:`Node.join`.

::

    ada = node.connect(server.url + "/chat", "websocket")
    ada.next("connect")
    assert ada.ask("echo", "hello") == ["hello"]

tests/js/driver.js is the other end.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gevent
import pytest

from .transcript import Transcript

__all__ = ["LATER", "Client", "Node", "Program", "SharedNode", "find_client"]

#: The releases of later clients: the last of each line.
LATER = ("1.7.4", "2.5.0", "3.1.3", "4.8.4")

JS = Path(__file__).parents[1] / "js"
NODE_MODULES = Path(os.environ.get("SOCKIO_NODE_MODULES", str(JS / "node_modules")))


def find_client(package: str = "socket.io-client") -> str:
    """The path of the node program; skips the test where it or the client is missing.

    CI has to have both: there the test fails.
    """
    node = shutil.which("node")
    if node is not None and (NODE_MODULES / package).is_dir():
        return node
    missing = (
        "needs node on PATH" if node is None else f"needs {package}: run npm install in tests/js"
    )
    if os.environ.get("CI"):
        pytest.fail(f"{missing} (CI is set: it may not be skipped)")
    pytest.skip(missing)


def pack(value: Any) -> Any:
    """How bytes are told to the driver."""
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    raise TypeError(f"the driver takes no {type(value).__name__}")


def unpack(found: dict[str, Any]) -> Any:
    return base64.b64decode(found["$bytes"]) if "$bytes" in found else found


class Program:
    """A program of ``tests/js`` that is told a word by a line, and answers by one. It needs the
    package ``needs``; ``args`` follow the folder of all packages."""

    def __init__(self, script: str, *args: str, needs: str = "socket.io-client") -> None:
        self._process = subprocess.Popen(
            [find_client(needs), str(JS / script), str(NODE_MODULES), *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def read(self) -> str:
        """The next line. Blocks."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def ask(self, word: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return json.loads(self.read())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


class Node:
    """One node process and the clients in it."""

    def __init__(self) -> None:
        program = find_client()
        self._process = subprocess.Popen(
            [program, str(JS / "driver.js"), str(NODE_MODULES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        #: Everything said in both directions since the last :meth:`forget_all`.
        self.transcript = Transcript("node")
        self._numbers = itertools.count(1)
        self._clients: dict[str, Client] = {}
        self._listener = gevent.spawn(self._listen)
        self.transcript.next("ready")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def connect(self, url: str, transport: str, **options: Any) -> Client:
        """A new connection, and its namespace that the URL's path names.

        ``options`` are the client's own, with underscores for spaces (``reconnection_delay=10``).
        Connections do not come back by themselves unless ``reconnect=True``.
        """
        client = self._new_client()
        spaced = {name.replace("_", " "): value for name, value in options.items()}
        self.say("connect", name=client.name, url=url, transport=transport, options=spaced)
        return client

    def open(self, other: Client, namespace: str) -> Client:
        """One more namespace of a connection; the global one is ``""``."""
        client = self._new_client()
        self.say("open", name=client.name, of=other.name, namespace=namespace)
        return client

    def join(self, version: str, url: str, transports: Sequence[str], **options: Any) -> Client:
        """A new connection by one of the clients in :data:`LATER`, and the namespace that the
        URL's path names. ``options`` are the client's own, as it writes them. After a space, the
        version may name a parser: "4.8.4 msgpack"."""
        release, *parser = version.split()
        find_client(f"socket.io-client-{release}")
        for name in parser:
            find_client(f"socket.io-{name}-parser")
        client = self._new_client()
        options["transports"] = list(transports)
        self.say("join", name=client.name, version=version, url=url, options=options)
        return client

    def arrive(self, version: str, url: str, transports: Sequence[str], **options: Any) -> Client:
        """:meth:`join`, and wait until it is in and carried by what it stays with: by a websocket,
        where it begins by polling and may go over."""
        client = self.join(version, url, transports, **options)
        client.next("connect")
        if len(transports) > 1:
            assert client.next("upgrade") == [transports[-1]]
        assert client.transport == transports[-1]
        return client

    def join_too(self, other: Client, namespace: str, **options: Any) -> Client:
        """One more namespace of a connection made by :meth:`join`; the global one is ``/``."""
        client = self._new_client()
        self.say("join too", name=client.name, of=other.name, namespace=namespace, options=options)
        return client

    def _new_client(self) -> Client:
        name = f"client {next(self._numbers)}"
        client = self._clients[name] = Client(self, name)
        return client

    def say(self, command: str, **details: Any) -> None:
        """Send the driver one line."""
        assert self._process.stdin is not None
        self.transcript.add(f"> {command}", details)
        self._process.stdin.write(json.dumps({"do": command, **details}, default=pack) + "\n")
        self._process.stdin.flush()

    def ask(self, command: str, **details: Any) -> list[Any]:
        """Send the driver one line with a callback, and wait for what that is called with."""
        number = next(self._numbers)
        self.say(command, ask=number, **details)
        (args,) = self.transcript.next("answer", number)[1:]
        assert isinstance(args, list)
        return args

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                said = json.loads(line, object_hook=unpack)
            except ValueError:
                self.transcript.add("said", line.rstrip())
                continue
            if "ready" in said:
                self.transcript.add("ready", said["ready"])
            elif "ask" in said:
                self.transcript.add("answer", said["ask"], said["args"])
            elif (client := self._clients.get(said["name"])) is not None:
                client.sid = said.get("sid", client.sid)
                client.transport = said.get("transport", client.transport)
                self.transcript.add(said["name"], said["event"], said["args"])
        self.transcript.end()

    def forget_all(self) -> None:
        """End every connection; what they still say concerns nobody."""
        if self.alive:
            self.ask("forget all")
        self._clients.clear()
        self.transcript = Transcript("node")

    def kill(self) -> None:
        """End the process as a crash would: no client says goodbye."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


class SharedNode:
    """The one node process of a test run, as long as it lives; then the next one."""

    def __init__(self) -> None:
        self._node: Node | None = None

    def use(self) -> Iterator[Node]:
        """For one test: without clients before it, and without its own after it."""
        if self._node is not None and not self._node.alive:
            self.kill()
        if self._node is None:
            self._node = Node()
        yield self._node
        self._node.forget_all()

    def kill(self) -> None:
        node, self._node = self._node, None
        if node is not None:
            node.kill()


class Client:
    """One namespace of one connection, seen from the page that uses it."""

    def __init__(self, node: Node, name: str) -> None:
        self._node = node
        self.name = name
        #: The session id and the transport as of the last connect.
        self.sid = ""
        self.transport = ""

    def next(self, event: str) -> list[Any]:
        """The arguments of the next such event, here already or still to come. The client's own
        are among them: connect, connect_failed, disconnect, reconnect, error, message."""
        (args,) = self._node.transcript.next(self.name, event)[1:]
        assert isinstance(args, list)
        return args

    def got(self, event: str) -> list[Any]:
        """The arguments of all such events so far."""
        return [args for name, args in self._node.transcript.all(self.name) if name == event]

    @property
    def is_there(self) -> bool:
        """Whether it is connected, as far as it has said. Some say that they are not any more who
        never were."""
        told = [name for name, _ in self._node.transcript.all(self.name)]
        last = [name for name in told if name in ("connect", "disconnect")]
        return last[-1:] == ["connect"]

    def emit(self, event: str, *args: Any) -> None:
        self._node.say("emit", name=self.name, args=[event, *args])

    def emit_many(self, event: str, times: int) -> None:
        """Emit at once as many events as asked for, with their numbers from 0 as argument."""
        self._node.say("emit", name=self.name, args=[event], times=times)

    def ask(self, event: str, *args: Any) -> list[Any]:
        """Emit with a callback, and wait for the arguments that it gets."""
        return self._node.ask("emit", name=self.name, args=[event, *args])

    def send(self, text: str) -> None:
        self._node.say("send", name=self.name, args=[text])

    def send_and_wait(self, text: str) -> list[Any]:
        """Send a message with a callback, and wait for the acknowledgement."""
        return self._node.ask("send", name=self.name, args=[text])

    def send_json(self, value: Any) -> None:
        self._node.say("json", name=self.name, args=[value])

    def answer(self, event: str, *args: Any) -> None:
        """From now on acknowledge ``event`` with these arguments."""
        self._node.say("answer", name=self.name, event=event, args=args)

    def leave(self) -> None:
        """``disconnect()`` of the namespace: leaves it, and ends the connection if global."""
        self._node.say("leave", name=self.name)

    def rejoin(self) -> None:
        """Connect the namespace again."""
        self._node.say("rejoin", name=self.name)

    def disconnect(self) -> None:
        """End the connection."""
        self._node.say("disconnect", name=self.name)
