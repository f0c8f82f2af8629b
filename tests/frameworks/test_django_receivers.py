"""Receivers that emit, in a ``TestCase`` of the application's own, where no server runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..support.pages import blocks

pytest.importorskip("django")

MANAGE = """
from django.conf import settings
from django.core.management import execute_from_command_line

settings.configure(
    SECRET_KEY="for tests",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "sockio.integrations.django",
    ],
    ROOT_URLCONF="receivers",
    USE_TZ=True,
)
execute_from_command_line(["manage.py", "test", "receivers"])
"""

RECEIVERS = """
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.test import TestCase

from sockio import BaseNamespace
from sockio.integrations.django import namespace, of

RECEIVER


@receiver(post_save, sender=User)
def saved(sender: object, instance: User, **kwargs: object) -> None:
    of("/chat").to("lobby").emit("joined", instance.username)


urlpatterns: list[object] = []


class ReceiverTest(TestCase):
    def test_who_logs_in_and_out(self) -> None:
        user = User.objects.create_user("ada")
        for _ in range(2):
            self.client.force_login(user)
            self.client.logout()
        self.assertEqual(User.objects.count(), 1)
"""


def test_they_break_no_test_case(tmp_path: Path) -> None:
    """That of the page on Django, and one that emits."""
    (throw_out,) = [each.code for each in blocks("howto/django.md") if "throw_out" in each.code]
    (tmp_path / "receivers.py").write_text(RECEIVERS.replace("RECEIVER", throw_out), "utf-8")
    (tmp_path / "manage.py").write_text(MANAGE, "utf-8")
    done = subprocess.run(
        [sys.executable, "manage.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr
    assert "Traceback" not in done.stderr
    # Said once, with what to do.
    assert done.stderr.count("[no-server]") == 1
