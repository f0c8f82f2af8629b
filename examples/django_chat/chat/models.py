"""Rooms, and what was said in them."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.text import slugify

MAX_MESSAGE = 1000  # characters
HISTORY = 50  # messages that a page shows at first, and that one who comes back gets at most


class Room(models.Model):
    name = models.CharField(max_length=40, unique=True)
    slug = models.SlugField(max_length=40, unique=True, editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return str(self.name)

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.slug:
            # A name without letters has none of its own, and two names may have the same.
            self.slug = slugify(self.name) or "room"
            if Room.objects.filter(slug=self.slug).exists():
                self.slug = f"{self.slug[:30]}-{secrets.token_hex(4)}"
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return str(reverse("room", args=[self.slug]))

    def history(self, after: int = 0) -> list[Message]:
        """The latest messages here, oldest first: only those after the one with that number."""
        said = Message.objects.filter(Q(room=self) | Q(room=None), pk__gt=after)
        return list(reversed(said.select_related("author").order_by("-pk")[:HISTORY]))


class Message(models.Model):
    """Something that was said: in a room, or announced to all (``room`` is None)."""

    room = models.ForeignKey(Room, models.CASCADE, null=True)
    #: None for what the house announces.
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    text = models.CharField(max_length=MAX_MESSAGE)
    time = models.DateTimeField(auto_now_add=True)
    #: What the author's page calls it. The same key is the same message, sent again.
    key = models.CharField(max_length=40, null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("author", "key"), name="one_message_per_key"),
        )

    def __str__(self) -> str:
        return str(self.text)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.pk,
            "author": self.author.get_username() if self.author else None,
            "text": self.text,
            "time": self.time.isoformat(),
        }
