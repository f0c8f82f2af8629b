import json
import os
from pathlib import Path

SECRET_KEY = "of the tests"
DEBUG = os.environ.get("DEBUG", "1") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "project.urls"
WEBSOCKET_URLCONF = "project.websocket_urls"
WSGI_APPLICATION = os.environ.get("WSGI_APPLICATION", "project.wsgi.application")
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "sockio.integrations.django",
    "rooms",
]
MIDDLEWARE = [
    "sockio.integrations.django.middleware.WebSocketURLConfMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", Path(__file__).with_name("db.sqlite3")),
        "CONN_MAX_AGE": None,  # the worst case: nothing closes by itself
        "OPTIONS": {"timeout": 10},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_URL = "/static/"
LOGIN_URL = "/login"
LANGUAGE_CODE = "en"
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
if "MESSAGE_LOG" in os.environ:
    # As it is in most projects: nothing is said about logging.
    del LOGGING
    SOCKETIO_MESSAGE_LOG_FORMAT = os.environ["MESSAGE_LOG"]
SOCKETIO = {"heartbeat_interval": 10, **json.loads(os.environ.get("SOCKETIO", "{}"))}
SOCKETIO_PORT = int(os.environ.get("SOCKETIO_PORT", "9000"))
SOCKETIO_CLIENT = "rooms/socket.io.js"
SOCKETIO_AUTODISCOVER = ["sockets", "events"]
