"""What happens over sockets. sockio finds this module in every installed app."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver

from chat.models import MAX_MESSAGE, Message, Room
from sockio import BaseNamespace, RoomsMixin
from sockio.exceptions import EventRefused
from sockio.integrations.django import namespace, of


@namespace("/chat")
class ChatNamespace(BaseNamespace, RoomsMixin):
    """One visitor's page. Handlers may use the ORM; each event has its own connection."""

    def recv_connect(self) -> bool:
        # Who it is was settled at the handshake. Whether they still may is asked anew: a page that
        # comes back has made a new one, an open page is thrown out below.
        self.user = self.request.user
        if not self.user.is_authenticated:
            return False
        # Not a room of the chat, but all pages of one person: rooms can be any hashable value.
        self.join(f"person:{self.user.pk}")
        self.room: Room | None = None
        return True

    def on_enter(self, slug: Any, after: Any = 0) -> dict[str, Any]:
        """The page shows a room. It gets what it has missed since the message ``after``."""
        room = Room.objects.filter(slug=slug).first() if isinstance(slug, str) else None
        if room is None:
            raise EventRefused("no_such_room", "There is no such room.")
        if not isinstance(after, int) or not 0 <= after < 2**63:
            raise EventRefused("invalid_arguments", "The number of a message is needed.")
        self._leave_room()
        # First into the room, then the history: what is said in between is heard, maybe twice, and
        # the page knows messages by their ids.
        self.room = room
        self.join(room.slug)
        people = people_in(room.slug)
        self.emit_to_room(room.slug, "people", people)
        return {"people": people, "missed": [message.as_json() for message in room.history(after)]}

    def on_say(self, text: Any, key: Any) -> dict[str, Any]:
        """Something for everybody in the room; the answer is the message as it was stored."""
        if self.room is None:
            raise EventRefused("no_room", "Enter a room first.")
        if not isinstance(text, str) or not text.strip():
            raise EventRefused("empty", "There is nothing in it.")
        if len(text) > MAX_MESSAGE:
            raise EventRefused("too_long", f"No more than {MAX_MESSAGE} characters, please.")
        if not isinstance(key, str) or not 0 < len(key) <= 40:
            raise EventRefused("no_key", "A message needs a key of its own.")
        # Half a character, which JavaScript can send and no database can store.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        message, is_new = Message.objects.get_or_create(
            author=self.user, key=key, defaults={"room": self.room, "text": text}
        )
        if is_new:
            self.emit_to_room(self.room.slug, "message", message.as_json())
        stored: dict[str, Any] = message.as_json()
        return stored

    def recv_disconnect(self) -> None:
        self._leave_room()

    def _leave_room(self) -> None:
        room, self.room = self.room, None
        if room is not None:
            self.leave(room.slug)
            of("/chat").to(room.slug).emit("people", people_in(room.slug))


def people_in(slug: str) -> list[str]:
    """Who has a page open that shows the room."""
    sockets = of("/chat").to(slug).sockets()
    return sorted({socket["/chat"].user.get_username() for socket in sockets}, key=str.casefold)


@receiver(user_logged_out)
def throw_out(sender: Any, user: Any, **kwargs: Any) -> None:
    """Whoever logs out is logged out everywhere: open pages too."""
    if isinstance(user, get_user_model()):
        of("/chat").to(f"person:{user.pk}").disconnect()
