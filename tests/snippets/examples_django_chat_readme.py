"""What ``sockets.py`` and ``views.py`` of the example have."""

from __future__ import annotations

from typing import Any

from django.db import models

from sockio import BaseNamespace, RoomsMixin
from sockio.integrations.django import namespace, of


class Room(models.Model):
    slug: models.CharField[str, str] = models.CharField(max_length=40)


class Message(models.Model):
    key: models.CharField[str, str] = models.CharField(max_length=40)

    def as_json(self) -> dict[str, Any]:
        return {}


room = Room()
message = Message()
