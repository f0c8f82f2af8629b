"""What Django does around a request, done around an event."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.cache import close_caches
from django.db import DatabaseError, close_old_connections, connections, reset_queries
from django.utils import translation

from ...exceptions import UsageError
from .outside import complain

__all__ = ["around_events", "close_connections", "fresh_context", "open_session"]

log = logging.getLogger("sockio.django")


@contextlib.contextmanager
def fresh_context(namespace: Any = None) -> Iterator[None]:
    """Database connections, caches and language as in a request of their own.

    Every event of a client runs in one. Use it in tasks that you start yourself and that query the
    database::

        with fresh_context():
            Room.objects.count()

    A connection belongs to the greenlet that opened it and cannot be kept for another, so it is
    closed at the end, whatever ``CONN_MAX_AGE`` says; with a connection pool (Django 5.1 and
    psycopg) that gives it back. Given a namespace whose visitor Django's LocaleMiddleware knows,
    translations are in the visitor's language.
    """
    reset_queries()
    close_old_connections()
    language = getattr(getattr(namespace, "request", None), "LANGUAGE_CODE", None)
    try:
        with translation.override(language) if language else contextlib.nullcontext():
            yield
    finally:
        close_connections()


def close_connections() -> None:
    """Close this greenlet's connections to databases and caches, but for one in a transaction."""
    close_caches()
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            try:
                connection.close()
            except DatabaseError:
                # One that cannot be closed does not keep the others open.
                # A database that is gone fails with every event of every client.
                complain(
                    log,
                    logging.ERROR,
                    "database-not-closed",
                    "",
                    "a database connection could not be closed",
                    exc_info=True,
                )


def around_events(own: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """The setting ``context``: ours, and inside of it the project's own."""
    if own is None:
        return fresh_context
    inner = own

    @contextlib.contextmanager
    def both(namespace: Any) -> Iterator[None]:
        with fresh_context(namespace), inner(namespace):
            yield

    return both


@contextlib.contextmanager
def open_session(request: Any) -> Iterator[Any]:
    """The visitor's Django session as it is now, to read and to change; saved at the end.

    ::

        with open_session(self.request) as session:
            session["seen"] = message.pk

    ``request.session`` in a handler is what it was at the handshake. Raises
    :class:`~sockio.UsageError` without a saved session, and with the engine ``signed_cookies``,
    whose sessions only an answer to the browser can change. A session that has ended since (a
    log-out) is empty, and is not brought back.
    """
    known = getattr(request, "session", None)
    key = getattr(known, "session_key", None)
    if key is None:
        raise UsageError(
            "open_session(): this visitor has no saved session. Save one before the page connects: "
            "request.session.save() in the view of the page."
        )
    if settings.SESSION_ENGINE.endswith("signed_cookies"):
        raise UsageError(
            "open_session(): sessions in signed cookies cannot be changed without an answer to the "
            "browser. Use another SESSION_ENGINE, or read self.request.session."
        )
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    alive = session.exists(key)
    yield session
    if alive and session.modified:
        session.save()
