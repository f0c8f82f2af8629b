"""No framework at all: a WSGI application, and a function that says who may chat.

Start it: sockio serve wsgi_app:application
"""

import secrets

from webob import Request, Response
from webob.dec import wsgify

from sockio import BaseNamespace, BroadcastMixin, SocketIOMiddleware

logins: dict[str, object] = {}  # what is in the cookie -> nickname


class ChatNamespace(BaseNamespace, BroadcastMixin):
    def on_user_message(self, text: str) -> bool:
        nickname = logins[self.request.cookies["login"]]
        self.broadcast_event_not_me("user message", nickname, text)
        return True


@wsgify
def pages(request: Request) -> Response:
    response = Response("the pages of the site\n", content_type="text/plain")
    if request.method == "POST" and request.path == "/login":
        token = secrets.token_urlsafe()
        logins[token] = request.POST["nickname"]
        response.set_cookie("login", token, httponly=True, samesite="Lax")
    return response


def is_logged_in(request: Request) -> bool:
    return request.cookies.get("login") in logins


application = SocketIOMiddleware(pages, {"/chat": ChatNamespace}, authorize=is_logged_in)
