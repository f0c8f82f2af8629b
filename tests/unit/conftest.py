"""What the unit suites share: a house on a manual clock, looked through when it is pulled down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from sockio import BaseNamespace
from sockio.testing import ManualRuntime

from ..support.carriers import House

MakeHouse = Callable[..., House]


@pytest.fixture
def house(runtime: ManualRuntime) -> Iterator[MakeHouse]:
    """Build houses: ``house({"/chat": Chat}, **settings)``. Each must be empty in the end."""
    built: list[House] = []

    def build(
        namespaces: Mapping[str, type[BaseNamespace]] | None = None, **settings: Any
    ) -> House:
        built.append(House(runtime, namespaces or {}, **settings))
        return built[-1]

    yield build
    for each in built:
        each.tear_down()
