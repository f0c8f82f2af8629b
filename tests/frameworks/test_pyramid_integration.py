"""``sockio.integrations.pyramid``: permissions, a request for each event, and its transaction."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, EventRefused, SettingsError
from sockio.testing import EventFailed, Refused

from ..support.generations import Way, ways
from ..support.servers import Served

pytest.importorskip("pyramid")
transaction = pytest.importorskip("transaction")
pytest.importorskip("pyramid_tm")

from pyramid.authorization import Allow, Authenticated  # noqa: E402
from pyramid.config import Configurator  # noqa: E402
from pyramid.session import SignedCookieSessionFactory  # noqa: E402
from pyramid.threadlocal import get_current_registry, get_current_request  # noqa: E402

from sockio.integrations.pyramid import make_wsgi_app, open_session  # noqa: E402


class Ledger:
    """A data manager, as a database's: what was written counts when the transaction commits."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.story: list[str] = []

    def write(self, request: Any, line: str) -> None:
        request.tm.get().addAfterCommitHook(self._ended, (line,))

    def _ended(self, committed: bool, line: str) -> None:
        self.story.append("commit" if committed else "abort")
        if committed:
            self.lines.append(line)


class Root:
    __acl__ = [(Allow, Authenticated, "chat")]  # noqa: RUF012 - as Pyramid has it

    def __init__(self, request: Any) -> None: ...


class Policy:
    """Whoever says who they are is believed."""

    def identity(self, request: Any) -> Any:
        return request.cookies.get("who")

    authenticated_userid = identity

    def permits(self, request: Any, context: Any, permission: str) -> Any:
        from pyramid.authorization import ACLHelper, Everyone

        who = self.identity(request)
        principals = [Everyone, *([Authenticated] if who else [])]
        return ACLHelper().permits(context, principals, permission)


class Book(BaseNamespace):
    def on_write(self, line: str) -> str:
        request = get_current_request()
        request.ledger.write(request, line)
        return f"{request.identity} {request.path}"

    def on_fail(self, line: str) -> None:
        self.on_write(line)
        raise EventRefused("no", "Not today.")

    def on_look(self) -> Any:
        request = get_current_request()
        request.seen = getattr(request, "seen", 0) + 1
        return request.seen, request is self.request, get_current_registry() is request.registry


ended: list[str] = []


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def site(serve: Callable[..., Served], ledger: Ledger) -> Served:
    with Configurator(settings={"sockio.max_packets": "50", "other": "1"}) as config:
        config.include("pyramid_tm")
        config.include("sockio.integrations.pyramid")
        config.set_root_factory(Root)
        config.set_security_policy(Policy())
        config.add_request_method(lambda request: ledger, "ledger", reify=True)
        config.add_request_method(lambda request: request.cookies["who"], "identity", reify=True)
        config.add_socketio({"/book": Book}, permission="chat")

        def tell(request: Any) -> Any:
            request.registry["sockio"].of("/book").emit("news", request.params["text"])
            return request.response

        config.add_route("tell", "/tell")
        config.add_view(tell, route_name="tell")
        return serve(make_wsgi_app(config, polling_duration=10))


@pytest.fixture(params=ways())
def way(request: pytest.FixtureRequest) -> Way:
    way: Way = request.param
    return way


@pytest.fixture
def client(site: Served, way: Way) -> Any:
    browser = site.browser()
    browser.cookies["who"] = "ada"
    return browser.connect("/book", **way)


def test_the_permission_decides(site: Served, way: Way) -> None:
    with pytest.raises(Refused) as refused:
        site.connect("/book", **way)
    assert (refused.value.status, refused.value.code) == (403, "view-refused")


def test_settings_of_the_ini_file_count_and_arguments_more(site: Served) -> None:
    assert site.middleware.settings.max_packets == 50
    assert site.middleware.settings.polling_duration == 10


def test_a_setting_of_the_ini_file_that_is_none_ends_the_start() -> None:
    with Configurator(settings={"sockio.recovry": "120"}) as config:
        config.include("sockio.integrations.pyramid")
        with pytest.raises(SettingsError, match="Did you mean 'recovery'"):
            make_wsgi_app(config)


def test_an_event_has_a_request_and_its_transaction_is_committed(
    client: Any, ledger: Ledger, way: Way
) -> None:
    path = "/socket.io/1/" if way["generation"] == "0.9" else "/socket.io/"
    assert client.call("write", "hello") == f"ada {path}"
    assert (ledger.lines, ledger.story) == (["hello"], ["commit"])


def test_what_a_handler_wrote_before_it_failed_is_undone(client: Any, ledger: Ledger) -> None:
    with pytest.raises(EventFailed, match="Not today"):
        client.call("fail", "hello")
    assert ledger.lines == []
    client.call("write", "after")
    assert ledger.lines == ["after"]


def test_each_event_has_a_request_of_its_own(client: Any) -> None:
    assert client.call("look") == (1, False, True)
    assert client.call("look") == (1, False, True)


def test_views_emit_by_the_registry(site: Served, client: Any) -> None:
    site.browser().get("/tell?text=rain")
    assert client.expect("news").args == ["rain"]


