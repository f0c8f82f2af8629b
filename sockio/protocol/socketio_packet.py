"""One packet of Socket.IO, revisions 4 and 5 (clients 1.x and 2.x; 3.x and 4.x), as a dict and as
what travels in messages of Engine.IO.

::

    TYPE [ATTACHMENTS "-"] [NAMESPACE ","] [ID] [JSON]

=  ============  ==================================  ===========================================
0  connect       ``0/chat,{"token":"x"}``            data: the object, if any (revision 5);
                 ``0/chat?a=b,``                     qs: the query, "?" included, or "" (4)
1  disconnect    ``1/chat,``
2  event         ``2/chat,["name","argument"]``      name, args
3  ack           ``3/chat,12["argument"]``           ackId, args
4  error         ``4/chat,{"message":"m"}``          message, data
5  event         ``51-["name",{"_placeholder":...``  name, args with bytes in them
6  ack           ``61-12[{"_placeholder":...``       ackId, args with bytes in them
=  ============  ==================================  ===========================================

The dict has the words of 0.9's packets (:mod:`sockio.protocol.packet`), so that whoever handles
packets need not know of which generation they are. The global namespace is "" here and nothing on
the wire; an event that asks for an ack has ``id`` and ``"ack": "data"``. A ``message`` or ``json``
packet, which these revisions do not have, is written as an event of the name ``message``.

:mod:`sockio.protocol.socketio_reader` reads them, :mod:`sockio.protocol.socketio_writer` writes
them.

Facts: Socket.IO protocol, revisions 4 and 5; socket.io-parser 3.4.3 and 4.2.7. The older takes
reserved names, any number of attachments, and null or an array with a connect packet: both
revisions are read by the rules of the newer here. Both take an event or an ack without its array,
an ack without an id, an id or a space where none belongs, and an empty text for a connect packet:
these are refused here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from .json_depth import MAX_DEPTH
from .packet import Packet

__all__ = ["DEFAULT_LIMITS", "RESERVED_EVENTS", "ModernPacket", "PacketLimits", "Revision"]

Revision = Literal[4, 5]


class ModernPacket(Packet, total=False):
    """A packet of any generation, with what only these revisions have."""

    message: str  #: error: what went wrong; its ``data``, where there is some, says more


class PacketLimits(NamedTuple):
    """Bounds of one packet that a peer sends."""

    #: Attachments, as many as the reference and its clients take.
    max_attachments: int = 10
    #: Arrays and objects inside each other.
    max_depth: int = MAX_DEPTH
    #: Digits of an ack's id; 2**53, up to which JavaScript counts exactly, has sixteen.
    max_digits: int = 16
    #: Characters of the text and bytes of the attachments together. Where messages are bounded by
    #: a megabyte each, this is what the attachments' number allows.
    max_bytes: int = 11_000_000


DEFAULT_LIMITS = PacketLimits()

RESERVED_EVENTS = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)
"""Names that mean something of their own to the programs at both ends, so nobody may send them."""
