"""xhr-multipart: a ``multipart/x-mixed-replace`` answer that never ends (fact sheet, section 7).

No client of protocol 1 speaks it (it ended with 0.6), but its ancestor listed it: it is served to
whoever has it named in the setting ``transports``.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from ..exceptions import PacketError
from .request import Request
from .streaming import StreamingTransport

__all__ = ["XHRMultipart"]


class XHRMultipart(StreamingTransport):
    """Parts are plain text; POSTs are forms with the payload in ``data``, answered ``ok``."""

    name = "xhr-multipart"
    by_default = False
    content_type = 'multipart/x-mixed-replace;boundary="socketio"'
    taken = b"ok"

    def preamble(self) -> bytes:
        return b"--socketio\n"

    def chunk(self, text: str) -> bytes:
        return b"Content-Type: text/plain\n\n" + text.encode() + b"\n--socketio\n"

    def unwrap(self, body: bytes, request: Request) -> str:
        text = super().unwrap(body, request)
        try:
            values = parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=100)
        except ValueError as error:
            raise PacketError("the form cannot be read") from error
        if "data" not in values:
            raise PacketError("the form has no field data")
        return values["data"][0]
