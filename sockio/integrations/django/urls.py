"""``path("", include("sockio.integrations.django.urls"))``: the handshake, at ``/socket.io/``."""

from __future__ import annotations

import re

from django.urls import re_path
from django.utils.functional import lazy

from . import conf
from .views import socketio

__all__ = ["urlpatterns"]


def _pattern() -> str:
    return rf"^{re.escape(conf.resource())}/"


# Lazy: the settings are asked for it when a URL is first resolved.
urlpatterns = [re_path(lazy(_pattern, str)(), socketio, name="socketio")]
