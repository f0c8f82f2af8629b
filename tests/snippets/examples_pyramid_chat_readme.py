"""What ``views.py`` and ``__init__.py`` of the example have."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config
from sqlalchemy.orm import Session, sessionmaker

from sockio import BaseNamespace, SocketIOMiddleware, socketio_manage

sessions = sessionmaker[Session]()
app = Configurator().make_wsgi_app()


class ChatNamespace(BaseNamespace):
    pass


def session_per_event(
    sessions: sessionmaker[Session],
) -> Callable[[BaseNamespace], AbstractContextManager[Any]]:
    raise NotImplementedError
