"""Values in MessagePack from other programs than clients, as the values that JSON would give.

Dates (the extension -1, as notepack.io 3 and others write them) are texts as of ``toISOString()``;
bytes stay bytes; keys of maps that are no texts become such. NaN and the infinities are refused:
JSON has no place for them, and no client could be sent them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..exceptions import PacketError
from .engine_codec import MAX_NESTS_BESIDE_BYTES
from .msgpack_codec import KEYS, TOO_MANY, VALUES, check_depth_of, iso_date
from .strict_json import undisturbed

__all__ = ["unpack"]

_msgpack: Any
try:
    import msgpack

    _msgpack = msgpack
except ImportError:
    _msgpack = None

#: Types of values that are what they are in JSON.
_PLAIN = frozenset((str, int, bool, type(None), list, dict, bytes))
_WORDS = {True: "true", False: "false", None: "null"}


def unpack(data: bytes) -> Any:
    """The one value in ``data``. Raises ``PacketError`` for whatever else, and for lists and maps
    inside each other or in such a number that reading them keeps others waiting."""
    left = MAX_NESTS_BESIDE_BYTES

    def count(number: int) -> None:
        nonlocal left
        left -= number
        if left < 0:
            raise PacketError(TOO_MANY)

    def a_list(values: list[Any]) -> list[Any]:
        count(1 + len(values) // VALUES)
        if not _PLAIN.issuperset(map(type, values)):
            values = [_plain(value) for value in values]
        return values

    def a_map(pairs: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
        # Not a dict of any keys first: whoever chooses numbers can choose such that collide.
        count(1 + len(pairs) // KEYS)
        return {_key(key): _plain(value) for key, value in pairs}

    try:
        value = undisturbed(
            lambda: _msgpack.unpackb(
                data,
                list_hook=a_list,
                object_pairs_hook=a_map,
                max_array_len=VALUES * left,
                max_map_len=KEYS * left,
                ext_hook=_no_extension,
                strict_map_key=False,
                unicode_errors="replace",
            )
        )
    except PacketError:
        raise
    except Exception as error:  # the library raises many
        raise PacketError(f"no msgpack: {type(error).__name__}") from error
    value = _plain(value)
    if isinstance(value, (list, dict)):
        check_depth_of(value)
    return value


def _plain(value: Any) -> Any:
    if type(value) is float:
        if not math.isfinite(value):
            raise PacketError("NaN and infinite numbers are not JSON")
    elif type(value) not in _PLAIN:
        return _date(value)
    return value


def _date(value: Any) -> str:
    if isinstance(value, _msgpack.Timestamp):
        text = iso_date(value.seconds * 1000 + value.nanoseconds // 1_000_000)
        if isinstance(text, str):
            return text
    raise PacketError("a date is none")


def _key(key: Any) -> str:
    if type(key) is str:
        return key
    if key is None or type(key) is bool:
        return _WORDS[key]
    if type(key) is int:
        return str(key)
    if type(key) is bytes:
        # As packed by what knows no texts apart from bytes.
        try:
            return key.decode()
        except UnicodeDecodeError:
            pass
    raise PacketError("a key of a map can be no text")


def _no_extension(code: int, data: bytes) -> Any:
    raise PacketError(f"an extension of the type {code} means nothing here")
