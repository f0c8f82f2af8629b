"""Who somebody is, what they may do, and how their passwords are kept.

A cookie carries the id of a :class:`~pyramid_chat.models.Login`, signed. The row in the database
makes it valid, so a log-out ends a login for good, copies of the cookie included.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

import gevent
from pyramid.authentication import AuthTktCookieHelper
from pyramid.authorization import ACLHelper, Allow, Authenticated, Everyone
from pyramid.request import Request, RequestLocalCache

from .models import Login

LOGIN_LASTS = 14 * 86400  # seconds
MIN_PASSWORD = 10  # characters
MAX_PASSWORD = 200  # characters

# Memory and work for one guess at a password: 32 MiB, some tenths of a second.
SCRYPT = {"n": 2**15, "r": 8, "p": 3, "maxmem": 64 * 2**20}


class Root:
    """What permissions are about: the whole chat. Pyramid asks the policy below for them."""

    __acl__ = ((Allow, Authenticated, "chat"), (Allow, "host", "announce"))

    def __init__(self, request: Request) -> None:
        pass


class SecurityPolicy:
    """Pyramid's one place to ask about logins and permissions."""

    def __init__(self, secret: str, https: bool) -> None:
        self._ticket = AuthTktCookieHelper(
            secret,
            secure=https,
            timeout=LOGIN_LASTS,
            max_age=LOGIN_LASTS,
            http_only=True,
            wild_domain=False,
            samesite="Lax",
        )
        self._acl = ACLHelper()
        self._logins = RequestLocalCache(self._find_login)

    def _find_login(self, request: Request) -> Login | None:
        ticket = self._ticket.identify(request)
        login: Login | None = request.db.get(Login, ticket["userid"]) if ticket else None
        return login

    def identity(self, request: Request) -> Login | None:
        """``request.identity``: the login that this request belongs to."""
        login: Login | None = self._logins.get_or_create(request)
        return login

    def authenticated_userid(self, request: Request) -> int | None:
        login = self.identity(request)
        return login.user_id if login else None

    def permits(self, request: Request, context: object, permission: str) -> Any:
        login = self.identity(request)
        principals = [Everyone]
        if login is not None:
            principals += [Authenticated, *(["host"] if login.user.is_host else [])]
        return self._acl.permits(context, principals, permission)

    def remember(self, request: Request, userid: str, **kw: Any) -> Any:
        """The headers that log somebody in; ``userid`` is the id of a login."""
        return self._ticket.remember(request, userid, **kw)

    def forget(self, request: Request, **kw: Any) -> Any:
        return self._ticket.forget(request, **kw)


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"scrypt {salt.hex()} {_scrypt(password, salt).hex()}"


def is_password(password: str, hashed: str | None) -> bool:
    """Whether a password is the one that was hashed.

    Without a hash, because there is no such user, it says no and takes as long: how long a login
    takes does not tell which names exist.
    """
    _, salt, digest = (hashed or f"scrypt {'00' * 16} ").split(" ")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), digest)


def _scrypt(password: str, salt: bytes) -> bytes:
    # In a native thread: it is slow on purpose, and all the chat would stand still meanwhile.
    threads = gevent.get_hub().threadpool
    digest: bytes = threads.apply(hashlib.scrypt, (password.encode(),), {"salt": salt, **SCRYPT})
    return digest
