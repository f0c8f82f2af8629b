"""A chat with rooms, in Flask: whoever Flask has logged in may connect.

    python chat.py                  # or, from this directory: sockio serve chat:app

Then open http://127.0.0.1:8080 in two browsers. There are two pages, one with socket.io-client 4.x
and one, at ``/0.9``, with 0.9.17; who is on one talks with who is on the other, and nothing below
knows the difference. Read the file from top to bottom: the limits, the clients, what the chat
remembers, the Flask views (login, pages, and the one view that lets sockets in),
``ChatNamespace``, where everything that arrives over a socket is handled, and what several workers
tell each other.

The chat lives in the memory of its process, and of each of several. When the last one ends, rooms,
history and who is online are forgotten; with a random ``SECRET_KEY`` (see below) everybody is
logged out as well.
"""

from __future__ import annotations

if __name__ == "__main__":
    # Before any other import: modules that come first would keep the blocking versions of what
    # they took from the standard library. ``sockio serve`` does this for you.
    from gevent import monkey

    monkey.patch_all()

import itertools
import os
import secrets
import time
import unicodedata
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypedDict

import gevent
from flask import (
    Flask,
    Response,
    abort,
    redirect,
    render_template,
    request,
    send_file,
    session,
    url_for,
)
from gevent.lock import BoundedSemaphore
from werkzeug.wrappers import Response as BaseResponse

from sockio import (
    BaseNamespace,
    ConnectionRefused,
    RoomsMixin,
    SocketIOMiddleware,
    socketio_manage,
)

# Limits. Whatever a client can make grow has one, because some client will try.
MAX_NICKNAME = 24  # characters
MAX_ROOM_NAME = 32  # characters
MAX_MESSAGE = 1000  # characters
MAX_ROOMS = 20  # the lobby included
HISTORY_LENGTH = 50  # messages kept per room, in memory; older ones are forgotten

LOBBY = "lobby"  # always there, everybody starts in it, nobody leaves it

HERE = Path(__file__).parent


# --- The JavaScript clients ----------------------------------------------------------------------


class Client(NamedTuple):
    """A generation of socket.io-client: the page that uses it, and where its script comes from."""

    page: str  # the endpoint of the Flask view
    link: str  # what is the page's own: static/<link>
    variable: str  # the environment's name of the script's file
    package: str  # its folder in node_modules
    cdn: str  # where it comes from if it is not on this machine
    integrity: str  # the hash of that: the browser takes no other

    def find(self) -> Path | None:
        """The script on this machine, if it is here. It is not part of this example."""
        named = os.environ.get(self.variable)
        if named and not Path(named).is_file():
            raise FileNotFoundError(
                f"{self.variable} names {named}, which is not a file. Correct it, or unset it "
                "to load the client from a CDN."
            )
        if named:
            return Path(named).resolve()
        installed = HERE / "node_modules" / self.package / "dist" / "socket.io.js"
        return installed if installed.is_file() else None


NEW = Client(
    "index",
    "client-4.js",
    "SOCKIO_CLIENT_JS",
    "socket.io-client",
    "https://cdn.jsdelivr.net/npm/socket.io-client@4.8.4/dist/socket.io.min.js",
    "sha384-fBrXvbDtHoeKWJ/hcA6M+YGueiDW+h45I7V6F2kD1S8bOkrF9rZYPLVkCR6BLR/1",
)
OLD = Client(
    "old",
    "client-0.9.js",
    "SOCKIO_CLIENT_09_JS",
    "socket.io-client-0.9",
    "https://cdn.jsdelivr.net/npm/socket.io-client@0.9.17/dist/socket.io.min.js",
    "sha384-4Q4At0XhiBsha+rJwYJoobwTFJRNEXtUlQUGS11/JyEsmWTn5V7oEfS16hNxOrht",
)
NEW_JS, OLD_JS = NEW.find(), OLD.find()


# --- What the chat remembers ---------------------------------------------------------------------
#
# Plain dictionaries are enough, and need no locks: greenlets change places only where one of them
# waits. Below, the state is always changed completely before anything is sent.


class Message(TypedDict):
    id: str
    room: str
    nickname: str
    text: str
    time: float  # seconds since 1970; every browser shows it in its own time zone


class Person(TypedDict):
    """A tab, as the workers tell each other of it: JSON."""

    nickname: str
    login_id: str
    rooms: list[str]


