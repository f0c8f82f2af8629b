"""One worker of several. The first line says its port and its process."""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

from sockio import BaseNamespace, RoomsMixin, SocketIOMiddleware  # noqa: E402
from sockio.runtime.process import make_ready  # noqa: E402
from sockio.server import SocketIOServer  # noqa: E402


class Namespace(BaseNamespace, RoomsMixin):
    def recv_connect(self) -> None:
        self.join("all")

    def on_echo(self, *args: Any) -> Any:
        return args

    def on_emit(self, count: int, text: str) -> None:
        for _ in range(count):
            self.emit_to_room("all", "text", text, include_self=True)


def page(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "4")])
    return [b"page"]


# The clients of the benchmark answer no pings.
# Of the application: one that the server makes asks it about sessions of another worker, until a
# client of its own has shown what is inside.
app = SocketIOMiddleware(page, {"": Namespace}, backplane=sys.argv[1], ping_interval=1000)
server = SocketIOServer(("127.0.0.1", 0), app)
server.start()
make_ready()
sys.stdout.write(json.dumps({"port": server.server_port, "pids": [os.getpid()]}) + "\n")
sys.stdout.flush()
server.serve_forever()
