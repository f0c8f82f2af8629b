"""``path("", include("sockio.integrations.django.urls"))``: the handshake, at ``/socket.io/``."""

from __future__ import annotations

import re

from django.urls import re_path

from . import conf
from .views import socketio

__all__ = ["urlpatterns"]

urlpatterns = [re_path(rf"^{re.escape(conf.resource())}/", socketio, name="socketio")]
