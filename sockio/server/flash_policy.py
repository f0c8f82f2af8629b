"""The flash policy-file server: tells Flash Player which pages may open sockets here.

Flash asks once, on a port of its own, before it opens a socket to another port. Off unless it is
asked for; the pages that may connect are listed, and a wildcard is served only to those who ask for
one. See Adobe's "Setting up a socket policy file server".
"""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import quoteattr

import gevent
import gevent.socket
from gevent.pool import Pool
from gevent.server import StreamServer

from ..config.settings import Settings
from ..exceptions import SettingsError
from ..runtime.gevent_runtime import GeventRuntime
from ..sessions.complaints import Complaints
from ..sessions.crowd import network_of

__all__ = ["FlashPolicyServer", "policy_file"]

log = logging.getLogger("sockio.flash_policy")

_REQUEST = b"<policy-file-request/>\0"
#: Seconds a client gets for its request and for taking the answer.
TIMEOUT = 3.0
#: Connections served at a time; more wait in the kernel's queue. And of one address, of which more
#: are closed unanswered: who is silent takes nobody else's place.
CONNECTIONS, OF_ONE = 100, 10


def policy_file(domains: Iterable[str], ports: str) -> bytes:
    """The policy file that lets pages of ``domains`` connect to ``ports`` (``"843,8080-8090"``).

    ``"*"`` among the domains allows every page. Ends with the NUL that Flash waits for.
    """
    # One domain alone is a mistake that would otherwise list its letters.
    listed = domains.replace(",", " ").split() if isinstance(domains, str) else list(domains)
    if not listed:
        raise SettingsError(
            "the flash policy server needs the domains whose pages may connect: "
            "policy_domains=['www.example.com'] (['*'] for any page)."
        )
    lines = [
        f"  <allow-access-from domain={quoteattr(domain)} to-ports={quoteattr(ports)} />"
        for domain in listed
    ]
    return (
        '<?xml version="1.0"?>\n<!DOCTYPE cross-domain-policy SYSTEM '
        '"http://www.macromedia.com/xml/dtds/cross-domain-policy.dtd">\n'
        "<cross-domain-policy>\n" + "\n".join(lines) + "\n</cross-domain-policy>\0"
    ).encode()


class FlashPolicyServer(StreamServer):
    """Answers policy-file requests on ``listener``, ``(host, port)`` or a listening socket.

    ``complaints`` is where its lines are logged and counted: its own place without. With
    ``shared``, other processes may listen on the same address in the same way.
    """

    def __init__(
        self,
        listener: Any,
        domains: Iterable[str],
        ports: str = "*",
        complaints: Complaints | None = None,
        shared: bool = False,
    ) -> None:
        self._complaints = complaints or Complaints(GeventRuntime(), Settings().log_lines)
        self.policy = policy_file(domains, ports)
        self._shared = shared
        # Connections that are served, by what counts as one address.
        self._served: Counter[str] = Counter()
        super().__init__(listener, spawn=Pool(CONNECTIONS))

    def init_socket(self) -> None:
        if self._shared and not hasattr(self, "socket"):
            listener = gevent.socket.socket(self.family)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                listener.bind(self.address)
                listener.listen(self.backlog)
            except BaseException:
                listener.close()
                raise
            self.set_listener(listener)
        super().init_socket()

    def handle(self, sock: Any, address: Any) -> None:
        host = network_of(_host_of(address))
        if host and self._served[host] >= OF_ONE:
            message = "%s asks the flash policy server for more than %d files at a time"
            self._say(address, logging.WARNING, "flash-policy-crowded", message, OF_ONE)
            return
        self._served[host] += 1
        try:
            with gevent.Timeout(TIMEOUT, TimeoutError("no whole request in time")):
                self._serve(sock, address)
        except OSError as error:
            # A TimeoutError is one too. Half-open connections end here.
            self._say(
                address, logging.DEBUG, "flash-policy-failed", "flash policy for %s: %s", error
            )
        finally:
            self._served[host] -= 1
            if not self._served[host]:
                del self._served[host]

    def _serve(self, sock: Any, address: Any) -> None:
        request = b""
        while len(request) < len(_REQUEST):
            data = sock.recv(len(_REQUEST) - len(request))
            if not data:
                return
            request += data
        if request == _REQUEST:
            sock.sendall(self.policy)
        else:
            message = "%s asked the flash policy server for something else"
            self._say(address, logging.WARNING, "no-flash-policy", message)

    def _say(self, address: Any, level: int, kind: str, message: str, *args: Any) -> None:
        self._complaints.say(log, level, kind, _host_of(address), message, address, *args)


def _host_of(address: Any) -> str:
    return str(address[0]) if isinstance(address, tuple) and address else ""
