"""Settings of the backplane that were given in vain."""

from __future__ import annotations

from typing import Any

import pytest

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.backplane.idle import idle_settings
from sockio.config import Settings

SERVER = {"backplane": "redis://localhost"}
RELAY = {"backplane_relay": True}
CLUSTER = {"backplane": "cluster://localhost"}
BOTH = {"recovery": 60, "backplane_rooms": True}


@pytest.mark.parametrize(
    ("given", "meshed", "names"),
    [
        pytest.param({}, False, [], id="nothing"),
        pytest.param(SERVER | RELAY, True, [], id="a relay"),
        pytest.param(SERVER | RELAY, False, ["backplane_relay"], id="without a mesh"),
        pytest.param(CLUSTER | RELAY, True, ["backplane_relay"], id="of a cluster"),
        pytest.param(CLUSTER | BOTH, False, [], id="a cluster, and no relay"),
        pytest.param(SERVER | BOTH | RELAY, True, ["backplane_relay"], id="what has no number"),
        pytest.param(SERVER | RELAY | {"recovery": 60}, True, [], id="recovery"),
        pytest.param(SERVER | RELAY | {"backplane_rooms": True}, True, [], id="channels of rooms"),
        pytest.param(
            RELAY | {"backplane_rooms": True, "on_gap": print, "backplane_inputs": "redis-emitter"},
            True,
            ["backplane_relay", "backplane_inputs", "backplane_rooms", "on_gap"],
            id="without a server",
        ),
    ],
)
def test_what_has_no_effect(given: dict[str, Any], meshed: bool, names: list[str]) -> None:
    found = list(idle_settings(Settings.make(given), meshed=meshed))
    assert [each.name for each in found] == names
    assert all(each.why and each.mend for each in found)
    assert all(each.harmless == ("backplane" not in given) for each in found)


def test_it_is_said_once_when_a_worker_begins(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sockio")
    app = SocketIOMiddleware(lambda *_: [], {"": BaseNamespace}, backplane_rooms=True)
    for _ in range(2):
        app.join()
        app.runtime.breathe()
    (line,) = caplog.messages
    assert line.startswith("the setting backplane_rooms of /socket.io")
    assert line.endswith("[setting-without-effect]")
