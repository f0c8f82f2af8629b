"""orjson for packets, where it is installed; the standard library's where it is not.

::

    from sockio import fast_json
    SocketIOMiddleware(app, json_loads=fast_json.loads, json_dumps=fast_json.dumps)

or, in an ini file, ``json_loads = sockio.fast_json:loads``. The extra ``fast`` installs it.

It is not taken by itself because it is no exact substitute. What it refuses, such as a lone
surrogate, or a larger integer to be written than 64 bits hold, the strict functions decide on. But
these pass where they would not, or otherwise: a larger integer than that is *read* as a float; NaN
and infinities are written as ``null``, ``uuid.UUID`` and ``enum.Enum`` as a string and as their
value. And floats may be spelled otherwise (``1e16`` for ``1e+16``), the same number to all readers.
"""

from __future__ import annotations

from typing import Any

from .strict_json import LARGE, default_json_dumps, default_json_loads, undisturbed

__all__ = ["available", "dumps", "loads"]

_orjson: Any
try:
    import orjson as _orjson
except ImportError:
    _orjson = None

#: Whether orjson was found.
available: bool = _orjson is not None

# What the standard library would refuse is left to it.
_OPTIONS: int = (
    _orjson.OPT_PASSTHROUGH_DATACLASS
    | _orjson.OPT_PASSTHROUGH_DATETIME
    | _orjson.OPT_PASSTHROUGH_SUBCLASS
    if available
    else 0
)


def loads(text: str) -> Any:
    """The value that a JSON text stands for. Raises ``ValueError`` for what is none."""
    if _orjson is not None:
        try:
            return _orjson.loads(text) if len(text) < LARGE else undisturbed(_orjson.loads, text)
        except ValueError:
            pass
    return default_json_loads(text)


def dumps(value: Any) -> str:
    """The JSON text of a value. Raises ``TypeError`` or ``ValueError`` for what has none."""
    if _orjson is not None:
        try:
            text: str = _orjson.dumps(value, None, _OPTIONS).decode()
            return text
        except TypeError:
            pass
    return default_json_dumps(value)
