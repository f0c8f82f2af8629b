"""The pages: log in, register, the chat, an announcement to everybody. And the view for sockets."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any

from pyramid.csrf import new_csrf_token
from pyramid.events import NewRequest, NewResponse, subscriber
from pyramid.exceptions import BadCSRFToken, ConfigurationError
from pyramid.httpexceptions import (
    HTTPForbidden,
    HTTPLengthRequired,
    HTTPNoContent,
    HTTPNotFound,
    HTTPRequestEntityTooLarge,
    HTTPSeeOther,
)
from pyramid.request import Request
from pyramid.response import FileResponse, Response
from pyramid.security import forget, remember
from pyramid.view import exception_view_config, forbidden_view_config, view_config
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from sockio import socketio_manage

from .models import (
    LOBBY,
    MAX_MESSAGE,
    MAX_NAME,
    MAX_ROOM_NAME,
    MAX_USERS,
    Login,
    Message,
    User,
    count,
    find_user,
    fold,
    tidy_name,
)
from .security import LOGIN_LASTS, MAX_PASSWORD, MIN_PASSWORD, hash_password, is_password
from .sockets import NAMESPACE, ChatNamespace

MAX_FORM = 100_000  # bytes

# The JavaScript client, socket.io-client 4.x: the file that the environment names, or where npm
# puts it when run next to development.ini, or a public CDN, of which browsers take this very file.
CDN = "https://cdn.jsdelivr.net/npm/socket.io-client@4.8.4/dist/socket.io.min.js"
INTEGRITY = "sha384-fBrXvbDtHoeKWJ/hcA6M+YGueiDW+h45I7V6F2kD1S8bOkrF9rZYPLVkCR6BLR/1"
_NPM = "node_modules/socket.io-client/dist/socket.io.js"
CLIENT = Path(os.environ.get("SOCKIO_CLIENT_JS") or Path(__file__).parents[1] / _NPM)
FROM_CDN = not CLIENT.is_file()
if FROM_CDN and "SOCKIO_CLIENT_JS" in os.environ:
    raise ConfigurationError(f"SOCKIO_CLIENT_JS names {CLIENT}: no such file. Correct or unset it.")


# ---- Sockets


@view_config(route_name="socketio", permission="chat")
def socketio_view(request: Request) -> Response:
    """Runs once for each page, at its handshake. Its permission is what decides: Pyramid answers
    403 by itself to whoever is not logged in, and sockio passes that on."""
    socket = request.environ.get("socketio")
    if socket is None:  # no handshake: a stray address below /socket.io/
        raise HTTPNotFound
    # Handlers run after this request is over, so they get what they need to know of it.
    socket.session["login"] = request.identity.id
    socketio_manage(request.environ, {NAMESPACE: ChatNamespace}, request)
    return request.response


@view_config(route_name="announce", permission="announce", request_method="POST")
def announce(request: Request) -> Response:
    """An ordinary view that reaches every socket."""
    text = field(request, "text").strip()
    if not 0 < len(text) <= MAX_MESSAGE:
        return Response(f"An announcement has 1 to {MAX_MESSAGE} characters.", status=400)
    message = Message(text=text)
    request.db.add(message)
    request.db.commit()
    request.socketio.of(NAMESPACE).emit("message", message.to_wire())
    return HTTPNoContent()


# ---- Accounts


@view_config(route_name="login", renderer="templates/account.jinja2")
def login(request: Request) -> Any:
    if request.method != "POST":
        return _account_form(request)
    name, password = field(request, "name"), field(request, "password")
    user = find_user(request.db, tidy_name(name, MAX_NAME) or "")
    known = is_password(password[:MAX_PASSWORD], user.password if user else None)
    if user is None or not known:
        return _account_form(request, name, "This name and this password do not belong together.")
    return _log_in(request, user)


@view_config(route_name="register", renderer="templates/account.jinja2")
def register(request: Request) -> Any:
    if request.method != "POST":
        return _account_form(request)
    typed, password = field(request, "name"), field(request, "password")
    name = tidy_name(typed, MAX_NAME)
    if name is None:
        return _account_form(
            request, typed, f"A name has 1 to {MAX_NAME} letters, digits, spaces and . - _ '"
        )
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        return _account_form(
            request, typed, f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters."
        )
    hashed = hash_password(password)  # takes its time, so ask the database afterwards
    users = count(request.db, User)
    if users >= MAX_USERS:
        return _account_form(request, typed, "Nobody else can register here: the chat is full.")
    user = User(name=name, folded=fold(name), password=hashed, is_host=users == 0)
    request.db.add(user)
    try:
        request.db.commit()
    except IntegrityError:
        request.db.rollback()
        return _account_form(request, typed, f"Somebody else is called {name} already.")
    return _log_in(request, user)


def _account_form(request: Request, typed: str = "", problem: str = "") -> Any:
    if request.identity is not None:
        return HTTPSeeOther(request.route_path("chat"))
    if problem:
        request.response.status_int = 400
    return {
        "typed": typed,
        "problem": problem,
        "max_name": MAX_NAME,
        "min_password": MIN_PASSWORD,
        "max_password": MAX_PASSWORD,
    }


def _log_in(request: Request, user: User) -> Response:
    forgotten = Login.user_id == user.id, Login.since < time.time() - LOGIN_LASTS
    request.db.execute(delete(Login).where(*forgotten))
    login = Login(id=secrets.token_urlsafe(16), user=user)
    request.db.add(login)
    request.db.commit()
    # What a stranger may have put into this browser before the login is worth nothing after it.
    new_csrf_token(request)
    return HTTPSeeOther(request.route_path("chat"), headers=remember(request, login.id))


@view_config(route_name="logout", request_method="POST")
def logout(request: Request) -> Response:
    if request.identity is not None:
        # Its open pages were let in long ago: they have to be told to go.
        pages = request.socketio.of(NAMESPACE).to(f"login:{request.identity.id}")
        request.db.delete(request.identity)
        request.db.commit()
        pages.disconnect()
    return HTTPSeeOther(request.route_path("login"), headers=forget(request))


# ---- The page


@view_config(route_name="chat", permission="chat", renderer="templates/chat.jinja2")
def chat(request: Request) -> dict[str, Any]:
    return {
        "lobby": LOBBY,
        "max_message": MAX_MESSAGE,
        "max_room_name": MAX_ROOM_NAME,
        "user": request.identity.user,
        "client": CDN if FROM_CDN else request.route_path("client"),
        "integrity": INTEGRITY if FROM_CDN else None,
    }


@view_config(route_name="client")
def client(request: Request) -> Response:
    if FROM_CDN:
        raise HTTPNotFound
    return FileResponse(CLIENT, request, content_type="text/javascript")


# ---- Around them


@forbidden_view_config()
def forbidden(request: Request) -> Response:
    """The page leads to the login; whatever else may not be done is answered with Pyramid's 403."""
    if request.matched_route.name == "chat":
        return HTTPSeeOther(request.route_path("login"))
    return HTTPForbidden()


@exception_view_config(BadCSRFToken, renderer="templates/stale.jinja2")
def stale_form(request: Request) -> dict[str, Any]:
    request.response.status_int = 400
    return {}


@subscriber(NewRequest)
def refuse_long_forms(event: NewRequest) -> None:
    if event.request.method == "POST":
        length = event.request.content_length
        if length is None:
            raise HTTPLengthRequired
        if length > MAX_FORM:
            raise HTTPRequestEntityTooLarge


@subscriber(NewResponse)
def add_security_headers(event: NewResponse) -> None:
    # What people write is shown as text only. Should that ever go wrong, no script but ours runs.
    scripts = f"'self' {CDN}" if FROM_CDN else "'self'"
    headers = event.response.headers
    headers["Content-Security-Policy"] = (
        f"default-src 'self'; script-src {scripts}; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    if event.response.content_type == "text/html":
        headers["Cache-Control"] = "no-store"  # "back" after a log-out shows nothing


def field(request: Request, name: str) -> str:
    """What was typed into a field of a form; a file in its place counts as nothing."""
    value = request.POST.get(name)
    return value if isinstance(value, str) else ""
