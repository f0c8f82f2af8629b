"""The page on Django as it is written: added to a project of ``startproject`` that has a login,
in Chromium, with the job and the command that it shows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..examples.programs import Program
from ..support.node import NODE_MODULES, find_client
from ..support.pages import DOCS, blocks
from ..support.processes import STARTS, Process, need_module, running
from .remote import Browser, Tab

pytestmark = pytest.mark.browser

PAGE = "howto/django.md"
MANAGE = [sys.executable, "manage.py"]
#: What the page's reader has already, and the page's lines where they belong.
SETTINGS = """
INSTALLED_APPS += ["sockio.integrations.django", "chat"]
TEMPLATES[0]["DIRS"] = [BASE_DIR]
STATICFILES_DIRS = [BASE_DIR / "clients"]
LOGIN_REDIRECT_URL = "/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ANNOUNCE_SECRET = "for the test"
import os
ANNOUNCE_URL = os.environ.get("ANNOUNCE_URL")
SOCKETIO_CLIENT = os.environ.get("CLIENT", "new.js")
"""
URLS = """
from django.contrib.auth.decorators import login_required
from django.shortcuts import render
from chat.views import announce

urlpatterns += [
    path("accounts/", include("django.contrib.auth.urls")),
    path("announce", announce),
    path("", login_required(lambda request: render(request, "home.html"))),
]
"""
LOGIN = "<form method=post>{% csrf_token %}{{ form }}<button>Come in</button></form>"
START = """
from django.core.management import execute_from_command_line
execute_from_command_line(["django-admin", "startproject", "mysite", "."])
execute_from_command_line(["django-admin", "startapp", "chat"])
"""
USERS = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
for name in ("ada", "bob"):
    User.objects.create_user(name, password=name)
"""


def files(name: str) -> list[str]:
    return [each.code for each in blocks(PAGE) if each.name == name]


def only(language: str, part: str) -> str:
    (found,) = [
        each.code for each in blocks(PAGE) if each.language == language and part in each.code
    ]
    return found


def manage(folder: Path, *words: str, url: str = "") -> None:
    # As long as it takes: two of them import all of Django on a machine that may have much to do.
    program = Program([*MANAGE, *words], folder, ANNOUNCE_URL=url)
    assert program.wait() == 0, program.output


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_module("django", requirement=".[django-demo]")
    find_client("socket.io-client-4.8.4")
    folder = tmp_path_factory.mktemp("django")
    subprocess.run([sys.executable, "-c", START], cwd=folder, check=True)
    (folder / "clients").mkdir()
    for package, name in (("socket.io-client-4.8.4", "new.js"), ("socket.io-client", "old.js")):
        shutil.copy(NODE_MODULES / package / "dist" / "socket.io.js", folder / "clients" / name)

    with (folder / "mysite" / "settings.py").open("a", encoding="utf-8") as settings:
        settings.write(SETTINGS)
    (urls,) = files("urls.py")
    (folder / "mysite" / "urls.py").write_text(urls + URLS, "utf-8")
    # With the job: the first, without it, is its beginning.
    first, wsgi = files("wsgi.py")
    assert [line for line in first.splitlines() if line not in wsgi] == []
    (folder / "mysite" / "wsgi.py").write_text(wsgi, "utf-8")
    _, sockets = files("sockets.py")
    (folder / "chat" / "sockets.py").write_text(sockets, "utf-8")
    for name in ("jobs.py", "views.py"):
        (code,) = files(name)
        (folder / "chat" / name).write_text(code, "utf-8")
    commands = folder / "chat" / "management" / "commands"
    commands.mkdir(parents=True)
    (command,) = files("announce.py")
    (commands / "announce.py").write_text(command, "utf-8")

    (folder / "registration").mkdir()
    (folder / "registration" / "login.html").write_text(LOGIN, "utf-8")
    html = only("html", "{% socketio %}").replace("console.log(", "show(")
    script = only("js", "'private message'").replace("console.log(", "show(")
    page = html.replace("</script>", f"{script}</script>").replace(
        "<script>", "<script>const show = (text) => document.body.append(`${text}; `);", 1
    )
    page = page.replace("'bob'", "new URLSearchParams(location.search).get('to')")
    listens = "chat.on('reminder', show); chat.on('announcement', show);</script>"
    page = page.replace("</script>", listens)
    (folder / "home.html").write_text(f"<!doctype html><body>{page}", "utf-8")
    manage(folder, "shell", "-c", USERS)
    return folder


@pytest.fixture
def server(project: Path) -> Iterator[Process]:
    command = [*MANAGE, "runserver_socketio", "127.0.0.1:0", "--noreload"]
    with running(command, project) as process:
        yield process


def log_in(browser: Browser, url: str, name: str, to: str) -> Tab:
    tab = browser.open(f"{url}/accounts/login/?next=/%3Fto={to}", visitor=name)
    tab.do("fill", "[name=username]", name)
    tab.do("fill", "[name=password]", name)
    tab.do("press", "[name=password]", "Enter")
    return tab


def reads(tab: Tab, text: str) -> None:
    tab.wait_for(f'body:has-text("{text}")')


def test_two_users_a_job_and_a_command(browser: Browser, project: Path, server: Process) -> None:
    url = server.find(r"development server at (http://[\d.:]+)", STARTS)[1]
    ada = log_in(browser, url, "ada", to="bob")
    reads(ada, "not here;")
    bob = log_in(browser, url, "bob", to="eve")
    reads(bob, "There is nobody called eve.;")
    log_in(browser, url, "ada", to="bob")
    reads(bob, "ada: psst;")
    for tab, name in ((ada, "ada"), (bob, "bob")):
        reads(tab, f"Drink something, {name}.;")
    manage(project, "announce", "Fire drill.", url=url)
    for tab in (ada, bob):
        reads(tab, "Fire drill.;")
        assert tab.heard("page error") == []
    assert "bob" not in ada.evaluate("() => document.body.innerText").replace("nobody", "")


def test_a_page_for_4_with_client_0_9_is_told(browser: Browser, project: Path) -> None:
    rows = (DOCS / PAGE).read_text("utf-8").splitlines()
    command = [*MANAGE, "runserver_socketio", "127.0.0.1:0", "--noreload"]
    with running(command, project, CLIENT="old.js") as process:
        url = process.find(r"development server at (http://[\d.:]+)", STARTS)[1]
        tab = log_in(browser, url, "ada", to="bob")
        (line,) = (row.split("`")[-2] for row in rows if row.startswith("| the client is 0.9"))
        tab.next("console", "error", line)
