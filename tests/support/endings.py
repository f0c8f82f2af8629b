"""How a websocket of a client of 0.9 ends, and what its namespaces are told then."""

from __future__ import annotations

import pytest

from sockio import Reason

from .raw_websocket import RawWebSocket

__all__ = ["EACH_END"]


def client_closes(websocket: RawWebSocket) -> None:
    websocket.send_close(1001)
    assert websocket.read_frame().code == 1001


def client_says_goodbye(websocket: RawWebSocket) -> None:
    websocket.say("0::")
    assert websocket.hear() == "0::"
    assert websocket.closing() == 1000


def client_hangs_up(websocket: RawWebSocket) -> None:
    websocket.close()


def client_resets(websocket: RawWebSocket) -> None:
    websocket.reset()


def server_kicks(websocket: RawWebSocket) -> None:
    websocket.say('5:::{"name":"kick_me","args":["last words"]}')
    assert websocket.hear() == "3:::last words"
    assert websocket.hear() == "0::"
    assert websocket.closing() == 1000


EACH_END = pytest.mark.parametrize(
    ("end", "reason"),
    [
        (client_closes, Reason.TRANSPORT_CLOSE),
        (client_says_goodbye, Reason.CLIENT),
        (client_hangs_up, Reason.TRANSPORT_CLOSE),
        (client_resets, Reason.TRANSPORT_CLOSE),
        (server_kicks, Reason.SERVER),
    ],
)
