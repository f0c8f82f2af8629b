"""Which client script ``{% socketio %}`` gives a page, and the hash that the browser asks of it."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from typing import Any

import pytest

from ..support.node import NODE_MODULES, find_client
from ..support.pages import blocks
from ..support.processes import need_module

#: A process has one Django in it, with one set of settings.
PAGE = """
import sys
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.staticfiles", "sockio.integrations.django"],
    STATIC_URL="/static/",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    **eval(sys.argv[1]),
)
django.setup()
from django.template import engines
page = engines.all()[0].from_string("{% load socketio_tags %}{% socketio %}")
print(page.render({}))
"""


def scripts(**settings: Any) -> list[str]:
    """The tags of a page."""
    need_module("django", requirement=".[django-demo]")
    command = [sys.executable, "-c", PAGE, repr(settings)]
    page = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.findall(r"<script .*?></script>", page)


def sha384(package: str) -> str:
    script = (NODE_MODULES / package / "dist" / "socket.io.min.js").read_bytes()
    return f"sha384-{base64.b64encode(hashlib.sha384(script).digest()).decode()}"


def test_a_project_that_says_nothing_has_client_4_of_a_cdn_and_its_hash() -> None:
    find_client("socket.io-client-4.8.4")
    client, own = scripts()
    assert 'src="https://cdn.jsdelivr.net/npm/socket.io-client@4.8.4/dist/' in client
    assert f'integrity="{sha384("socket.io-client-4.8.4")}" crossorigin="anonymous"' in client
    assert 'src="/static/sockio/channels.js"' in own


@pytest.mark.parametrize(
    ("name", "source"),
    [
        pytest.param("vendor/socket.io.js", "/static/vendor/socket.io.js", id="static"),
        pytest.param("https://cdn.example/c.js", "https://cdn.example/c.js", id="a CDN"),
    ],
)
def test_another_script_has_no_hash_but_its_own(name: str, source: str) -> None:
    client, _ = scripts(SOCKETIO_CLIENT=name)
    assert client == f'<script src="{source}"></script>'
    client, _ = scripts(SOCKETIO_CLIENT=name, SOCKETIO_CLIENT_INTEGRITY="sha384-a")
    assert f'src="{source}" integrity="sha384-a"' in client


def test_the_lines_for_client_0_9_in_the_page_on_django_are_true() -> None:
    find_client("socket.io-client")
    (lines,) = [each.code for each in blocks("howto/django.md") if "@0.9.17" in each.code]
    settings: dict[str, str] = {}
    exec(lines, settings)
    client, _ = scripts(**{name: settings[name] for name in settings if name.isupper()})
    assert "/socket.io-client@0.9.17/dist/socket.io.min.js" in client
    assert f'integrity="{sha384("socket.io-client")}"' in client
