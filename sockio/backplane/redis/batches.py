"""Commands with many channels, as RESP has them."""

from __future__ import annotations

__all__ = ["BATCH", "in_batches"]

#: Channels in one command: one by one they cost the server sixteen times as much.
BATCH = 500


def in_batches(verb: bytes, names: list[bytes]) -> list[bytes]:
    """As many commands as it takes, packed."""
    return [_packed(verb, names[at : at + BATCH]) for at in range(0, len(names), BATCH)]


def _packed(verb: bytes, names: list[bytes]) -> bytes:
    parts = [b"*%d\r\n$%d\r\n%b\r\n" % (len(names) + 1, len(verb), verb)]
    parts += [b"$%d\r\n%b\r\n" % (len(name), name) for name in names]
    return b"".join(parts)