class Elsewhere:
    """What another worker has said last: see "Several workers", below."""

    def __init__(self, people: list[Person]) -> None:
        self.people = people
        self.silent = 0  # how often it could have said so again, and has not


class Room:
    """Who is in a room, and what was said there lately."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.history: deque[Message] = deque(maxlen=HISTORY_LENGTH)
        self.seats: set[ChatNamespace] = set()  # one per browser tab, so people may have several

    def people(self) -> list[str]:
        here = {seat.nickname for seat in self.seats}
        there = {each["nickname"] for each in people_elsewhere() if self.name in each["rooms"]}
        return sorted(here | there, key=str.casefold)

    def tell(self, event: str, nickname: str) -> None:
        """Tell the tabs of this worker that are in the room who came or went."""
        socketio.of("/chat").local.to(self.name).emit(
            event, {"room": self.name, "nickname": nickname, "people": self.people()}
        )


rooms: dict[str, Room] = {LOBBY: Room(LOBBY)}
online: dict[str, set[ChatNamespace]] = {}  # case-folded nickname -> its open tabs in this worker
others: dict[
    str, Elsewhere
] = {}  # what the other workers have, by their names; often there is none
message_ids = itertools.count(1)


def people_elsewhere() -> Iterator[Person]:
    return (person for there in others.values() for person in there.people)


def tidy_name(value: object, longest: int) -> str | None:
    """The name as everybody will see it, or None if it is not fit to be one.

    Unicode has many ways to write what looks the same, and characters that show nothing at all.
    Compatibility forms are folded and spaces collapsed; control characters, direction overrides
    and names without a single letter or digit are turned down.
    """
    if not isinstance(value, str) or len(value) > longest:
        return None
    name = " ".join(unicodedata.normalize("NFKC", value).split())
    fits = 0 < len(name) <= longest and name.isprintable() and any(map(str.isalnum, name))
    return name if fits else None


def is_taken(nickname: str, login_id: str | None = None) -> bool:
    """Whether another login is online under this nickname; capitals make no difference."""
    if not met:
        meet_the_others()
    name = nickname.casefold()
    holders = [tab.login_id for tab in online.get(name, ()) if tab.connected]
    there = [each for each in people_elsewhere() if each["nickname"].casefold() == name]
    holders += [each["login_id"] for each in there]
    return any(holder != login_id for holder in holders)


# --- Flask: login, page, and the door for sockets ------------------------------------------------

app = Flask(__name__)
app.config.update(
    # It signs the session cookie. A random one is safe, but new at every start, so a restart logs
    # everybody out (and several processes would not accept each other's cookies). Set the variable
    # to keep people logged in.
    SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(32),
    SESSION_COOKIE_SAMESITE="Lax",  # other sites cannot post forms in the name of our users
)


@app.route("/login", methods=["GET", "POST"])
def login() -> str | tuple[str, int] | BaseResponse:
    if "nickname" in session:
        return redirect(_wanted())  # another nickname? log out first
    if request.method == "GET":
        return render_template("login.html", limit=MAX_NICKNAME)
    typed = request.form.get("nickname", "").strip()
    nickname = tidy_name(typed, MAX_NICKNAME)
    if nickname is None:
        problem = (
            f"A nickname has 1 to {MAX_NICKNAME} visible characters, "
            "and at least one letter or digit."
        )
        return _login_again(typed, problem), 400
    if is_taken(nickname):
        problem = f"Somebody called {nickname} is online already. Please choose another nickname."
        return _login_again(typed, problem), 409
    session["nickname"] = nickname
    # The tabs of one person share a nickname, two people must not. This tells them apart, and who
    # was first: it begins with the time.
    session["login_id"] = f"{time.time_ns():x}-{secrets.token_hex(8)}"
    return redirect(_wanted())


def _wanted() -> str:
    """The page that somebody without a login had asked for."""
    return url_for(OLD.page if request.args.get("to") == OLD.page else NEW.page)


def _login_again(typed: str, problem: str) -> str:
    return render_template("login.html", limit=MAX_NICKNAME, typed=typed, problem=problem)


@app.post("/logout")
def logout() -> BaseResponse:
    # Forgetting the cookie would leave the open sockets as they are: they were let in long ago.
    # Whichever worker has them: all tabs of a login are in a room.
    if "login_id" in session:
        socketio.of("/chat").to(room_of_login(session["login_id"])).disconnect()
    session.clear()
    return redirect(url_for("login"))


@app.route("/")
def index() -> str | BaseResponse:
    # The middleware serves the script itself: see its setting client_script, below.
    script = f"{request.script_root}/socket.io/socket.io.js"
    return _page(NEW, NEW.cdn if NEW_JS is None else script, NEW_JS is None)


@app.route("/0.9")
def old() -> str | BaseResponse:
    return _page(OLD, OLD.cdn if OLD_JS is None else url_for("old_client"), OLD_JS is None)


@app.route("/client/0.9/socket.io.js")
def old_client() -> BaseResponse:
    """The middleware serves one client; a second one is a file as any other."""
    if OLD_JS is None:
        abort(404)
    return send_file(OLD_JS, mimetype="text/javascript")


def _page(client: Client, script: str, from_cdn: bool) -> str | BaseResponse:
    if "nickname" not in session:
        return redirect(url_for("login", to=None if client is NEW else client.page))
    return render_template(
        "chat.html",
        nickname=session["nickname"],
        lobby=LOBBY,
        max_message=MAX_MESSAGE,
        client=client,
        client_js=script,
        from_cdn=from_cdn,
    )


@app.route("/me")
def me() -> dict[str, str]:
    """Tells a page that lost its connection whether it is still logged in."""
    if "nickname" not in session:
        abort(401)
    return {"nickname": session["nickname"]}


@app.route("/socket.io/")  # where clients since 1.0 ask
@app.route("/socket.io/<path:rest>")  # and those before
def socketio_view(rest: str = "") -> str:
    """Runs once per client, at its handshake, and decides whether it may connect.

    It is the last moment with a Flask request around it, so what the handlers will want to know of
    the session is handed over here. ``environ["socketio"]`` is the socket which is about to open;
    its ``session`` is what the namespaces see as ``self.session``.
    """
    if "nickname" not in session:
        abort(401)
    if "socketio" not in request.environ:  # not a handshake: a stray URL below /socket.io/
        abort(404)
    request.environ["socketio"].session.update(
        nickname=session["nickname"], login_id=session["login_id"]
    )
    socketio_manage(request.environ, {"/chat": ChatNamespace}, request)
    return ""


# --- The chat itself -----------------------------------------------------------------------------


def refusal(code: str, message: str) -> dict[str, object]:
    """An ack that says no. Same shape as sockio's own error acks, so the page treats them alike."""
    return {"error": code, "message": message}


