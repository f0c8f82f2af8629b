"""What a test's client raises. All are ``AssertionError``: to a test runner, a test that failed."""

from __future__ import annotations

from typing import Any

__all__ = ["ClientError", "EventFailed", "NothingCame", "Refused", "SessionOver"]


class ClientError(AssertionError):
    """Something did not go as the test had it."""


class Refused(ClientError):
    """The server refused the client: at the handshake, at a namespace, or in a later request.

    ``status`` is the HTTP status, None where a namespace refused; ``text`` the words of the answer,
    the same for clients of every generation where a request was refused (a namespace of 0.9 has
    only the word ``unauthorized``); ``code`` the short name of the refusal (header
    ``X-Sockio-Refusal``), "" where there is none.
    ``data`` is what came beside the text where a namespace refused, of generations since 3.0.
    """

    def __init__(self, message: str, status: int | None, text: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.text = text
        self.code = code
        self.data: Any = None


class EventFailed(ClientError):
    """A ``call()`` was answered by an error ack: ``{"error": code, "message": message}``."""

    def __init__(self, event: str, code: Any, message: Any) -> None:
        super().__init__(f"call({event!r}) failed: {code}: {message}")
        self.code = code
        self.message = message


class NothingCame(ClientError, TimeoutError):
    """What was waited for did not come. The message lists what came instead."""


class SessionOver(ClientError):
    """What was waited for cannot come any more: the session, or the stay in it, has ended."""
