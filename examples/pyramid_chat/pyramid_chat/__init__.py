"""A chat with accounts, in Pyramid: whom Pyramid's security policy permits may connect.

Start it in the folder above, with ``pserve development.ini``. Read on in
this order: :mod:`~pyramid_chat.models` (what is remembered), :mod:`~pyramid_chat.security` (who may
do what), :mod:`~pyramid_chat.views` (pages, and the view that lets sockets in) and
:mod:`~pyramid_chat.sockets` (what arrives over a socket). :func:`main` puts them together.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from pyramid.config import Configurator
from pyramid.csrf import CookieCSRFStoragePolicy
from pyramid.request import Request
from pyramid.settings import asbool
from sqlalchemy.orm import Session, sessionmaker

from sockio import SocketIOMiddleware

from .models import open_database
from .security import Root, SecurityPolicy
from .sockets import session_per_event


def main(global_config: dict[str, str], **settings: Any) -> SocketIOMiddleware:
    """The whole application: what ``[app:main]`` of the ini file names."""
    settings = {**settings, **global_config}  # what the command line says (data=...) goes first
    folder = Path(settings["data"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    https = asbool(settings.get("https", False))
    sessions = open_database(folder / "chat.sqlite")

    with Configurator(settings=settings, root_factory=Root) as config:
        config.set_security_policy(SecurityPolicy(lasting_secret(folder / "secret"), https))
        # Every form has to prove that it comes from a page of ours, unless a view says otherwise.
        config.set_csrf_storage_policy(CookieCSRFStoragePolicy(secure=https, httponly=True))
        config.set_default_csrf_options(require_csrf=True)

        config.registry["sessions"] = sessions
        config.add_request_method(database_session, "db", reify=True)
        config.add_request_method(middleware_of, "socketio", property=True)

        config.include("pyramid_jinja2")
        config.add_static_view("static", "static")
        for name in ("login", "register", "logout", "announce"):
            config.add_route(name, f"/{name}")
        config.add_route("chat", "/")
        config.add_route("client", "/client/socket.io.js")
        config.add_route("socketio", "/socket.io/*rest")
        config.scan(".views")
        app = config.make_wsgi_app()

    # Whatever is below /socket.io/ belongs to sockio from here on, and the rest to Pyramid.
    options = {
        name.removeprefix("sockio."): value
        for name, value in settings.items()
        if name.startswith("sockio.")
    }
    socketio = SocketIOMiddleware(app, context=session_per_event(sessions), **options)
    config.registry["socketio"] = socketio
    return socketio


def database_session(request: Request) -> Session:
    """``request.db``: opened when a view first asks for it, closed when the request is over."""
    sessions: sessionmaker[Session] = request.registry["sessions"]
    session = sessions()
    request.add_finished_callback(lambda request: session.close())
    return session


def middleware_of(request: Request) -> SocketIOMiddleware:
    """``request.socketio``: the way from a view to the sockets."""
    socketio: SocketIOMiddleware = request.registry["socketio"]
    return socketio


def lasting_secret(file: Path) -> str:
    """The key that signs the login cookies: made at the first start, and the same ever after."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
    except FileExistsError:
        return file.read_text("ascii")
    with os.fdopen(descriptor, "w", encoding="ascii") as new:
        new.write(secrets.token_hex(32))
    return file.read_text("ascii")
