"""The pages of the examples in Django and Pyramid, and of the one across origins, as people see
them: each is started as its README says, and uses client 4.x."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..examples.programs import EXAMPLES, command_of, running
from ..examples.test_bare_wsgi import site as bare_site
from ..examples.test_django_chat import start as start_django
from ..examples.test_pyramid_chat import start as start_pyramid
from ..support.processes import need_distribution, need_module
from ..support.transcript import PATIENCE
from .remote import NEW_CLIENT_JS, Browser, Tab

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery"

#: What may be asked for in the address, and what the page then says that it is carried by.
TRANSPORTS = [
    pytest.param("", "websocket", id="upgrade"),
    pytest.param("?transport=websocket", "websocket", id="websocket"),
    pytest.param("?transport=polling", "polling", id="polling"),
]


#: Nobody fetches it from elsewhere.
CLIENT: dict[str, Any] = {"SOCKIO_CLIENT_JS": str(NEW_CLIENT_JS)}


def no_problems(*tabs: Tab) -> None:
    for tab in tabs:
        assert tab.heard("page error") == []
        problems = [text for kind, text in tab.heard("console") if kind in ("error", "warning")]
        assert problems == []


# ---- Pyramid


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    need_module("pyramid", "pyramid_jinja2", "sqlalchemy", requirement=".[pyramid-demo]")
    need_distribution("sockio-wsgi")
    with start_pyramid(tmp_path_factory.mktemp("pyramid"), **CLIENT) as program:
        yield program.tells(r"serving on (http://[\d.:]+)")


class PyramidChat:
    """One person's page."""

    def __init__(self, browser: Browser, url: str, name: str, query: str = "") -> None:
        self.tab = browser.open(f"{url}/register", visitor=name)
        self.tab.do("fill", "[name=name]", name)
        self.tab.do("fill", "[name=password]", PASSWORD)
        self.tab.do("press", "[name=password]", "Enter")
        self.tab.wait_for("#write")
        self.tab.do("goto", f"{url}/{query}")

    def carried_by(self, transport: str) -> None:
        self.tab.wait_for(f'[data-wire=up] #wire:text-is("Connected over {transport}")')

    def write(self, text: str) -> None:
        self.tab.do("fill", "#write textarea", text)
        self.tab.do("press", "#write textarea", "Enter")
        self.sees(text)

    def sees(self, text: str) -> None:
        self.tab.wait_for(f'#messages .said:text-is("{text}")')


@pytest.mark.parametrize(("query", "transport"), TRANSPORTS)
def test_pyramid_two_people_talk(
    browser: Browser, pyramid: str, query: str, transport: str
) -> None:
    ada = PyramidChat(browser, pyramid, f"Ada {transport}{len(query)}", query)
    bob = PyramidChat(browser, pyramid, f"Bob {transport}{len(query)}", query)
    for each in (ada, bob):
        each.carried_by(transport)
    ada.write(f"Grüße 🎈 <b> {query}")
    bob.sees(f"Grüße 🎈 <b> {query}")
    bob.write(f"hello {query}")
    ada.sees(f"hello {query}")
    no_problems(ada.tab, bob.tab)


def test_pyramid_a_log_out_elsewhere_ends_it(browser: Browser, pyramid: str) -> None:
    grace = PyramidChat(browser, pyramid, "Grace")
    grace.carried_by("websocket")
    other = browser.open(pyramid, visitor="Grace")
    other.wait_for("[data-wire=up]")
    other.do("click", "text=Log out")
    grace.tab.wait_for('[data-wire=down] #notice:has-text("logged out")')


