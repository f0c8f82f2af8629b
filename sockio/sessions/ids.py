"""The ids that sessions and clients get, and what they say of the process that gave them.

Alone, an id is random and nothing else. Among several workers it begins with its worker's *boot
id*, so that whoever gets a request knows whose it is, and a session's ends with a mark that only
those of the same mesh can make: what somebody has invented is refused where it arrives.

======================  ===============================  =====================
what                    alone                            among workers
======================  ===============================  =====================
session id, a secret    20 random                        4 + 20 random + 8
name of a client        16 random + 4                    4 + 12 random + 4
======================  ===============================  =====================

All of them are characters of ``A-Za-z0-9_-``; the setting ``sid_prefix`` stands before a session's.
A name ends with a mark, too, which is no secret: whatever process has given it, wherever its client
is, each can see that it is somebody's name and no word that an application has for a room.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

__all__ = ["BOOT", "NAME", "HostIds", "Ids", "WorkerIds", "cut"]

#: Characters of a boot id, and of what is random in a session id those that the log shows.
BOOT, SHOWN = 4, 6
#: Bytes of randomness in a session id (20 characters, as the reference server's), in the name of a
#: client alone and among workers, which is 20 characters each time; and of their marks.
SID_BYTES, NAME_BYTES, SHORT_NAME_BYTES, MARK_BYTES, NAME_MARK_BYTES = 15, 12, 9, 6, 3
#: Characters of a name, and of its mark.
NAME, NAME_MARK = 20, 4
#: Session ids that are remembered as true ones.
KNOWN = 10_000
#: Characters of one that a process alone gives; among workers those of what is marked, and of all
#: of it; and what no id is as long as, whatever its prefix.
_ALONE, _MARKED, _WHOLE, _LONG = 20, BOOT + 20, BOOT + 20 + 8, 80


def cut(sessid: str) -> str:
    """What may be shown of a text that may be a session id: as much as tells those of one process
    apart, behind a prefix and a boot id of which only its length tells that they are there."""
    size = len(sessid)
    shown = SHOWN
    if _WHOLE <= size < _LONG:
        shown = size - (_WHOLE - BOOT - SHOWN)
    elif _ALONE <= size < _WHOLE:
        shown = size - (_ALONE - SHOWN)
    return f"{sessid[:shown]}…"


class Ids:
    """Those of a process that is alone."""

    __slots__ = ()

    #: How many characters of a session id, behind its prefix, the log shows: those in which two
    #: differ begin behind the boot id.
    shown = SHOWN

    def session(self) -> str:
        """A new session id, without its prefix."""
        return secrets.token_urlsafe(SID_BYTES)

    def name(self) -> str:
        """A new name of a client of Socket.IO since 1.0, 20 characters as the reference's."""
        return _as_name(secrets.token_urlsafe(NAME_BYTES))

    def is_name(self, text: str) -> bool:
        """Whether that is the name of a client, or was, in this process or in another."""
        return len(text) == NAME and text.isascii() and _as_name(text[:-NAME_MARK]) == text


class HostIds(Ids):
    """Those of a process that is the only one of its host. Its names begin alike."""

    __slots__ = ("boot",)

    def __init__(self) -> None:
        self.boot = secrets.token_urlsafe(BOOT)[:BOOT]

    def name(self) -> str:
        return _as_name(self.boot + secrets.token_urlsafe(SHORT_NAME_BYTES))


class WorkerIds(Ids):
    """Those of one worker of several, which all know the same ``key``."""

    __slots__ = ("_key", "_known", "boot")

    shown = BOOT + SHOWN

    def __init__(self, boot: str, key: bytes) -> None:
        self.boot = boot
        self._key = key
        # Those of others that were asked for: a client that polls asks with each poll.
        self._known: set[str] = set()

    def session(self) -> str:
        marked = self.boot + secrets.token_urlsafe(SID_BYTES)
        return marked + self._mark(marked)

    def name(self) -> str:
        return _as_name(self.boot + secrets.token_urlsafe(SHORT_NAME_BYTES))

    def is_name(self, text: str) -> bool:
        # Of clients of 0.9 the session's id is the name.
        return super().is_name(text) or self.owner(text) is not None

    def owner(self, sessid: str) -> str | None:
        """The boot id of the worker that gave a session id, its prefix removed; None for one that
        no worker of the mesh has given."""
        if len(sessid) != _WHOLE or not sessid.isascii():
            return None
        known = self._known
        if sessid in known:
            return sessid[:BOOT]
        if not hmac.compare_digest(sessid[_MARKED:], self._mark(sessid[:_MARKED])):
            return None
        if len(known) >= KNOWN:
            known.clear()
        known.add(sessid)
        return sessid[:BOOT]

    def _mark(self, marked: str) -> str:
        digest = hashlib.blake2s(marked.encode(), digest_size=MARK_BYTES, key=self._key).digest()
        return base64.urlsafe_b64encode(digest).decode()


def _as_name(text: str) -> str:
    """It with its mark."""
    digest = hashlib.blake2s(text.encode(), digest_size=NAME_MARK_BYTES, person=b"name").digest()
    return text + base64.urlsafe_b64encode(digest).decode()
