"""D-41: a client must not be able to fill the log."""

from __future__ import annotations

import pytest

from sockio import BaseNamespace

from ..conftest import MakeHouse


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param('5::/n:{"name":"nobody"}', id="an event that nobody handles"),
        pytest.param("1::/nowhere", id="a namespace that is none"),
    ],
)
def test_d41_a_client_cannot_fill_the_log(
    house: MakeHouse, packet: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = house({"/n": BaseNamespace}).client("/n")
    caplog.clear()
    client.sends(*[packet] * 500)
    assert len(caplog.records) < 50
