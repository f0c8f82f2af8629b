"""jsonp-polling: polls as scripts, packets by form post (fact sheet, section 7).

For browsers without cross-domain XMLHttpRequest. A script's status and headers cannot be read by
the page that included it, so every answer is a call of the page's callback.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from webob import Request, Response

from ..exceptions import PacketError
from ..protocol.strict_json import default_json_loads
from .polling import PollingTransport
from .scripts import callback_index, string_literal

__all__ = ["JSONPPolling"]

#: Fields in a form; the client sends one. A query needs no limit, servers bound the request line.
MAX_FIELDS = 100


class JSONPPolling(PollingTransport):
    """Answers are ``io.j[INDEX]("...");``, bodies are ``d="..."`` as a form."""

    name = "jsonp-polling"
    content_type = "text/javascript"
    # Scripts and forms work across domains by themselves.
    cors = False

    def wrap(self, text: str, request: Request) -> bytes:
        index = callback_index(_field(request.query_string, "i")) or "0"
        return f"io.j[{index}]({string_literal(text)});".encode()

    def answer(self, request: Request, body: bytes, content_type: str | None = None) -> Response:
        response = super().answer(request, body, content_type)
        response.headers["X-XSS-Protection"] = "0"
        return response

    def unwrap(self, body: bytes, request: Request) -> str:
        """The payload is a JSON string, form-encoded: ``+`` is a space, ``%XX`` is UTF-8."""
        try:
            field = _field(super().unwrap(body, request), "d", "strict", MAX_FIELDS)
        except (UnicodeDecodeError, ValueError) as error:
            raise PacketError("the form cannot be read") from error
        if field is None:
            raise PacketError("the form has no field d")
        try:
            text: Any = default_json_loads(field)
        except ValueError as error:
            raise PacketError("the form's field d is not JSON") from error
        if not isinstance(text, str):
            raise PacketError("the form's field d is not a JSON string")
        return text


def _field(query: str, name: str, errors: str = "replace", limit: int | None = None) -> str | None:
    """The first value of a field in a form or query. Raises ``ValueError`` for more fields than
    ``limit``, and where ``errors`` is strict for what is not UTF-8."""
    for key, value in parse_qsl(query, keep_blank_values=True, errors=errors, max_num_fields=limit):
        if key == name:
            return value
    return None
