"""Django: whoever is logged in may chat. The whole project in one file.

Start it: sockio serve django_app:application
"""

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, HttpResponseRedirect
from django.urls import path, re_path

from sockio import BaseNamespace, BroadcastMixin, SocketIOMiddleware, socketio_manage

settings.configure(
    SECRET_KEY="change me",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)


class ChatNamespace(BaseNamespace, BroadcastMixin):
    def on_user_message(self, text: str) -> bool:
        nickname = self.request.session["nickname"]
        self.broadcast_event_not_me("user message", nickname, text)
        return True


def login(request: HttpRequest) -> HttpResponse:
    request.session["nickname"] = request.POST["nickname"]
    return HttpResponseRedirect("/")


def socketio_view(request: WSGIRequest) -> HttpResponse:
    if "nickname" not in request.session:
        return HttpResponseForbidden()
    socketio_manage(request.environ, {"/chat": ChatNamespace}, request)
    return HttpResponse()


urlpatterns = [path("login", login), re_path("^socket.io/", socketio_view)]

application = SocketIOMiddleware(get_wsgi_application())
