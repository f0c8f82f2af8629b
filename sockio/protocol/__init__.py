"""The wire formats of Socket.IO as pure functions: a value in, a value out.

``packet``
    one packet, as a dict and as text
``payload``
    several packets in one HTTP body
``handshake``
    the line that opens a session
``strict_json``
    the JSON that travels inside packets

Only the standard library is used here. Nothing in this package reads a clock, draws a random
number, opens a connection or keeps state between two calls, so all of it can be tested and fuzzed
without a server. A bad peer is always a :class:`~sockio.exceptions.PacketError`; a mistake of the
calling program is always a :class:`~sockio.exceptions.UsageError`.
"""

__all__ = ["dialect", "handshake", "packet", "payload", "strict_json"]
