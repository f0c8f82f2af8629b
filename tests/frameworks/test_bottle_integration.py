"""``sockio.integrations.bottle``: a route, a check, and Bottle's request in handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, UsageError
from sockio.testing import Refused

from ..support.generations import EACH_WAY, FIRST_REQUESTS, Way
from ..support.servers import Served

bottle = pytest.importorskip("bottle")

from sockio.integrations.bottle import wrap  # noqa: E402


class Who(BaseNamespace):
    def on_who(self) -> Any:
        return bottle.request.get_cookie("who", secret="s"), bottle.request.path


@pytest.fixture
def site(serve: Callable[..., Served]) -> Served:
    app = bottle.Bottle()

    @app.post("/login")  # type: ignore[untyped-decorator, unused-ignore]
    def login() -> str:
        bottle.response.set_cookie("who", bottle.request.forms.who, secret="s")
        return "welcome"

    return serve(
        wrap(
            app,
            {"/who": Who},
            check=lambda: bottle.request.get_cookie("who", secret="s"),
            resource="live/io",
        )
    )


@FIRST_REQUESTS
def test_the_check_decides(site: Served, way: Way) -> None:
    with pytest.raises(Refused) as refused:
        site.connect("/who", **way)
    assert (refused.value.status, refused.value.code) == (403, "view-refused")


@EACH_WAY
def test_handlers_have_bottles_request(site: Served, way: Way) -> None:
    ada, bob = site.browser(), site.browser()
    ada.submit("/login", who="ada")
    bob.submit("/login", who="bob")
    one, other = ada.connect("/who", **way), bob.connect("/who", **way)
    path = "/live/io/1/" if way["generation"] == "0.9" else "/live/io/"
    for _ in range(2):
        assert one.call("who") == ("ada", path)
        assert other.call("who") == ("bob", path)


async def coroutine() -> bool:
    return False


@FIRST_REQUESTS
def test_a_check_that_gives_no_answer_lets_nobody_in(
    serve: Callable[..., Served], way: Way
) -> None:
    with pytest.raises(UsageError, match="check is a coroutine function"):
        wrap(bottle.Bottle(), {"/who": BaseNamespace}, check=coroutine)
    site = serve(wrap(bottle.Bottle(), {"/who": BaseNamespace}, check=lambda: coroutine()))
    with pytest.raises(Refused) as refused:
        site.connect("/who", **way)
    assert (refused.value.status, refused.value.code) == (500, "view-failed")


@FIRST_REQUESTS
def test_without_a_check_everybody_gets_in(serve: Callable[..., Served], way: Way) -> None:
    site = serve(wrap(bottle.Bottle(), {"/who": BaseNamespace}))
    assert site.connect("/who", **way).connected


CLIENTS = ("1/", "?EIO=3&transport=polling", "?EIO=4&transport=polling")


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_of_every_generation_ask_the_same_view(site: Served, client: str) -> None:
    browser = site.browser()
    assert browser.get(f"/live/io/{client}").status == 403
    browser.submit("/login", who="ada")
    assert browser.get(f"/live/io/{client}").status == 200
