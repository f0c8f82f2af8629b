from django.urls import path
from rooms import websockets

urlpatterns = [
    path("echo", websockets.echo, name="echo"),
    path("old-echo", websockets.old_echo),
    path("lower", websockets.lower),
    path("private", websockets.private),
    path("polls", websockets.polls),
    path("raises", websockets.raises),
    path("chat/<slug:room>/", websockets.chat, name="chat"),
]
