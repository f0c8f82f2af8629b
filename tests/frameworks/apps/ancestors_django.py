"""A Django site as gevent-socketio's users wrote them, and that knows nothing newer.

Its view attaches, whatever else happens, and always answers 200; its server is the one at the end.
"""

from gevent import monkey

monkey.patch_all()

import logging  # noqa: E402

from django.conf import settings  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import re_path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

from sockio import socketio_manage  # noqa: E402
from sockio.mixins import BroadcastMixin, RoomsMixin  # noqa: E402
from sockio.namespace import BaseNamespace  # noqa: E402
from sockio.server import SocketIOServer  # noqa: E402

settings.configure(
    SECRET_KEY="of the tests",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
)


class Darts(BaseNamespace, RoomsMixin, BroadcastMixin):
    players = []  # noqa: RUF012

    def initialize(self):
        self.logger = logging.getLogger("darts")
        self.logger.info("session %s", self.socket.sessid)

    def on_play(self, board):
        self.board = board
        self.join(board)
        return True

    def on_name(self, name):
        self.players.append(name)
        self.socket.session["name"] = name
        self.broadcast_event("players", self.players)
        return True, name

    def on_throw_dart(self, points):
        name = self.socket.session["name"]
        self.emit_to_room(self.board, "thrown", name, points, self.request.path)

    def recv_disconnect(self):
        self.players.remove(self.socket.session["name"])
        self.broadcast_event("players", self.players)
        self.disconnect(silent=True)
        return True


@csrf_exempt
def socketio(request):
    try:
        socketio_manage(request.environ, {"/darts": Darts}, request)
    except Exception:
        logging.getLogger("darts").exception("a client could not be served")
    return HttpResponse("")


urlpatterns = [re_path(r"^socket\.io", socketio)]

if __name__ == "__main__":
    server = SocketIOServer(("127.0.0.1", 0), get_wsgi_application(), resource="socket.io")
    server.start()
    print(f"Listening on http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    server.serve_forever()
