"""htmlfile: a hidden page that never stops loading, a script element per packet (fact sheet,
section 7). Internet Explorer's way of streaming."""

from __future__ import annotations

from .scripts import string_literal
from .streaming import StreamingTransport

__all__ = ["HTMLFile"]

_HEAD = "<html><body><script>var _ = function (msg) { parent.s._(msg, document); };</script>"
#: Internet Explorer shows nothing of a page before it has this many bytes.
_FIRST_CHUNK = 256


class HTMLFile(StreamingTransport):
    """Chunks are ``<script>_("...");</script>``; POSTs are as for xhr-polling."""

    name = "htmlfile"
    content_type = "text/html; charset=UTF-8"
    # The frame belongs to the server's own origin, and its scripts reach their parent directly.
    cors = False

    def preamble(self) -> bytes:
        return _HEAD.ljust(_FIRST_CHUNK).encode()

    def chunk(self, text: str) -> bytes:
        # The client takes every "\/" back to "/" after it has parsed the string.
        literal = string_literal(text).replace("<\\/", "</").replace("/", "\\/")
        return f"<script>_({literal});</script>".encode()