def room_of_login(login_id: str) -> str:
    """For sockio, and not to be seen: no tidy name begins with a space."""
    return f" {login_id}"


def tell_all_the_rooms() -> None:
    """Tell the tabs of this worker which rooms there are."""
    directory = [{"name": room.name, "people": len(room.people())} for room in rooms.values()]
    socketio.of("/chat").local.emit("rooms", directory)


class ChatNamespace(BaseNamespace, RoomsMixin):
    """One browser tab.

    ``on_user_message`` handles the event "user message", and so on; what a handler returns reaches
    the function that the page passed to ``emit`` as its last argument. A page can send anything, so
    every argument is checked before it is used.
    """

    nickname: str
    login_id: str

    def recv_connect(self) -> None:
        """Lets the tab in, unless somebody took the nickname after this person had logged in."""
        self.nickname = self.session["nickname"]
        self.login_id = self.session["login_id"]
        if is_taken(self.nickname, self.login_id):
            # The text reaches clients since 3.0; before there is one word for every refusal.
            raise ConnectionRefused(f"Somebody else is online as {self.nickname}.")
        online.setdefault(self.nickname.casefold(), set()).add(self)
        self.join(room_of_login(self.login_id))
        if self.environ.get("wsgi.multiprocess"):
            self.emit("worker", os.getpid())  # for the curious; nothing depends on it
        tell_the_others()

    def recv_disconnect(self) -> None:
        """Comes exactly once per tab, whether it said goodbye or just vanished."""
        for room in [room for room in rooms.values() if self in room.seats]:
            self._leave(room)
        tabs = online.get(self.nickname.casefold(), set())
        tabs.discard(self)
        if not tabs:
            online.pop(self.nickname.casefold(), None)
        tell_the_others()

    def on_join_room(self, name: object) -> dict[str, object]:
        """Enters a room, which is made if need be; answers who is there and what was said."""
        tidy = tidy_name(name, MAX_ROOM_NAME)
        if tidy is None:
            return refusal(
                "bad_name",
                f"A room name has 1 to {MAX_ROOM_NAME} visible characters, "
                "and at least one letter or digit.",
            )
        room = rooms.get(tidy)
        if room is None:
            if len(rooms) >= MAX_ROOMS:
                return refusal("too_many_rooms", f"There are {MAX_ROOMS} rooms; that is enough.")
            room = rooms[tidy] = Room(tidy)
        if self not in room.seats:
            newcomer = self.nickname not in room.people()
            room.seats.add(self)
            if newcomer:  # a second tab of the same person is no news
                room.tell("joined", self.nickname)
            self.join(room.name)
            tell_all_the_rooms()
            tell_the_others()
        return {"room": room.name, "people": room.people(), "history": list(room.history)}

    def on_leave_room(self, name: object) -> dict[str, object]:
        room = self._my_room(name)
        if room is None:
            return refusal("not_in_room", "You are not in that room.")
        if room.name == LOBBY:
            return refusal("lobby", "Nobody leaves the lobby; close the page instead.")
        self._leave(room)
        tell_the_others()
        return {"room": room.name}

    def on_user_message(self, name: object, text: object) -> dict[str, object]:
        room = self._my_room(name)
        if room is None:
            return refusal("not_in_room", "Join the room before you write in it.")
        text = text.strip() if isinstance(text, str) else ""
        if not text:
            return refusal("empty", "There is nothing in this message.")
        if len(text) > MAX_MESSAGE:
            return refusal(
                "too_long",
                f"This message has {len(text)} characters; {MAX_MESSAGE} are the most.",
            )
        message = Message(
            id=f"{my_name()}.{next(message_ids)}",
            room=room.name,
            nickname=self.nickname,
            text=text,
            time=time.time(),
        )
        room.history.append(message)
        socketio.server_side_emit("said", [message])  # to the other workers, for their histories;
        self.emit_to_room(room.name, "user message", message)  # to all tabs of all but this one,
        return {"id": message["id"], "time": message["time"]}  # which learns it from the ack

    def on_typing(self, name: object, active: object) -> None:
        """No answer: whoever types does not wait for one."""
        room = self._my_room(name)
        if room is not None:
            self.emit_to_room(
                room.name,
                "typing",
                {"room": room.name, "nickname": self.nickname, "active": active is True},
            )

    def _my_room(self, name: object) -> Room | None:
        """The room of this name, if this tab is in it."""
        room = rooms.get(name) if isinstance(name, str) else None
        return room if room is not None and self in room.seats else None

    def _leave(self, room: Room) -> None:
        room.seats.discard(self)
        self.leave(room.name)
        people = room.people()
        if not people and room.name != LOBBY:
            del rooms[room.name]  # and its history: empty rooms make place for new ones
        if self.nickname not in people:
            room.tell("left", self.nickname)
        tell_all_the_rooms()

    def give_way(self) -> None:
        """Somebody who had logged in earlier has this nickname in another worker."""
        self.emit("taken", f"Somebody else is online as {self.nickname}.")
        self.disconnect()


