"""What a client is told when something it sent could not be handled: rows of (error, packet)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sockio.sessions.error_handling import REFUSALS, default_error_handler


class Recorder:
    """As much of a socket as an error handler needs."""

    has_error_packets = True

    def __init__(self) -> None:
        self.sent: list[Mapping[str, Any]] = []

    def send_packet(self, packet: Mapping[str, Any]) -> bool:
        self.sent.append(packet)
        return True


EVENT = {"type": "event", "name": "error", "args": ["busy", "Later."]}
ACK = {"type": "ack", "args": [{"error": "busy", "message": "Later."}]}


@pytest.mark.parametrize(
    ("name", "endpoint", "msg_id", "quiet", "sent"),
    [
        pytest.param("busy", "/a", None, False, [EVENT | {"endpoint": "/a"}], id="an event"),
        pytest.param("busy", None, None, False, [EVENT | {"endpoint": ""}], id="d10: no endpoint"),
        pytest.param(
            "busy", "/a", 7, False, [ACK | {"ackId": 7, "endpoint": "/a"}], id="d09: an error ack"
        ),
        pytest.param(
            "busy", "/a", 0, False, [ACK | {"ackId": 0, "endpoint": "/a"}], id="d30: for id 0"
        ),
        pytest.param("busy", "/a", None, True, [], id="quiet"),
        pytest.param("busy", "/a", 7, True, [], id="quiet, though somebody waits"),
        *[
            pytest.param(
                name, "/a", None, False, [{"type": "error", "endpoint": "/a"}], id=f"d41: {name}"
            )
            for name in sorted(REFUSALS)
        ],
    ],
)
def test_what_the_client_gets(
    name: str, endpoint: str | None, msg_id: int | None, quiet: bool, sent: list[dict[str, Any]]
) -> None:
    recorder = Recorder()
    default_error_handler(recorder, name, "Later.", endpoint, msg_id, quiet)
    assert recorder.sent == sent