def test_without_pyramid_tm_there_is_a_request_all_the_same(serve: Callable[..., Served]) -> None:
    with Configurator() as config:
        config.include("sockio.integrations.pyramid")
        config.add_socketio({"/book": Book})
        client = serve(make_wsgi_app(config)).connect("/book")
    assert client.call("look") == (1, False, True)


def test_an_application_that_only_the_server_wraps_is_told_once_what_it_lacks(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    with Configurator() as config:
        config.include("sockio.integrations.pyramid")
        config.add_socketio({"": BaseNamespace})
        site = serve(config.make_wsgi_app())
    for _ in range(2):
        assert site.connect().connected
    (told,) = [each.message for each in caplog.records if each.name == "sockio.pyramid"]
    assert "return make_wsgi_app(config)" in told


def test_predicates_give_different_clients_different_namespaces(
    serve: Callable[..., Served], way: Way
) -> None:
    with Configurator() as config:
        config.include("sockio.integrations.pyramid")
        config.add_socketio({"/book": Book}, request_param="role=writer")
        config.add_socketio({"/look": BaseNamespace}, request_param="role=reader")
        site = serve(make_wsgi_app(config))
    assert site.connect("/book", query="role=writer", **way).connected
    with pytest.raises(Refused):
        site.connect("/book", query="role=reader", **way)
    with pytest.raises(Refused) as refused:
        site.connect(**way)
    assert refused.value.code == "view-not-found"


def test_finished_callbacks_run_behind_each_event(serve: Callable[..., Served]) -> None:
    finished: list[str] = []

    class Careful(BaseNamespace):
        def on_go(self) -> None:
            get_current_request().add_finished_callback(lambda request: finished.append("done"))

    with Configurator() as config:
        config.include("sockio.integrations.pyramid")
        config.add_socketio({"": Careful})
        client = serve(make_wsgi_app(config)).connect()
    client.call("go")
    assert finished == ["done"]


# ---- tasks, and the session written


class KeptSession(dict[str, Any]):
    """As the factories that keep sessions on the server have them: what changed is written, and the
    cookie set, behind the response."""

    def __init__(self, store: dict[str, Any], request: Any, cookie_holds_all: bool) -> None:
        self.key = request.cookies.get("key", "")
        self.new = self.key not in store
        super().__init__(store.get(self.key, {}))

        def save(request: Any, response: Any) -> None:
            key = f"key{len(store)}" if self.new or cookie_holds_all else self.key
            store[key] = dict(self)
            response.set_cookie("key", key)

        request.add_response_callback(save)


class Writer(BaseNamespace):
    def on_write(self, value: str) -> None:
        with open_session() as session:
            session["written"] = value

    def on_write_in_a_task(self, value: str) -> None:
        def write() -> None:
            with open_session(self.request) as session:
                session["written"] = value
            self.emit("written", get_current_request().path, get_current_request() is self.request)

        self.spawn(write)

    def on_read(self) -> Any:
        with open_session() as session:
            return session.get("written"), get_current_request().session.get("written")


def writers(serve: Callable[..., Served], factory: Any) -> Served:
    def seen(request: Any) -> Any:
        request.response.text = str(request.session.get("written"))
        return request.response

    def log_in(request: Any) -> Any:
        request.session["nickname"] = "ada"
        return request.response

    with Configurator() as config:
        config.set_session_factory(factory)
        config.include("sockio.integrations.pyramid")
        config.add_socketio({"/write": Writer})
        for view in (seen, log_in):
            config.add_route(view.__name__, f"/{view.__name__}")
            config.add_view(view, route_name=view.__name__)
        return serve(make_wsgi_app(config))


def test_a_session_that_is_kept_on_the_server_is_written(
    serve: Callable[..., Served], way: Way
) -> None:
    store: dict[str, Any] = {}
    site = writers(serve, lambda request: KeptSession(store, request, False))
    ada = site.browser()
    ada.get("/log_in")
    client = ada.connect("/write", **way)
    client.call("write", "by a handler")
    assert client.call("read") == ("by a handler", "by a handler")
    assert ada.get("/seen").text == "by a handler"
    client.call("write in a task", "by a task")
    path, is_the_handshakes = client.expect("written").args
    assert (path.startswith("/socket.io/"), is_the_handshakes) == (True, False)
    assert ada.get("/seen").text == "by a task"


@pytest.mark.parametrize(
    ("factory", "logs_in", "complaint"),
    [
        pytest.param(
            SignedCookieSessionFactory("secret"), True, "in the visitor's cookie", id="Pyramid's"
        ),
        pytest.param(
            functools.partial(KeptSession, {}, cookie_holds_all=True),
            True,
            "in the visitor's cookie",
            id="by effect",
        ),
        pytest.param(
            functools.partial(KeptSession, {}, cookie_holds_all=False),
            False,
            "has no session",
            id="none",
        ),
    ],
)
def test_a_session_that_cannot_be_written_says_so(
    serve: Callable[..., Served],
    caplog: pytest.LogCaptureFixture,
    factory: Any,
    logs_in: bool,
    complaint: str,
) -> None:
    browser = writers(serve, factory).browser()
    if logs_in:
        browser.get("/log_in")
    with pytest.raises(EventFailed):
        browser.connect("/write").call("write", "in vain")
    (line,) = [line for line in caplog.text.splitlines() if "UsageError: open_session()" in line]
    assert complaint in line
