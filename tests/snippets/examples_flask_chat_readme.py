"""What ``chat.py`` of the example has."""

from __future__ import annotations

from flask import Flask, abort, request, session

from sockio import BaseNamespace, SocketIOMiddleware, socketio_manage

app = Flask(__name__)


class ChatNamespace(BaseNamespace):
    pass
