r"""Polling by scripts and forms (Engine.IO's ``j=``), for browsers of long ago.

An answer to a GET is a call of the page's callback with the payload as a string; a POST brings the
payload in the field ``d`` of a form::

    ___eio[7]("2:40");
    d=6%3A4hello

Browsers change the ends of lines in forms, so the client writes ``\n`` (two characters) for each
newline and ``\\n`` for each ``\n``.

Facts: engine.io 6.6.11, ``lib/transports/polling-jsonp.ts``; engine.io-client 3.5.4,
``lib/transports/polling-jsonp.js``.
"""

from __future__ import annotations

import re
from binascii import a2b_qp
from typing import Any
from urllib.parse import quote_plus

from ..exceptions import PacketError, UsageError
from .echo import echo
from .strict_json import dumps, loads

__all__ = ["decode_form", "decode_script", "encode_form", "encode_script"]

_MAX_DIGITS = 9
_INDEX = re.compile(rf"[0-9]{{1,{_MAX_DIGITS}}}")
_CALL = re.compile(rf"___eio\[([0-9]{{1,{_MAX_DIGITS}}})\]\((\".*\")\);", re.DOTALL)
_FIELD = re.compile(rb"(?:^|&)d=([^&]*)")
_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# It stands for \\n while \n is replaced: text that was UTF-8 cannot hold it.
_MARK = "\ud800"


def encode_script(index: str, payload: str) -> str:
    """The script that calls callback ``index`` (the value of ``j``) with a payload.

    An index that is not one to nine digits raises :class:`~sockio.exceptions.UsageError`: it would
    be written into a script, and must not be able to say anything else.
    """
    if not _INDEX.fullmatch(index):
        raise UsageError(
            f"a callback's index has 1 to {_MAX_DIGITS} digits; got {index!r}; "
            "refuse the request whose j is none"
        )
    # JSON is JavaScript but for these two, which end a string in older engines.
    literal = dumps(payload).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return f"___eio[{index}]({literal});"


def decode_script(script: str) -> tuple[str, str]:
    """The index and the payload of a script, for clients. Raises ``PacketError`` for any other."""
    call = _CALL.fullmatch(script)
    try:
        payload: Any = loads(call[2]) if call else None
    except ValueError:
        payload = None
    if call is None or not isinstance(payload, str):
        raise PacketError(f"not a call of a callback: {echo(script)}")
    return call[1], payload


def encode_form(payload: str) -> bytes:
    r"""The body of a POST that carries a payload, for clients.

    As with the reference's client, a newline that stands behind a backslash arrives as ``\n``.
    """
    return b"d=" + quote_plus(payload.replace("\\n", "\\\n").replace("\n", "\\n")).encode()


def decode_form(body: bytes) -> str:
    """The payload in the body of a POST.

    Raises :class:`~sockio.exceptions.PacketError` for a form without a field ``d``, a ``%`` without
    two hexadecimal digits, and what is not UTF-8. Of several fields ``d`` the first counts. The
    work grows with the length of the body and no faster, whatever is in it.
    """
    field = _FIELD.search(body)
    if field is None:
        raise PacketError(f"the form has no field d: {echo(body)}")
    value = field[1]
    broken = _BROKEN.search(value)
    if broken is not None:
        raise PacketError(f"the form has a % without two digits: {echo(value[broken.start() :])}")
    # urllib.parse needs a third of a second for a megabyte of %25. Quoted-printable differs from
    # this encoding by its sign, and the standard library reads it in C.
    quoted = value.replace(b"=", b"%3D").replace(b"+", b" ").replace(b"%", b"=")
    try:
        text = a2b_qp(quoted).decode()
    except UnicodeDecodeError as error:
        raise PacketError(f"the form is not UTF-8 (at byte {error.start})") from None
    return text.replace("\\\\n", _MARK).replace("\\n", "\n").replace(_MARK, "\\n")
