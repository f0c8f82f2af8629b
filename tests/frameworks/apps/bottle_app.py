"""Bottle: whoever is logged in may chat.

Start it: sockio serve bottle_app:application
"""

from bottle import Bottle, abort, redirect, request, response

from sockio import BaseNamespace, BroadcastMixin, SocketIOMiddleware, socketio_manage

SECRET = "change me"

pages = Bottle()


class ChatNamespace(BaseNamespace, BroadcastMixin):
    def on_user_message(self, text):
        nickname = self.request.get_cookie("nickname", secret=SECRET)
        self.broadcast_event_not_me("user message", nickname, text)
        return True


@pages.post("/login")
def login():
    response.set_cookie("nickname", request.forms.nickname, secret=SECRET, httponly=True)
    redirect("/")


@pages.route("/socket.io/<rest:path>")
def socketio_view(rest):
    if not request.get_cookie("nickname", secret=SECRET):
        abort(401)
    socketio_manage(request.environ, {"/chat": ChatNamespace}, request)


application = SocketIOMiddleware(pages)
