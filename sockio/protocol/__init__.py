"""The wire formats of Socket.IO as pure functions: a value in, a value out.

Socket.IO 0.7 to 0.9:

``packet``
    one packet, as a dict and as text
``payload``
    several packets in one HTTP body
``handshake``
    the line that opens a session

Engine.IO 3 and 4, below Socket.IO 1.x to 4.x:

``engine_packet``
    one packet, as a pair and as a frame
``engine_payload_v3``, ``engine_payload_v4``, ``engine_limits``
    several packets in one HTTP body, and how many
``engine_handshake``, ``engine_errors``
    the packet that opens a session; how one is refused
``jsonp``, ``double_utf8``
    what browsers of long ago, and clients 1.x, make of bodies

Socket.IO 4 and 5, in messages of Engine.IO:

``socketio_packet``, ``socketio_reader``, ``socketio_writer``, ``attachments``
    one packet, as a dict and as a text with attachments
``assembler``
    packets from the messages that bring them, one after the other

For all:

``dialect``, ``generations``
    what differs between them, as data
``strict_json``, ``ascii_json``, ``json_depth``
    the JSON that travels inside packets
``echo``
    how much of a bad packet an error message repeats

Only the standard library is used here. Nothing in this package reads a clock, draws a random
number, opens a connection or keeps state between two calls, so all of it can be tested and fuzzed
without a server. A bad peer is always a :class:`~sockio.exceptions.PacketError`; a mistake of the
calling program is always a :class:`~sockio.exceptions.UsageError`.
"""

__all__ = [
    "ascii_json",
    "assembler",
    "attachments",
    "dialect",
    "double_utf8",
    "echo",
    "engine_errors",
    "engine_handshake",
    "engine_limits",
    "engine_packet",
    "engine_payload_v3",
    "engine_payload_v4",
    "generations",
    "handshake",
    "json_depth",
    "jsonp",
    "packet",
    "payload",
    "socketio_packet",
    "socketio_reader",
    "socketio_writer",
    "strict_json",
]
