"""jsonp-polling: polls as scripts, packets by form post (fact sheet, section 7).

For browsers without cross-domain XMLHttpRequest. A script's status and headers cannot be read by
the page that included it, so every answer is a call of the page's callback.
"""

from __future__ import annotations

import re
from typing import Any

from ..exceptions import PacketError
from ..protocol.strict_json import default_json_loads
from .forms import first_value
from .polling import PollingTransport
from .request import Request
from .scripts import callback_index, string_literal

__all__ = ["JSONPPolling"]

#: How packets and payloads begin, and no JSON text does.
_RAW = re.compile("[0-8]:|\ufffd")


class JSONPPolling(PollingTransport):
    """Answers are ``io.j[INDEX]("...");``, bodies are ``d="..."`` as a form; ``d=...`` without the
    quotes from clients before 0.8.6."""

    name = "jsonp-polling"
    content_type = "text/javascript; charset=UTF-8"
    # Scripts and forms work across domains by themselves.
    cors = False
    headers = (("X-XSS-Protection", "0"),)

    def wrap(self, text: str, request: Request) -> bytes:
        index = callback_index(request.field("i")) or "0"
        return f"io.j[{index}]({string_literal(text)});".encode()

    def unwrap(self, body: bytes, request: Request) -> str:
        """The payload is a JSON string, form-encoded: ``+`` is a space, ``%XX`` is UTF-8.

        Clients before 0.8.6 sent the payload itself. Browsers make two characters of every line end
        in a form's field, which is why later ones do not: what can be put right is (0.8.6,
        ``lib/transports/jsonp-polling.js``).
        """
        try:
            field = first_value(super().unwrap(body, request).encode(), "d")
        except ValueError as error:
            raise PacketError("the form cannot be read") from error
        if field is None:
            raise PacketError("the form has no field d")
        if _RAW.match(field):
            return field.replace("\r\n", "\n")
        if field.lstrip()[:1] != '"':
            # Not read to find out what else it is.
            raise PacketError("the form's field d is not a JSON string")
        try:
            text: Any = default_json_loads(field)
        except ValueError as error:
            raise PacketError("the form's field d is not JSON") from error
        if not isinstance(text, str):
            raise PacketError("the form's field d is not a JSON string")
        return text
