"""Flask: whoever is logged in may chat.

Start it: sockio serve flask_app:app
"""

from flask import Flask, abort, redirect, request, session
from flask.typing import ResponseReturnValue

from sockio import BaseNamespace, BroadcastMixin, SocketIOMiddleware, socketio_manage

app = Flask(__name__)
app.secret_key = "change me"


class ChatNamespace(BaseNamespace, BroadcastMixin):
    def on_user_message(self, text: str) -> bool:
        self.broadcast_event_not_me("user message", self.session["nickname"], text)
        return True


@app.post("/login")
def login() -> ResponseReturnValue:
    session["nickname"] = request.form["nickname"]
    return redirect("/")


@app.route("/socket.io/<path:rest>")
def socketio_view(rest: str) -> str:
    if "nickname" not in session:
        abort(401)
    socketio_manage(request.environ, {"/chat": ChatNamespace}, request)
    request.environ["socketio"].session["nickname"] = session["nickname"]
    return ""


app.wsgi_app = SocketIOMiddleware(app.wsgi_app)  # type: ignore[method-assign]
