"""Serve by gevent-websocket's handler, which opens websockets before the application is asked."""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402

from gevent.pywsgi import WSGIServer  # noqa: E402
from geventwebsocket.handler import WebSocketHandler  # noqa: E402
from project.wsgi import application  # noqa: E402

if __name__ == "__main__":
    server = WSGIServer(("127.0.0.1", 0), application, handler_class=WebSocketHandler, log=None)
    server.start()
    os.write(1, f"serving on http://127.0.0.1:{server.server_port}\n".encode())
    server.serve_forever()
