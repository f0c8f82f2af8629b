from django.urls import include, path
from rooms import views, websockets

urlpatterns = [
    path("", views.page),
    path("login", views.log_in),
    path("logout", views.log_out),
    path("boom", views.boom),
    path("slow", views.slow),
    path("open-files", views.open_files),
    path("rooms", views.rooms),
    path("announce", views.announce),
    path("broadcast", views.broadcast_to_all),
    path("lower", websockets.lower),
    path("old-echo", websockets.old_echo),
    path("", include("sockio.integrations.django.urls")),
]
