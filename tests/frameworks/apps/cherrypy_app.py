"""CherryPy: whoever is logged in may chat.

Start it: sockio serve cherrypy_app:application
"""

import cherrypy
from cherrypy._cptree import Tree

from sockio import BaseNamespace, BroadcastMixin, SocketIOMiddleware, socketio_manage

logins = {}  # session id -> nickname


class ChatNamespace(BaseNamespace, BroadcastMixin):
    def on_user_message(self, text):
        self.broadcast_event_not_me("user message", self.session["nickname"], text)
        return True


class Site:
    @cherrypy.expose
    def login(self, nickname):
        cherrypy.session["nickname"] = nickname
        raise cherrypy.HTTPRedirect("/")

    @cherrypy.expose("socket.io")
    def socketio_view(self, *rest, **query):
        nickname = cherrypy.session.get("nickname")
        if nickname is None:
            raise cherrypy.HTTPError(401)
        request = cherrypy.serving.request
        socketio_manage(request.wsgi_environ, {"/chat": ChatNamespace}, request)
        request.wsgi_environ["socketio"].session["nickname"] = nickname


pages = Tree()
pages.mount(Site(), "", {"/": {"tools.sessions.on": True}})
application = SocketIOMiddleware(pages)
