"""What arrives over a socket: one :class:`ChatNamespace` for each open page.

A page is in one room at a time. Who is online, and where, is nowhere written down: sockio knows
its sockets, so it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from sockio import BaseNamespace, BroadcastMixin, ConnectionRefused, EventRefused, RoomsMixin

from .models import (
    MAX_KEY,
    MAX_MESSAGE,
    MAX_ROOM_NAME,
    MAX_ROOMS,
    Login,
    Message,
    Room,
    User,
    as_text,
    count,
    find_room,
    fold,
    history,
    tidy_name,
)

NAMESPACE = "/chat"

_session: ContextVar[Session] = ContextVar("the session of the event that is being handled")


def session_per_event(
    sessions: sessionmaker[Session],
) -> Callable[[BaseNamespace], AbstractContextManager[None]]:
    """The setting ``context`` for sockio: what it does around each event, connecting included.

    A handler that fails leaves nothing half done: what it had not committed is rolled back.
    """

    @contextmanager
    def around(namespace: BaseNamespace) -> Iterator[None]:
        with sessions() as session:
            # Not an attribute of the namespace: its recv_disconnect may run while a handler waits.
            token = _session.set(session)
            try:
                yield
            finally:
                _session.reset(token)

    return around


class ChatNamespace(BaseNamespace, RoomsMixin, BroadcastMixin):
    """One page. Whatever it sends may be anything, so every argument is checked.

    ``EventRefused`` reaches the function that the page passed to ``emit``, as ``{"error": ...,
    "message": ...}``; what a handler returns reaches it too.
    """

    name: str
    user_id: int

    @property
    def db(self) -> Session:
        return _session.get()

    def initialize(self) -> None:
        #: The room this page is in; None until it has entered one.
        self.place: str | None = None

    def recv_connect(self) -> None:
        """Lets the page in, unless its login has ended since the handshake."""
        login = self.db.get(Login, self.session["login"])
        if login is None:
            raise ConnectionRefused("logged out since the handshake")
        self.name, self.user_id = login.user.name, login.user_id
        self.join(f"login:{login.id}")  # for the view that logs out, see there
        rooms = [room.name for room in self.db.scalars(select(Room).order_by(Room.id))]
        self.emit("welcome", {"rooms": rooms, "people": self._people()})

    def recv_disconnect(self) -> None:
        if self.place is not None:
            self.place = None
            self._tell_where_i_am()

    def on_enter_room(self, name: object, after: object) -> dict[str, Any]:
        """Moves to a room. Answers the messages that came after the one of id ``after``."""
        room, last = self._find_room(name), self._id(after)
        if self.place != room.name:
            if self.place is not None:
                self.leave(self.place)
            self.join(room.name)
            self.place = room.name
            self._tell_where_i_am()
        messages, more = history(self.db, room, after=last)
        return {"room": room.name, "messages": messages, "more": more}

    def on_older_messages(self, name: object, before: object) -> dict[str, Any]:
        room = self._find_room(name)
        messages, more = history(self.db, room, before=self._id(before))
        return {"messages": messages, "more": more}

    def on_open_room(self, name: object) -> str:
        """Makes a room, if there is none of that name yet; answers what it is called."""
        tidy = tidy_name(name, MAX_ROOM_NAME)
        if tidy is None:
            raise EventRefused(
                "bad_name",
                f"A name has 1 to {MAX_ROOM_NAME} letters, digits, spaces and . - _ '",
            )
        room = find_room(self.db, tidy)
        if room is None:
            if count(self.db, Room) >= MAX_ROOMS:
                raise EventRefused("too_many_rooms", f"There are {MAX_ROOMS} rooms already.")
            room = Room(name=tidy, folded=fold(tidy))
            self.db.add_all([room, Message(room=room, text=f"{self.name} opened this room.")])
            self.db.commit()
            self.broadcast_event("room", room.name)
        return room.name

    def on_user_message(self, name: object, text: object, key: object) -> dict[str, Any]:
        """Stores a message, then tells the room. The same key again is the same message again."""
        room = self._find_room(name)
        tidy, key = as_text(text).strip(), as_text(key)
        if not 0 < len(key) <= MAX_KEY:
            raise EventRefused("bad_key", "Every message needs a key of its own.")
        if not tidy:
            raise EventRefused("empty", "There is nothing in this message.")
        if len(tidy) > MAX_MESSAGE:
            raise EventRefused(
                "too_long", f"This has {len(tidy)} characters; {MAX_MESSAGE} are the most."
            )
        mine = Message.author_id == self.user_id, Message.key == key
        message = self.db.scalar(select(Message).where(*mine))
        if message is None:
            author = self.db.get_one(User, self.user_id)
            message = Message(room=room, author=author, key=key, text=tidy)
            self.db.add(message)
            # First it is kept, then it is told: nobody reads what a restart would take back.
            self.db.commit()
            self.emit_to_room(room.name, "message", message.to_wire())
            self.broadcast_event_not_me("activity", room.name)
        return dict(message.to_wire())

    # ---- what the handlers share

    def _find_room(self, name: object) -> Room:
        room = find_room(self.db, as_text(name))
        if room is None:
            raise EventRefused("no_such_room", "There is no such room.")
        return room

    def _id(self, value: object) -> int:
        # JavaScript has one kind of number; beyond 2**53 it, and beyond 2**63 SQLite, loses count.
        if not (isinstance(value, int) and 0 <= value < 2**53):
            raise EventRefused("bad_id", "That is no message.")
        return value

    def _people(self) -> dict[str, list[str]]:
        """Who is online, and in which rooms: people may have several pages open."""
        people: dict[str, list[str]] = {}
        for socket in self.request.socketio.of(NAMESPACE).sockets():
            page = socket[NAMESPACE]
            if page.place is not None:
                people.setdefault(page.name, []).append(page.place)
        return people

    def _tell_where_i_am(self) -> None:
        self.broadcast_event("presence", self.name, self._people().get(self.name, []))
