"""For servers other than runserver_socketio: gunicorn -k gevent_pywsgi django_chat.wsgi"""

from __future__ import annotations

import os

from sockio.integrations.django import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_chat.settings")
application = get_wsgi_application()
