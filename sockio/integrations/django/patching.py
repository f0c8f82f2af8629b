"""Whether gevent patched the standard library in time for Django, and what follows from it."""

from __future__ import annotations

import os

import gevent
from django.db import DEFAULT_DB_ALIAS, connections
from gevent import monkey

from ...exceptions import UsageError

__all__ = ["allow_orm_beside_async", "check_patching", "is_patched"]

_LATE = (
    "gevent patched the standard library after Django was imported, so all greenlets share one "
    "database connection. Make these the first lines of the program (manage.py, wsgi.py): "
    "from gevent import monkey; monkey.patch_all(). runserver_socketio, 'sockio serve' and "
    "gunicorn without --preload do it by themselves."
)
_separate = False


def is_patched() -> bool:
    return bool(monkey.is_module_patched("threading"))


def allow_orm_beside_async() -> None:
    """Keep an async view in one greenlet from forbidding the ORM to all others.

    Django refuses queries while asyncio runs a loop in the same thread. Under gevent all greenlets
    are in one thread, so a loop in one of them (an async view, ``async_to_sync``) makes every query
    of the others raise ``SynchronousOnlyOperation``, although each has a connection of its own. The
    variable is Django's own way to say that this is known; one that you set stays as it is.
    """
    if is_patched():
        os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def check_patching() -> None:
    """Raise ``UsageError``, with the fix, when greenlets share a database connection."""
    global _separate
    if _separate or not is_patched():
        # Without any patching sockio itself warns.
        return
    mine = connections[DEFAULT_DB_ALIAS]
    if gevent.spawn(lambda: connections[DEFAULT_DB_ALIAS] is mine).get():
        raise UsageError(_LATE)
    _separate = True
