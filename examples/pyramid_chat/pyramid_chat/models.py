"""What the chat remembers: users, their logins, rooms, and messages, in SQLite.

SQLAlchemy's typed ORM. Whoever needs a session opens one for one task and closes it: a view for its
request, a handler for its event (:func:`pyramid_chat.sockets.session_per_event`).
"""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path
from typing import Any, TypedDict

from sqlalchemy import (
    URL,
    ForeignKey,
    Index,
    UniqueConstraint,
    create_engine,
    event,
    func,
    or_,
    select,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    sessionmaker,
)

# Limits. Whatever somebody can make grow has one.
MAX_NAME = 24  # characters of a user's name
MAX_ROOM_NAME = 32  # characters
MAX_ROOMS = 50
MAX_USERS = 10_000
MAX_MESSAGE = 2000  # characters
MAX_KEY = 64  # characters that a page may choose to tell its messages apart
PAGE = 40  # messages that are sent at once, of all that a room has

LOBBY = "lobby"  # everybody starts here

PUNCTUATION = " .-_'"


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    folded: Mapped[str] = mapped_column(unique=True)  # "Ada" and "ada" are one name
    password: Mapped[str]  # its hash, see pyramid_chat.security
    is_host: Mapped[bool]  # may make announcements; the first who registers


class Login(Base):
    """One browser that somebody has logged in with. Without the row its cookie is worth nothing."""

    __tablename__ = "logins"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    since: Mapped[float] = mapped_column(default=time.time)
    user: Mapped[User] = relationship(lazy="joined")


class Room(Base):
    __tablename__ = "rooms"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    folded: Mapped[str] = mapped_column(unique=True)


class WireMessage(TypedDict):
    """A message as the page gets it."""

    id: int
    room: str | None  # None: an announcement, in every room
    author: str | None  # None: nobody wrote it, the chat says it
    text: str
    time: float  # seconds since 1970; every browser shows it in its own time zone


class Message(Base):
    __tablename__ = "messages"
    __table_args__ = (
        # A page that does not know whether its message arrived sends it again under the same key.
        UniqueConstraint("author_id", "key"),
        Index("in_order", "room_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    room_id: Mapped[int | None] = mapped_column(ForeignKey(Room.id))
    author_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    key: Mapped[str | None]
    text: Mapped[str]
    time: Mapped[float] = mapped_column(default=time.time)
    room: Mapped[Room | None] = relationship(lazy="joined")
    author: Mapped[User | None] = relationship(lazy="joined")

    def to_wire(self) -> WireMessage:
        return {
            "id": self.id,
            "room": self.room.name if self.room else None,
            "author": self.author.name if self.author else None,
            "text": self.text,
            "time": self.time,
        }


def open_database(file: Path) -> sessionmaker[Session]:
    """What opens sessions on a database, which is made if it is not there."""
    engine = create_engine(URL.create("sqlite", database=str(file)))
    event.listen(engine, "connect", _set_up_connection)
    Base.metadata.create_all(engine)
    # Objects stay readable after a commit: handlers commit first and tell the others then.
    sessions = sessionmaker(engine, expire_on_commit=False)
    with sessions() as db:
        if find_room(db, LOBBY) is None:
            db.add(Room(name=LOBBY, folded=fold(LOBBY)))
            db.commit()
    return sessions


def _set_up_connection(connection: Any, record: object) -> None:
    # SQLite is a library, not a server: while it waits for the disk, every greenlet waits with it.
    # This way a commit does not wait for the disk, at the price that a power cut may take the last
    # ones back.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def tidy_name(value: object, longest: int) -> str | None:
    """A name as everybody will see it, or None if it is not fit to be one.

    Letters, digits and accents of any alphabet and a little punctuation: nothing that is invisible,
    changes the direction of writing, or looks like a name while it is blank.
    """
    if not isinstance(value, str) or len(value) > longest:
        return None
    name = " ".join(unicodedata.normalize("NFKC", value).split())
    kinds = {
        unicodedata.category(character)[0] for character in name if character not in PUNCTUATION
    }
    return (
        name if len(name) <= longest and kinds & {"L", "N"} and kinds <= {"L", "N", "M"} else None
    )


def as_text(value: object) -> str:
    """What a page sent for a text: itself, or nothing if it is no text at all.

    JavaScript can cut a character in half; no encoding has half characters, so they are replaced.
    """
    if not isinstance(value, str):
        return ""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def fold(name: str) -> str:
    """What two names have in common that are one name."""
    return name.casefold()


def find_user(db: Session, name: str) -> User | None:
    return db.scalar(select(User).where(User.folded == fold(name)))


def find_room(db: Session, name: str) -> Room | None:
    return db.scalar(select(Room).where(Room.folded == fold(name)))


def count(db: Session, table: type[Base]) -> int:
    return db.scalar(select(func.count()).select_from(table)) or 0


def history(
    db: Session, room: Room, *, before: int | None = None, after: int = 0
) -> tuple[list[WireMessage], bool]:
    """The newest messages of a room, oldest first, and whether there are more of them.

    ``before`` and ``after`` are ids of messages: at most :data:`PAGE` of what is between them.
    """
    wanted = (
        select(Message)
        .where(or_(Message.room_id == room.id, Message.room_id.is_(None)), Message.id > after)
        .order_by(Message.id.desc())
        .limit(PAGE + 1)  # one more than is shown, to know whether there are more
    )
    if before is not None:
        wanted = wanted.where(Message.id < before)
    newest_first = db.scalars(wanted).all()
    return [message.to_wire() for message in newest_first[:PAGE]][::-1], len(newest_first) > PAGE