# From here on everything below /socket.io/ belongs to sockio, and the rest to Flask as before.
# ``socketio.of("/chat").to(LOBBY).emit(...)`` reaches the clients from any view or thread.
socketio = SocketIOMiddleware(
    app.wsgi_app,
    client_script=NEW_JS,
    backplane=os.environ.get("BACKPLANE", ""),  # the URL of a Redis server, between hosts
)
app.wsgi_app = socketio  # type: ignore[method-assign]


# --- Several workers -----------------------------------------------------------------------------
#
# sockio carries events to the tabs of all workers, of all hosts. What is in variables each worker
# has for itself, so the workers tell each other (``server_side_emit``): what was said, for the
# histories, and each who is online in it: all of them, whenever that changes and every few seconds.
# What gets lost is mended by the next time, and who has not been heard of for a while is dead. Each
# tells its own tabs what is new to it. The only worker there is tells nobody, and has no task.

TELL_EVERY = 2  # seconds
SILENCES = 3  # a worker that has left out so many is gone, and so is who did not come back
START = secrets.token_hex(4)  # one process may load this file and be forked later

alone = True  # as far as this worker knows
asking = False  # whether somebody is to be asked again
met = False
meeting = BoundedSemaphore()


def my_name() -> str:
    return f"{START}.{os.getpid()}"