def test_pyramid_a_server_that_comes_back(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its clients come back to it by themselves."""
    need_module("pyramid", "pyramid_jinja2", "sqlalchemy", requirement=".[pyramid-demo]")
    need_distribution("sockio-wsgi")
    data = tmp_path_factory.mktemp("again")
    with start_pyramid(data, **CLIENT) as program:
        url = program.tells(r"serving on (http://[\d.:]+)")
        ada = PyramidChat(browser, url, "Ada")
        ada.carried_by("websocket")
        ada.write("before")
        assert program.stop() == 0
    ada.tab.wait_for('[data-wire=trying] #notice:has-text("comes back by itself")')
    with start_pyramid(data, port=url.rpartition(":")[2], **CLIENT) as program:
        program.tells(r"serving on (http://[\d.:]+)")
        ada.carried_by("websocket")
        ada.write("after")
        assert ada.tab.heard("page error") == []


# ---- Django


@pytest.fixture(scope="module")
def django(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    need_module("django", requirement=".[django-demo]")
    with start_django(tmp_path_factory.mktemp("django"), "--noreload", **CLIENT) as program:
        yield program.tells(r"development server at (http://[\d.:]+)", 4 * PATIENCE)


class DjangoChat:
    def __init__(self, browser: Browser, url: str, name: str, query: str = "") -> None:
        self.url = url
        self.tab = browser.open(f"{url}/accounts/register/", visitor=name)
        self.tab.do("fill", "[name=username]", name)
        self.tab.do("fill", "[name=password1]", PASSWORD)
        self.tab.do("fill", "[name=password2]", PASSWORD)
        self.tab.do("press", "[name=password2]", "Enter")
        self.tab.wait_for("#no-rooms, #rooms a")

    def open_room(self, name: str) -> None:
        self.tab.do("fill", "[name=name]", name)
        self.tab.do("press", "[name=name]", "Enter")
        self.tab.wait_for("#write")

    def number_of_rooms(self) -> int:
        found: int = self.tab.evaluate("() => document.querySelectorAll('#rooms a').length")
        return found

    def enter(self, name: str, query: str, transport: str) -> None:
        self.tab.do("goto", f"{self.url}/rooms/{name.lower()}/{query}")
        self.tab.wait_for(f'#wire[data-state=up]:text-is("Connected over {transport}")')

    def write(self, text: str) -> None:
        self.tab.do("fill", "#write input", text)
        self.tab.do("press", "#write input", "Enter")
        self.tab.wait_for(f'#messages .mine:not(.waiting) p:text-is("{text}")')

    def sees(self, text: str) -> None:
        self.tab.wait_for(f'#messages p:text-is("{text}")')


@pytest.mark.parametrize(("query", "transport"), TRANSPORTS)
def test_django_two_people_talk(browser: Browser, django: str, query: str, transport: str) -> None:
    room = f"{transport}{len(query)}"
    ada = DjangoChat(browser, django, f"Ada-{room}")
    bob = DjangoChat(browser, django, f"Bob-{room}")
    ada.open_room(room)
    for each in (ada, bob):
        each.enter(room, query, transport)
    ada.tab.wait_for(f'#people:has-text("Bob-{room}")')
    ada.write("Grüße 🎈 <b>")
    bob.sees("Grüße 🎈 <b>")
    bob.write("hello")
    ada.sees("hello")
    bob.tab.leave()
    ada.tab.wait_for(f'#people:text-is("Here: Ada-{room}")')
    no_problems(ada.tab, bob.tab)


def test_django_the_list_of_rooms_grows_by_itself(browser: Browser, django: str) -> None:
    ada, bob = (DjangoChat(browser, django, name) for name in ("Ada-lists", "Bob-lists"))
    seen = bob.number_of_rooms()
    for number in range(50):
        ada.tab.do("goto", django)
        ada.open_room(f"Growing {number}")
        # The page may have been on its way into the namespace.
        if bob.number_of_rooms() > seen:
            break
    assert bob.number_of_rooms() > seen
    no_problems(bob.tab)


def test_django_a_log_out_elsewhere_ends_it(browser: Browser, django: str) -> None:
    ada = DjangoChat(browser, django, "Grace")
    ada.open_room("Lobby")
    ada.enter("lobby", "", "websocket")
    other = browser.open(django, visitor="Grace")
    other.do("click", "text=Log out")
    ada.tab.wait_for('#wire[data-state=down]:has-text("logged out")')


# ---- Across origins

PROGRAM = ("sockets", "a page that they refuse", "the page that they allow")


@pytest.fixture(scope="module")
def origins() -> Iterator[list[str]]:
    command = command_of("cross_origin", "python examples/cross_origin/run.py")
    with running(command, EXAMPLES.parent, PORT="0", **CLIENT) as program:
        yield [program.tells(rf"{name}: serving on (http://[\d.:]+)") for name in PROGRAM]


@pytest.mark.parametrize(("query", "transport"), TRANSPORTS)
def test_pages_of_another_origin_talk(
    browser: Browser, origins: list[str], query: str, transport: str
) -> None:
    _, _, allowed = origins
    one, other = (browser.open(f"{allowed}/{query}", visitor=name) for name in ("one", "other"))
    for tab in (one, other):
        tab.wait_for(f'#way[data-state=open] #wire:text-is("connected over {transport}")')
    one.do("fill", "#text", "hello over there")
    one.do("press", "#text", "Enter")
    other.wait_for(f'#events li[data-kind=said]:has-text("hello over there (from {allowed})")')
    one.wait_for(f'#events li[data-kind=ack]:has-text("heard over {transport}")')
    other.leave()
    one.wait_for("#events li[data-kind=went]")
    no_problems(one, other)


@pytest.mark.parametrize("query", ["", "?transport=websocket"])
def test_a_page_that_is_not_allowed_says_so(
    browser: Browser, origins: list[str], query: str
) -> None:
    _, refused, allowed = origins
    witness = browser.open(allowed)
    witness.wait_for("#way[data-state=open]")
    stranger = browser.open(f"{refused}/{query}", visitor="stranger")
    stranger.wait_for('#way[data-state=shut] #wire:text-is("refused")')
    witness.wait_for(f"#events li[data-kind=log]:has-text(\"origin '{refused}' is not allowed\")")


# ---- Without a framework


def test_the_bare_chat(browser: Browser) -> None:
    with bare_site("wsgi_chat", "chat:application", **CLIENT) as site:
        ada, bob = (browser.open(site.url, visitor=name) for name in ("ada", "bob"))
        for tab, name in ((ada, "ada"), (bob, "ada")):
            tab.wait_for('#state:text-is("connected")')
            tab.do("fill", "#name", name)
            tab.do("press", "#name", "Enter")
            if tab is ada:
                tab.wait_for('#here:text-is("here: ada")')
        bob.wait_for('#trouble:text-is("ada is here already. Take another name.")')
        bob.do("fill", "#name", "bob")
        bob.do("press", "#name", "Enter")
        ada.wait_for('#here:text-is("here: ada, bob")')
        ada.do("fill", "#text", "<b>hello</b> 🎈")
        ada.do("press", "#text", "Enter")
        for tab in (ada, bob):
            tab.wait_for('#said div:text-is("ada: <b>hello</b> 🎈")')
        bob.leave()
        ada.wait_for('#here:text-is("here: ada")')
        no_problems(ada, bob)


def test_the_graph_lives(browser: Browser) -> None:
    with bare_site("live_graph", "graph:application", SECONDS="0.05", **CLIENT) as site:
        tab = browser.open(site.url)
        tab.wait_for('#state:text-is("connected")')
        tab.wait_for('#line[points*=" "]')
        tab.wait_for('#now:not(:text-is("–"))')
        no_problems(tab)
