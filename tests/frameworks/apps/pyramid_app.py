"""Pyramid: whoever is logged in may chat.

Start it: sockio serve pyramid_app:application
"""

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden, HTTPFound
from pyramid.request import Request
from pyramid.response import Response
from pyramid.session import SignedCookieSessionFactory

from sockio import BaseNamespace, BroadcastMixin, SocketIOMiddleware, socketio_manage


class ChatNamespace(BaseNamespace, BroadcastMixin):
    def on_user_message(self, text: str) -> bool:
        nickname = self.request.session["nickname"]
        self.broadcast_event_not_me("user message", nickname, text)
        return True


def login(request: Request) -> Response:
    request.session["nickname"] = request.POST["nickname"]
    return HTTPFound("/")


def socketio_view(request: Request) -> Response:
    if "nickname" not in request.session:
        raise HTTPForbidden
    socketio_manage(request.environ, {"/chat": ChatNamespace}, request)
    return Response()


with Configurator() as config:
    config.set_session_factory(SignedCookieSessionFactory("change me"))
    config.add_route("login", "/login", request_method="POST")
    config.add_view(login, route_name="login")
    config.add_route("socketio", "/socket.io/*rest")
    config.add_view(socketio_view, route_name="socketio")
    application = SocketIOMiddleware(config.make_wsgi_app())
