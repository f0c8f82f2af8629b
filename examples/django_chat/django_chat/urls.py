"""Pages, logins, and the one line that lets sockets in."""

from __future__ import annotations

from chat import views
from django.contrib.auth import views as auth
from django.urls import include, path

urlpatterns = [
    path("", views.rooms, name="rooms"),
    path("rooms/<slug:slug>/", views.room, name="room"),
    path("announce/", views.announce, name="announce"),
    path("accounts/register/", views.register, name="register"),
    path("accounts/login/", auth.LoginView.as_view(), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("", include("sockio.integrations.django.urls")),
]
