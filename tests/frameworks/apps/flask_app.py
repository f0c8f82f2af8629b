"""Flask: whoever is logged in may chat.

Start it: sockio serve flask_app:app
"""

from flask import Flask, abort, redirect, request, session

from sockio import BaseNamespace, BroadcastMixin, SocketIOMiddleware, socketio_manage

app = Flask(__name__)
app.secret_key = "change me"


class ChatNamespace(BaseNamespace, BroadcastMixin):
    def on_user_message(self, text):
        self.broadcast_event_not_me("user message", self.session["nickname"], text)
        return True


@app.post("/login")
def login():
    session["nickname"] = request.form["nickname"]
    return redirect("/")


@app.route("/socket.io/<path:rest>")
def socketio_view(rest):
    if "nickname" not in session:
        abort(401)
    socketio_manage(request.environ, {"/chat": ChatNamespace}, request)
    request.environ["socketio"].session["nickname"] = session["nickname"]
    return ""


app.wsgi_app = SocketIOMiddleware(app.wsgi_app)
