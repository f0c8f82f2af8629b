"""What a reader of the page on deployment has: the tutorial's chat."""

from __future__ import annotations

import os

from flask import Flask

from sockio import BaseNamespace, SocketIOMiddleware

app = Flask(__name__)


class ChatNamespace(BaseNamespace):
    pass
