"""Every generation of clients over everything that can carry it: for the clients of
``sockio.testing`` (``browser.connect("/chat", **way)``) and for those in node."""

from __future__ import annotations

from typing import Any

import pytest

from sockio.testing import Browser, Refused

__all__ = [
    "EACH_WAY",
    "FIRST_REQUESTS",
    "GENERATIONS",
    "LATER_WAYS",
    "Way",
    "admits",
    "ways",
    "words",
]

#: Options of ``connect``: the generation and what carries it.
Way = dict[str, Any]

#: What carries each generation; ``upgrade`` is polling, and then a websocket.
GENERATIONS = {
    "0.9": ("websocket", "xhr-polling"),
    "eio3": ("websocket", "polling", "upgrade"),
    "eio4": ("websocket", "polling", "upgrade"),
}

#: The same for :meth:`Node.arrive`: the client's own option ``transports``.
LATER_WAYS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}


def ways(*generations: str, without: str = "") -> list[Any]:
    """For ``parametrize``: each generation (or these) over each transport, one excepted."""
    return [
        pytest.param({"generation": each, "transport": transport}, id=f"{each} {transport}")
        for each in generations or GENERATIONS
        for transport in GENERATIONS[each]
        if transport != without
    ]


def words(way: Way, text: str) -> str:
    """How the refusal of a handshake reads."""
    return text if way["generation"] == "0.9" else f'{{"code":4,"message":"{text}"}}'


def admits(browser: Browser, way: Way, namespace: str = "/chat") -> int:
    """Ask to be let in. The status of the answer: 200, that of the refusal, or 0 where the
    namespace refused."""
    try:
        browser.connect(namespace, **way)
    except Refused as refused:
        return refused.status or 0
    return 200


EACH_WAY = pytest.mark.parametrize("way", ways())

#: Who gets in is decided by the first request, of which there are these kinds.
FIRST_REQUESTS = pytest.mark.parametrize("way", ways(without="upgrade"))
