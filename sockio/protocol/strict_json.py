"""JSON as the standard writes it, neither more nor less: the default codec inside packets.

Python's own ``json`` speaks a dialect: it reads and writes ``NaN`` and ``Infinity``, which no
browser can parse, and takes ``1e999`` for infinity, which an echo would then send out as such.
Here both directions refuse.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterable
from json import encoder as json_encoder
from math import isinf
from typing import Any, NoReturn

from .overflow import overflows

__all__ = [
    "LARGE",
    "default_json_dumps",
    "default_json_loads",
    "dumps",
    "dumps_with",
    "loads",
    "undisturbed",
    "unnoticed",
]

#: Characters from which a text is read with the garbage collector off: see :func:`undisturbed`.
LARGE = 65_536

_SPACE = " \t\n\r"


_TOO_LARGE = "a number in the JSON text is too large for a float"


def _finite(literal: str) -> float:
    value = float(literal)
    if isinf(value):
        raise ValueError(_TOO_LARGE)
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_Default = Callable[[Any], Any]


def _of_numpy(value: Any) -> Any:
    """A number of numpy's, or a truth value, as Python's own: some are subclasses of those and some
    are not, which nobody who sends one can tell. Raises ``TypeError`` for whatever else."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        make = _KINDS_OF_NUMPY.get(value.dtype.kind)
        if make is not None:
            return make(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_KINDS_OF_NUMPY: dict[str, Callable[[Any], Any]] = {"b": bool, "f": float, "i": int, "u": int}


def _encoder_with(default: _Default) -> json.JSONEncoder:
    return json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=default
    )


# Kept, because json.loads() and json.dumps() with any option build a new one for every call.
_decoder = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)
_encoder = _encoder_with(_of_numpy)

# What is inside them: it halves the time of a small packet. A value that the encoder's refuses is
# given to the whole one, which says why or does it after all.
_inner_decoder: Any = _decoder
_Scan = Callable[[str, int], tuple[Any, int]]
_scan: _Scan = _inner_decoder.scan_once
# The one for what is large does not ask about each float: a megabyte may have 250 000.
_inner_decoder_of_large: Any = json.JSONDecoder(parse_constant=_no_constant)
_scan_large: _Scan = _inner_decoder_of_large.scan_once
_Encode = Callable[[Any, int], Iterable[str]]


def _kept_encode(default: _Default) -> _Encode | None:
    make: Any = getattr(json_encoder, "c_make_encoder", None)
    try:
        # The first argument would be for finding a value that holds itself: without it, that ends
        # in a RecursionError.
        text = json_encoder.encode_basestring
        kept: _Encode = make(None, default, text, None, ":", ",", False, False, False)
        return kept if "".join(kept(["ü", 1.5, None], 0)) == '["ü",1.5,null]' else None
    except TypeError:  # there is none, or it is made otherwise
        return None


_encode = _kept_encode(_of_numpy)


def loads(text: str) -> Any:
    """The value that a JSON text stands for.

    Whatever is wrong with the text is a :exc:`ValueError`: its syntax, ``NaN`` or ``Infinity``, a
    number too large for a float, an integer of more digits than the interpreter converts (4300,
    unless it was told otherwise), nesting beyond the recursion limit. When an object gives a name
    twice, the last value counts.
    """
    size = len(text)
    try:
        value, end = _scan(text, 0) if size < LARGE else undisturbed(_read_large, text)
    except StopIteration as nothing:
        # There may be space in front.
        inside = text.strip(_SPACE)
        if len(inside) < size and inside:
            return loads(inside)
        raise json.JSONDecodeError("Expecting value", text, nothing.value or 0) from None
    except RecursionError as error:
        raise ValueError("the JSON text is nested too deeply") from error
    if end != size and text[end:].strip(_SPACE):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def _read_large(text: str) -> tuple[Any, int]:
    if overflows(text):
        raise ValueError(_TOO_LARGE)
    return _scan_large(text, 0)


#: Called behind whatever was read so: the collector has not seen how much came.
unnoticed: list[Callable[[], object]] = []


def undisturbed(read: Callable[..., Any], *args: Any) -> Any:
    """``read(*args)``, without the garbage collector looking through what it makes.

    A megabyte of JSON can be half a million lists. Before Python 3.12 the collector went through
    all of them, which live as long as they are read, again and again: it took five times as long.
    """
    if not gc.isenabled():
        return read(*args)
    gc.disable()
    try:
        return read(*args)
    finally:
        gc.enable()
        for notice in unnoticed:
            notice()


def dumps(value: Any) -> str:
    """The JSON text of a value: compact, keys in their order, non-ASCII characters as such.

    Numbers and truth values of numpy's are written as Python's are. Raises :exc:`TypeError` for a
    type that JSON does not have (``bytes``, ``set``, ``datetime``, ``Decimal``: none is guessed
    at), :exc:`ValueError` for NaN, an infinity, or a value that holds
    itself, :exc:`RecursionError` for one nested too deeply. A lone surrogate in a string stays what
    it is; whoever makes bytes of the text has to replace it.
    """
    if _encode is not None:
        try:
            return "".join(_encode(value, 0))
        except (TypeError, ValueError, RecursionError):
            pass
    return _encoder.encode(value)


def dumps_with(default: Callable[[Any], Any]) -> Callable[[Any], str]:
    """:func:`dumps` that asks ``default(value)`` for something else to write in place of a value
    that JSON does not have, or for the :exc:`TypeError`.

    Values that JSON has are written as fast as without. Bytes are not asked about: they are
    attachments, or have a form of their own.
    """

    def plain(value: Any) -> Any:
        try:
            return _of_numpy(value)
        except TypeError:
            if isinstance(value, (bytes, bytearray, memoryview)):
                raise
        return default(value)

    encoder = _encoder_with(plain)
    encode = _kept_encode(plain)

    def dumps(value: Any) -> str:
        if encode is not None:
            try:
                return "".join(encode(value, 0))
            except (TypeError, ValueError, RecursionError):
                pass
        return encoder.encode(value)

    return dumps


default_json_loads = loads
default_json_dumps = dumps