def our_people() -> list[Person]:
    return [
        Person(
            nickname=tab.nickname,
            login_id=tab.login_id,
            rooms=[room.name for room in rooms.values() if tab in room.seats],
        )
        for tabs in online.values()
        for tab in tabs
    ]


@socketio.on_start
def meet_the_others() -> None:
    """Once in each worker, before anybody is let in. Blocks for 2 s at most."""
    global met
    with meeting:
        if not met:
            ask_the_others()
            met = True


def ask_the_others() -> None:
    """Learn who is online elsewhere and what was said."""
    global asking
    answers, missing = socketio.server_side_call("hello", timeout=2)
    for worker, people, _ in answers.values():
        learn(worker, people)
    for *_, messages in answers.values():
        remember(messages)
    # They are out of reach while Redis is, and for the first second.
    asking = "other hosts" in missing
    if answers or asking:
        begin_telling()


def begin_telling() -> None:
    global alone
    if alone:
        alone = False
        gevent.spawn(keep_telling)


def keep_telling() -> None:
    while True:
        tell_the_others()
        gevent.sleep(TELL_EVERY)
        if asking:
            ask_the_others()
        for worker, there in list(others.items()):
            there.silent += 1
            if there.silent > SILENCES:
                learn(worker, None)


def tell_the_others() -> None:
    if not alone:
        socketio.server_side_emit("here", my_name(), our_people())


@socketio.on_server_side("hello")
def hello() -> list[object]:
    """What a new worker is told."""
    begin_telling()
    said = [message for room in rooms.values() for message in room.history]
    return [my_name(), our_people(), said]


@socketio.on_server_side("here")
def here(worker: str, people: list[Person]) -> None:
    begin_telling()
    learn(worker, people)


@socketio.on_server_side("said")
def remember(messages: list[Message]) -> None:
    """Each once, and in the order of time, whichever way they came."""
    for message in messages:
        room = rooms.get(message["room"])
        if room is not None:
            by_id = {each["id"]: each for each in [*room.history, message]}
            in_order = sorted(by_id.values(), key=lambda each: (each["time"], each["id"]))
            room.history = deque(in_order, maxlen=HISTORY_LENGTH)


def learn(worker: str, people: list[Person] | None) -> None:
    """Another worker has these people now, or is gone (None). Tells our tabs what that changes."""
    if people is not None and worker in others and others[worker].people == people:
        others[worker].silent = 0
        return
    before = {room.name: set(room.people()) for room in rooms.values()}
    others.pop(worker, None)
    if people is not None:
        others[worker] = Elsewhere(people)
    news = False
    for person in people or ():
        for name in person["rooms"]:
            rooms.setdefault(name, Room(name))
    for room in list(rooms.values()):
        had, has = before.get(room.name, set()), set(room.people())
        for nickname in has - had:
            room.tell("joined", nickname)
        for nickname in had - has:
            room.tell("left", nickname)
        if not has and room.name != LOBBY:
            del rooms[room.name]
        if had != has:
            news = True
    if news:
        tell_all_the_rooms()
    # Two people who chose one nickname at the same moment, in workers that did not know of each
    # other's yet, were both let in. Who had logged in first keeps it: so all workers find.
    for person in people or ():
        for tab in list(online.get(person["nickname"].casefold(), ())):
            if person["login_id"] < tab.login_id:
                tab.give_way()


# --- Around it: headers, and the way to start ----------------------------------------------------


@app.after_request
def add_security_headers(response: Response) -> Response:
    # The page puts what people write into text nodes only. Should that ever go wrong, a browser
    # which obeys this header still runs no script but ours.
    elsewhere = [c.cdn for c, here in ((NEW, NEW_JS), (OLD, OLD_JS)) if here is None]
    script_from = " ".join(["'self'", *elsewhere])
    response.headers["Content-Security-Policy"] = (
        f"default-src 'self'; script-src {script_from}; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    if response.mimetype == "text/html":
        # So that "back" after a logout asks the server instead of showing the old page.
        response.headers["Cache-Control"] = "no-store"
    return response


if __name__ == "__main__":
    from sockio.server import serve

    serve(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))  # says its address
