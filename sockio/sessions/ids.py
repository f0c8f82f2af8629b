"""The ids that sessions and clients get, and what they say of the process that gave them.

Alone, an id is random and nothing else. Among several workers it begins with its worker's *boot
id*, so that whoever gets a request knows whose it is, and a session's ends with a mark that only
those of the same mesh can make: what somebody has invented is refused where it arrives.

======================  ===============================  =====================
what                    alone                            among workers
======================  ===============================  =====================
session id, a secret    20 random                        4 + 20 random + 8
name of a client        20 random                        4 + 16 random
======================  ===============================  =====================

All of them are characters of ``A-Za-z0-9_-``; the setting ``sid_prefix`` stands before a session's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

__all__ = ["BOOT", "Ids", "WorkerIds"]

#: Characters of a boot id.
BOOT = 4
#: Bytes of randomness in a session id (20 characters, as the reference server's), in the name of a
#: client alone and among workers, which is 20 characters each time; and of the mark.
SID_BYTES, NAME_BYTES, SHORT_NAME_BYTES, MARK_BYTES = 15, 15, 12, 6
#: Session ids that are remembered as true ones.
KNOWN = 10_000
#: Characters of what is marked, and of all of it.
_MARKED, _WHOLE = BOOT + 20, BOOT + 20 + 8


class Ids:
    """Those of a process that is alone."""

    __slots__ = ()

    def session(self) -> str:
        """A new session id, without its prefix."""
        return secrets.token_urlsafe(SID_BYTES)

    def name(self) -> str:
        """A new name of a client of Socket.IO since 1.0, 20 characters as the reference's."""
        return secrets.token_urlsafe(NAME_BYTES)


class WorkerIds(Ids):
    """Those of one worker of several, which all know the same ``key``."""

    __slots__ = ("_key", "_known", "boot")

    def __init__(self, boot: str, key: bytes) -> None:
        self.boot = boot
        self._key = key
        # Those of others that were asked for: a client that polls asks with each poll.
        self._known: set[str] = set()

    def session(self) -> str:
        marked = self.boot + secrets.token_urlsafe(SID_BYTES)
        return marked + self._mark(marked)

    def name(self) -> str:
        return self.boot + secrets.token_urlsafe(SHORT_NAME_BYTES)

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
