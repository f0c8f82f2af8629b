"""The lines of the channel API's messages, which clients make as long as they like."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("django", reason="the Django app needs Django")

from sockio.integrations.django import conf, message_log


class Counted(list[Any]):
    """Counts what is looked at."""

    looked = 0

    def __iter__(self) -> Iterator[Any]:
        for each in super().__iter__():
            self.looked += 1
            yield each


def test_of_a_long_message_only_its_beginning_is_written_as_json(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conf, "message_log_format", lambda: "%(TYPE)s %(MESSAGE)s")
    caplog.set_level(logging.INFO, message_log.log.name)
    message = Counted([12345] * 100_000)
    message_log.log_message(None, "message", message)
    assert message.looked < message_log.MAX_LENGTH
    (line,) = caplog.messages
    assert line.startswith("message [12345, 12345, ")
    assert line.endswith("…")
    assert len(line) < message_log.MAX_LENGTH + 20
