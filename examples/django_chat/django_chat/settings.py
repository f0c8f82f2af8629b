"""Settings of the chat: what ``startproject`` writes, and the lines about sockio."""

from __future__ import annotations

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
#: The folder of the database. Delete it to begin anew.
DATA = Path(os.environ.get("CHAT_DATA", BASE_DIR / "data"))
DATA.mkdir(parents=True, exist_ok=True)

# For trying it out on your own machine. For anything else: a key of your own, and no DEBUG.
SECRET_KEY = os.environ.get("SECRET_KEY", "django-insecure-known-to-everybody")
DEBUG = os.environ.get("DEBUG", "1") == "1"
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost").split(",")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "sockio.integrations.django",  # finds chat/sockets.py, and brings runserver_socketio
    "chat",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "django_chat.urls"
WSGI_APPLICATION = "django_chat.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "db.sqlite3",
        # Seconds to wait for another writer: SQLite has one at a time.
        "OPTIONS": {"timeout": 10},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "rooms"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATICFILES_DIRS: list[tuple[str, str]] = []

# The client of the pages, 4.x: the file that SOCKIO_CLIENT_JS names, or the one that npm put here,
# or else, as where SOCKETIO_CLIENT is not set, that of a public CDN.
_client = Path(
    os.environ.get(
        "SOCKIO_CLIENT_JS", BASE_DIR / "node_modules" / "socket.io-client" / "dist" / "socket.io.js"
    )
)
if _client.is_file():
    STATICFILES_DIRS.append(("vendor", str(_client.parent)))
    SOCKETIO_CLIENT = f"vendor/{_client.name}"

#: Settings of sockio, by the names in its table.
SOCKETIO = {"ping_interval": 20}
