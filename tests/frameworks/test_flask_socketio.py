"""Programs written for Flask-SocketIO, by one changed import: in the process, and over a server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import flask
import gevent
import pytest
from flask import Flask, request, session
from gevent.event import Event

from sockio import EventRefused, RateLimited, UsageError, allow, concurrent, limit, on
from sockio.compat import flask_socketio as fs
from sockio.compat.flask_socketio.options import settings_of
from sockio.testing import EventFailed
from sockio.testing.client import Client
from sockio.testing.server import eventually

from ..support.servers import Served


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "a secret of the tests"

    @app.route("/login")
    def login() -> str:
        session["user"] = "ada"
        return ""

    return app


@pytest.fixture
def socketio(app: Flask) -> fs.SocketIO:
    return fs.SocketIO(app)


@pytest.fixture
def here(app: Flask, socketio: fs.SocketIO) -> Callable[..., Any]:
    """A client in the process."""
    return lambda *args, **options: socketio.test_client(app, *args, **options)


@pytest.fixture
def connect(
    app: Flask, serve: Callable[..., Served], socketio: fs.SocketIO
) -> Callable[..., Client]:
    """A client over a server."""
    server: list[Served] = []

    def connect(namespace: str = "", **options: Any) -> Client:
        if not server:
            server.append(serve(app))
        options.setdefault("generation", "eio4")
        options.setdefault("transport", "websocket")
        return server[0].connect(namespace, **options)

    return connect


# ---- handlers


def test_events_are_handled_and_answered(socketio: fs.SocketIO, here: Callable[..., Any]) -> None:
    @socketio.on("greet")
    def greet(name: str) -> tuple[str, int]:
        fs.emit("greeted", {"name": name})
        return name, 1

    @socketio.event
    def by_its_name(data: Any) -> Any:
        return data

    @socketio.event(namespace="/news")
    def elsewhere() -> str:
        return f"{request.namespace} {request.event['message']}"  # type: ignore[attr-defined]

    def plain() -> None: ...

    socketio.on_event("plain", plain)
    client = here()
    assert client.emit("greet", "ada", callback=True) == ["ada", 1]
    assert client.get_received() == [
        {"name": "greeted", "args": [{"name": "ada"}], "namespace": "/"}
    ]
    assert client.emit("by_its_name", [1, b"\0"], callback=True) == [1, b"\0"]
    assert client.emit("plain", callback=True) is None
    news = here("/news")
    assert news.emit("elsewhere", namespace="/news", callback=True) == "/news elsewhere"


def test_whoever_has_no_handler_of_its_own_goes_to_the_one_for_all(
    socketio: fs.SocketIO, here: Callable[..., Any]
) -> None:
    socketio.on("*")(lambda event, *args: ["*", event, *args])
    socketio.on("known")(lambda: "known")
    socketio.on("everywhere", namespace="*")(lambda: "everywhere")
    socketio.on("nothing", namespace="/news")(lambda: None)
    client = here()
    assert client.emit("known", callback=True) == "known"
    assert client.emit("other event", 1, callback=True) == ["*", "other event", 1]
    client.connect("/news")
    assert client.emit("everywhere", namespace="/news", callback=True) == "everywhere"
    assert client.emit("unknown", namespace="/news", callback=True) is None


def test_a_namespace_as_a_class(socketio: fs.SocketIO, here: Callable[..., Any]) -> None:
    class News(fs.Namespace):
        def on_connect(self) -> None:
            fs.emit("hello")

        def on_disconnect(self) -> None:
            left.append(request.sid)  # type: ignore[attr-defined]

        def on_tell(self, text: str) -> str:
            self.emit("told", text)
            self.emit("for one", text, room=request.sid)  # type: ignore[attr-defined]
            self.send("by send")
            return text.upper()

        def on_fail(self) -> None:
            raise LookupError("nothing there")

        def error(self, error: Exception) -> str:
            return f"error: {error}"

    left: list[str] = []
    socketio.on_namespace(News("/news"))
    client, other = here("/news"), here("/news")
    assert [each["name"] for each in client.get_received("/news")] == ["hello"]
    assert client.emit("tell", "it", namespace="/news", callback=True) == "IT"
    assert [each["name"] for each in client.get_received("/news")] == ["told", "for one", "message"]
    assert [each["name"] for each in other.get_received("/news")][-2:] == ["told", "message"]
    assert client.emit("fail", namespace="/news", callback=True) == "error: nothing there"
    assert client.emit("nothing", namespace="/news", callback=True) is None
    client.disconnect("/news")
    assert len(left) == 1
    with pytest.raises(ValueError, match="subclass of Namespace"):
        socketio.on_namespace(object())  # type: ignore[arg-type]


def test_who_may_connect(socketio: fs.SocketIO, here: Callable[..., Any]) -> None:
    @socketio.on("connect", namespace="/vip")
    def vip(auth: Any) -> Any:
        if auth is None:
            raise fs.ConnectionRefusedError("who are you?", {"login": "/login"})
        return auth["name"] == "ada"

    assert here("/vip", auth={"name": "ada"}).is_connected("/vip")
    assert not here("/vip", auth={"name": "bob"}).is_connected("/vip")
    assert not here("/vip").is_connected("/vip")
    assert not here("/nowhere").is_connected("/nowhere")
    with pytest.raises(RuntimeError, match="not connected"):
        here("/vip").emit("x", namespace="/vip")


async def coroutine(*args: Any) -> bool:
    return False


def generator(*args: Any) -> Iterator[bool]:
    yield False


def test_what_would_run_nothing_is_refused_where_it_is_given(socketio: fs.SocketIO) -> None:
    class Late(fs.Namespace):
        async def on_connect(self) -> bool:
            return False

    for function in (coroutine, generator):
        for give in (
            socketio.on("connect"),
            lambda fn: socketio.on_event("x", fn),
            socketio.event,
            socketio.on_error(),
            socketio.on_error_default,
            socketio.start_background_task,
            lambda fn: socketio.emit("x", to="nobody", callback=fn),
        ):
            with pytest.raises(UsageError, match=r"is a \w+ function"):
                give(function)
    with pytest.raises(UsageError, match=r"Late\.on_connect is a coroutine function"):
        socketio.on_namespace(Late("/late"))


@pytest.mark.parametrize("function", [coroutine, generator])
def test_a_gate_that_gives_no_answer_lets_nobody_in(
    socketio: fs.SocketIO, here: Callable[..., Any], function: Any
) -> None:
    socketio.on("connect", namespace="/vip")(lambda auth: function())
    assert not here("/vip").is_connected("/vip")


def test_a_refusal_reaches_the_page_with_its_data(
    socketio: fs.SocketIO, connect: Callable[..., Client]
) -> None:
    @socketio.on("connect", namespace="/vip")
    def vip() -> None:
        raise fs.ConnectionRefusedError("who are you?", {"login": "/login"})

    with pytest.raises(Exception, match="who are you"):
        connect("/vip")


def test_any_namespace_may_be_let_in(app: Flask) -> None:
    socketio = fs.SocketIO(app, namespaces="*")
    client = socketio.test_client(app, "/whatever")
    assert client.is_connected("/whatever")


def test_the_reason_of_the_end(socketio: fs.SocketIO, here: Callable[..., Any]) -> None:
    reasons: list[Any] = []
    socketio.on("disconnect")(lambda reason: reasons.append(reason))
    socketio.on("disconnect", namespace="/old")(lambda: reasons.append("of old"))
    client = here()
    client.connect("/old")
    client.disconnect()
    client.disconnect("/old")
    assert reasons == ["client namespace disconnect", "of old"]


def test_errors_go_to_their_handlers(socketio: fs.SocketIO, here: Callable[..., Any]) -> None:
    def fail(*args: Any) -> None:
        raise LookupError("nothing there")

    for name in ("/", "/news", "/else"):
        socketio.on("fail", namespace=name)(fail)
    socketio.on_error()(lambda error: f"/ {error}")
    socketio.on_error("/news")(lambda error: f"/news {error}")
    client = here()
    client.connect("/news")
    client.connect("/else")
    assert client.emit("fail", callback=True) == "/ nothing there"
    assert client.emit("fail", namespace="/news", callback=True) == "/news nothing there"
    with pytest.raises(LookupError):
        client.emit("fail", namespace="/else", callback=True)
    socketio.on_error_default(lambda error: f"default {error}")
    assert client.emit("fail", namespace="/else", callback=True) == "default nothing there"
    for decorator in (socketio.on_error(), socketio.on_error_default):
        with pytest.raises(ValueError, match="decorates"):
            decorator("no function")  # type: ignore[type-var]


def test_clients_of_0_9_have_messages_of_their_own(
    socketio: fs.SocketIO, connect: Callable[..., Client]
) -> None:
    heard: list[Any] = []
    socketio.on("message")(lambda data: heard.append(data))
    socketio.on("json")(lambda data: heard.append(data))
    client = connect(generation="0.9")
    client.send("text")
    client.send({"a": 1}, json=True)
    eventually(lambda: heard == ["text", {"a": 1}], "both")


# ---- who gets what


def test_rooms(socketio: fs.SocketIO, here: Callable[..., Any]) -> None:
    @socketio.on("enter")
    def enter(room: str) -> list[str]:
        fs.join_room(room)
        return fs.rooms()[1:]

    @socketio.on("go")
    def go(room: str) -> list[str]:
        fs.leave_room(room)
        return fs.rooms()[1:]

    @socketio.on("say")
    def say(options: dict[str, Any]) -> None:
        fs.emit("said", options, **options)

    socketio.on("close")(lambda room: fs.close_room(room))

    ada, bob, eve = (here() for _ in range(3))
    assert ada.emit("enter", "tea", callback=True) == ["tea"]
    bob.emit("enter", "tea")

    def heard() -> str:
        clients = {"ada": ada, "bob": bob, "eve": eve}
        return " ".join(name for name, client in clients.items() if client.get_received())

    for options, who in (
        ({}, "ada"),
        ({"broadcast": True}, "ada bob eve"),
        ({"broadcast": True, "include_self": False}, "bob eve"),
        ({"to": "tea"}, "ada bob"),
        ({"room": "tea", "include_self": False}, "bob"),
        ({"to": ["tea", "nobody"]}, "ada bob"),
    ):
        ada.emit("say", options)
        assert heard() == who, options
    assert ada.emit("go", "tea", callback=True) == []
    socketio.emit("from outside", to="tea")
    assert heard() == "bob"
    ada.emit("close", "tea")
    socketio.emit("from outside", to="tea")
    assert heard() == ""
    socketio.send({"to": "all"}, json=True)
    assert ada.get_received()[0]["name"] == "json"


def test_a_tuple_is_several_arguments(socketio: fs.SocketIO, here: Callable[..., Any]) -> None:
    client = here()
    socketio.emit("three", (1, [2], b"3"))
    socketio.emit("one", [1, 2])
    socketio.emit("none")
    assert [each["args"] for each in client.get_received()] == [[1, [2], b"3"], [[1, 2]], []]


def test_what_json_does_not_have_is_the_type_error_of_theirs(
    socketio: fs.SocketIO, here: Callable[..., Any]
) -> None:
    socketio.on("ask")(lambda value: value)
    client = here()
    assert client.emit("ask", {"a": 1}, callback=True) == {"a": 1}
    with pytest.raises(TypeError, match="not JSON serializable"):
        client.emit("ask", {"an": object()}, callback=True)


def test_one_client_is_reached_by_its_id(socketio: fs.SocketIO, here: Callable[..., Any]) -> None:
    sids: list[str] = []
    socketio.on("who")(lambda: sids.append(request.sid))  # type: ignore[attr-defined]
    ada, bob = here(), here()
    ada.emit("who")
    bob.emit("who")
    assert len(set(sids)) == 2
    socketio.emit("for bob", to=sids[1])
    socketio.emit("not for bob", skip_sid=sids[1])
    assert [each["name"] for each in ada.get_received()] == ["not for bob"]
    assert [each["name"] for each in bob.get_received()] == ["for bob"]
    socketio.server.enter_room(sids[0], "tea")
    assert socketio.server.rooms(sids[0]) == [sids[0], "tea"]
    assert socketio.server.get_environ(sids[0]) is not None
    socketio.server.disconnect(sids[0])
    assert not ada.is_connected()
    with pytest.raises(ValueError, match="there is no client"):
        socketio.server.enter_room("nobody", "tea")
    socketio.server.disconnect("nobody")


def test_a_callback_and_a_call_are_answered_by_the_client(
    socketio: fs.SocketIO, connect: Callable[..., Client]
) -> None:
    heard: list[Any] = []

    @socketio.on("ask me")
    def ask_me() -> Any:
        fs.emit("question", 1, callback=answered)
        return fs.call("question", 2)

    def answered(answer: Any) -> None:
        heard.append((answer, request.sid is not None, session.get("seen")))  # type: ignore[attr-defined]
        session["seen"] = True

    client = connect()
    client.on("question", lambda number: "yes")
    assert client.call("ask me") == "yes"
    assert client.call("ask me") == "yes"
    assert heard == [("yes", True, None), ("yes", True, True)]
    with pytest.raises(ValueError, match="one client"):
        socketio.emit("question", callback=answered)
    with pytest.raises(ValueError, match="one client"):
        socketio.call("question", to="nobody")


def test_a_call_that_is_not_answered_in_time(
    socketio: fs.SocketIO, connect: Callable[..., Client]
) -> None:
    caught: list[BaseException] = []

    @socketio.on("ask me")
    def ask_me() -> str:
        try:
            fs.call("question", timeout=0.01)
        except TimeoutError as error:
            caught.append(error)
        return "done"

    client = connect()
    assert client.call("ask me") == "done"
    assert len(caught) == 1


# ---- sessions


def test_a_managed_session_begins_as_flasks_and_is_the_clients_own(
    app: Flask, socketio: fs.SocketIO, here: Callable[..., Any]
) -> None:
    @socketio.on("count")
    def count() -> list[Any]:
        session["count"] = session.get("count", 0) + 1
        return [session.get("user"), session["count"]]

    browser = app.test_client()
    browser.get("/login")
    ada, stranger = here(flask_test_client=browser), here()
    assert ada.emit("count", callback=True) == ["ada", 1]
    assert ada.emit("count", callback=True) == ["ada", 2]
    assert stranger.emit("count", callback=True) == [None, 1]
    assert here(flask_test_client=browser).emit("count", callback=True) == ["ada", 1]


def test_a_session_that_flask_manages_is_saved_by_its_interface(app: Flask) -> None:
    class InMemory(flask.sessions.SecureCookieSessionInterface):
        def open_session(self, app: Flask, request: Any) -> Any:
            return kept

        def save_session(self, app: Flask, session: Any, response: Any) -> None:
            saves.append(dict(session))

    kept: Any = flask.sessions.SecureCookieSession()
    saves: list[dict[str, Any]] = []
    app.session_interface = InMemory()
    socketio = fs.SocketIO(app, manage_session=False)

    @socketio.on("write")
    def write(value: str) -> None:
        session["value"] = value

    client = socketio.test_client(app)
    client.emit("write", "one")
    assert kept["value"] == "one"
    assert saves[-1] == {"value": "one"}


# ---- side by side


def test_a_handler_that_takes_long_keeps_no_other_of_the_same_client(
    socketio: fs.SocketIO, connect: Callable[..., Client]
) -> None:
    goes_on = Event()

    @socketio.on("slow")
    def slow() -> str:
        goes_on.wait()
        return "slow"

    socketio.on("quick")(lambda: "quick")
    client = connect()
    answers: list[Any] = []
    asking = gevent.spawn(lambda: answers.append(client.call("slow")))
    gevent.sleep(0)
    assert client.call("quick") == "quick"
    assert not answers
    goes_on.set()
    asking.join()
    assert answers == ["slow"]


def test_one_after_the_other_where_that_is_wanted(app: Flask, serve: Callable[..., Served]) -> None:
    socketio = fs.SocketIO(app, async_handlers=False)
    order: list[str] = []
    goes_on = Event()

    @socketio.on("slow")
    def slow() -> None:
        order.append("slow begins")
        goes_on.wait()
        order.append("slow ends")

    socketio.on("quick")(lambda: order.append("quick"))
    client = serve(app).connect(generation="eio4", transport="websocket")
    client.emit("slow")
    client.emit("quick")
    eventually(lambda: order, "the first")
    goes_on.set()
    eventually(lambda: len(order) == 3, "both")
    assert order == ["slow begins", "slow ends", "quick"]


def test_who_has_started_too_many_handlers_waits(app: Flask, serve: Callable[..., Served]) -> None:
    socketio = fs.SocketIO(app, max_concurrent=3)
    goes_on = Event()
    running: list[int] = []

    @socketio.on("slow")
    def slow() -> None:
        running.append(1)
        most.append(len(running))
        goes_on.wait()
        running.pop()

    most: list[int] = []
    client = serve(app).connect(generation="eio4", transport="websocket")
    for _ in range(10):
        client.emit("slow")
    eventually(lambda: len(running) == 3, "as many as may")
    goes_on.set()
    eventually(lambda: len(most) == 10 and not running, "all of them")
    assert max(most) == 3


def test_tasks_end_with_the_client_that_a_failing_handler_had(
    socketio: fs.SocketIO, connect: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    @socketio.on("fail")
    def fail() -> None:
        raise LookupError("nothing there")

    socketio.on("fine")(lambda: "fine")
    client = connect()
    client.emit("fail")
    assert client.call("fine") == "fine"
    eventually(lambda: "nothing there" in caplog.text, "a traceback")


def test_background_tasks(socketio: fs.SocketIO, here: Callable[..., Any]) -> None:
    def work(text: str) -> None:
        socketio.sleep(0)
        socketio.emit("news", text)

    client = here()
    socketio.start_background_task(work, "done").join()
    assert [each["args"] for each in client.get_received()] == [["done"]]


# ---- options


def test_options_and_what_they_are_here() -> None:
    class JSON:
        dumps = loads = staticmethod(lambda value: value)

    settings, own = settings_of(
        {
            "path": "/live",
            "cors_allowed_origins": ["*"],
            "max_http_buffer_size": 5000,
            "ping_interval": (10, 5),
            "ping_timeout": 3,
            "transports": ["websocket", "polling"],
            "json": JSON,
            "serializer": "msgpack",
            "async_mode": "gevent",
            "logger": True,
            "allow_upgrades": True,
            "message_queue": None,
            "manage_session": False,
            "async_handlers": False,
            "namespaces": ["/a"],
            "rate_limit": "10/1s",
        }
    )
    assert settings == {
        "resource": "live",
        "origins": "*",
        "max_payload": 5000,
        "ping_interval": 10,
        "ping_timeout": 3,
        "transports": ["websocket", "xhr-polling"],
        "json_dumps": JSON.dumps,
        "json_loads": JSON.loads,
        "msgpack": True,
        "rate_limit": "10/1s",
    }
    assert own == {"manage_session": False, "async_handlers": False, "namespaces": ["/a"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"message_queue": "redis://"}, "backplane='redis://...'.*sockio.Emitter"),
        ({"allow_upgrades": False}, "transports"),
        ({"always_connect": True}, "refused"),
        ({"cookie": "sid"}, "Flask's session"),
        ({"serializer": "pickle"}, "'default' or 'msgpack'"),
        ({"cors_allowed_origins": []}, "every origin"),
        ({"no_such_option": 1}, "neither"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(
    app: Flask, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        fs.SocketIO(app, **options)


def test_another_way_to_wait_is_told_to_be_none_here(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        fs.SocketIO(app, async_mode="threading")
    assert "sockio runs on gevent" in caplog.text


def test_the_application_may_come_later(app: Flask) -> None:
    socketio = fs.SocketIO(ping_interval=7)
    socketio.on("early", namespace="/news")(lambda: "early")
    with pytest.raises(UsageError, match="init_app"):
        socketio.emit("too early")
    socketio.init_app(app, ping_timeout=3)
    client = socketio.test_client(app, "/news")
    assert client.emit("early", namespace="/news", callback=True) == "early"
    assert socketio.middleware is not None
    settings = socketio.middleware.settings
    assert (settings.ping_interval, settings.ping_timeout) == (7, 3)


@pytest.mark.parametrize("name", ["connect", "disconnect", "*"])
@pytest.mark.parametrize("namespace", ["", "/object"])
def test_no_client_can_send_what_a_handler_is_kept_by(
    socketio: fs.SocketIO, connect: Callable[..., Client], name: str, namespace: str
) -> None:
    told: list[Any] = []

    class Object(fs.Namespace):
        def trigger_event(self, event: str, *args: Any) -> Any:
            told.append(event)

    socketio.on_namespace(Object("/object"))
    for event in ("connect", "disconnect"):
        socketio.on(event)(lambda *args, event=event: told.append(event))
    socketio.on("*")(lambda event, *args: told.append(event))
    # Later clients are thrown out for it by their protocol.
    client = connect(namespace, generation="0.9")
    before = list(told)
    with pytest.raises(EventFailed, match="unallowed_event_name"):
        client.call(name, "made up", "by a client")
    assert told == before


def test_a_room_called_as_another_client_is_not_entered(
    socketio: fs.SocketIO, connect: Callable[..., Client]
) -> None:
    socketio.on("name")(lambda: request.sid)  # type: ignore[attr-defined]
    socketio.on("join")(fs.join_room)
    socketio.on("whisper")(lambda to: fs.emit("whispered", to=to))
    victim, curious = connect(), connect()
    name = victim.call("name")
    with pytest.raises(EventFailed, match="internal_error"):
        curious.call("join", name)
    assert socketio.server.rooms(curious.call("name")) == [curious.call("name")]
    curious.call("whisper", name)
    victim.expect("whispered")
    assert curious.heard("whispered") == []
    # Its own it is in anyway.
    victim.call("join", name)


@pytest.mark.parametrize("namespaces", ["*", ["*"]])
def test_any_namespace_is_the_global_one_too(app: Flask, namespaces: Any) -> None:
    socketio = fs.SocketIO(app, namespaces=namespaces)
    socketio.on("where", namespace="*")(lambda: request.namespace)  # type: ignore[attr-defined]
    for name in ("/", "/any"):
        client = socketio.test_client(app, name)
        assert client.emit("where", namespace=name, callback=True) == name


def test_what_has_two_handlers_is_said(
    socketio: fs.SocketIO, caplog: pytest.LogCaptureFixture
) -> None:
    def one() -> None: ...

    def two() -> None: ...

    for handler in (one, one, two):
        socketio.on_event("ping", handler)
        socketio.on_event("ping", handler, namespace="/other")
    for _ in range(2):
        socketio.on_namespace(fs.Namespace("/chat"))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert said[0].startswith("the event 'ping' has another handler by now: <function")
    assert said[2].startswith("the namespace '/chat' has another handler by now: ")


# ---- what nothing handles, and sockio's marks


class Bare(fs.Namespace):
    def on_known(self) -> str:
        return "known"


@pytest.mark.parametrize("namespace", ["/f", "/c"])
@pytest.mark.parametrize("event", ["user mesage", "message", "json"])
@pytest.mark.parametrize("generation", ["eio4", "0.9"])
def test_what_nothing_handles_is_refused_and_logged(
    socketio: fs.SocketIO,
    connect: Callable[..., Client],
    caplog: pytest.LogCaptureFixture,
    namespace: str,
    event: str,
    generation: str,
) -> None:
    told: list[Any] = []
    socketio.on("user message", namespace="/f")(lambda: "f")
    socketio.on_error_default(told.append)
    socketio.on_namespace(Bare("/c"))
    client = connect(namespace, generation=generation)
    with pytest.raises(EventFailed, match="no_such_method"):
        client.call(event, "x")
    what = f"@socketio.on({event!r}, namespace='/f')" if namespace == "/f" else f"Bare.on_{event}"
    assert f"no_such_method: Nothing handles this. (define {what})" in caplog.text
    assert told == []


def no(client: Any) -> bool:
    return session.get("user") == "ada"


class Marked(fs.Namespace):
    @allow(no)
    def on_kick(self) -> str:
        return "kicked"

    @limit("1/60s")
    def on_once(self) -> str:
        return "once"

    def error(self, error: Exception) -> str:
        return "its own"


@pytest.fixture
def marked(socketio: fs.SocketIO) -> fs.SocketIO:
    """The same handlers as functions and as methods."""

    class Bound:
        @allow(no)
        def kick(self) -> str:
            return "kicked"

    socketio.on_event("kick", Bound().kick, namespace="/bound")
    socketio.on("kick", namespace="/f")(allow(no)(lambda: "kicked"))
    socketio.on("once", namespace="/f")(limit("1/60s")(lambda: "once"))
    above = socketio.on("kick", namespace="/above")(lambda: "kicked")
    allow(no)(above)
    socketio.on("*", namespace="/all")(allow(no)(lambda name: "kicked"))
    socketio.on_error_default(lambda error: "the default")
    socketio.on_namespace(Marked("/c"))
    return socketio


@pytest.mark.parametrize("namespace", ["/f", "/c", "/bound", "/above", "/all"])
def test_allow_holds(app: Flask, marked: fs.SocketIO, namespace: str) -> None:
    client = marked.test_client(app, namespace)
    with pytest.raises(EventRefused, match="method_access_denied"):
        client.emit("kick", namespace=namespace, callback=True)
    visitor = app.test_client()
    visitor.get("/login")
    ada = marked.test_client(app, namespace, flask_test_client=visitor)
    assert ada.emit("kick", namespace=namespace, callback=True) == "kicked"


@pytest.mark.parametrize("namespace", ["/f", "/c"])
def test_limit_holds(app: Flask, marked: fs.SocketIO, namespace: str) -> None:
    client = marked.test_client(app, namespace)
    assert client.emit("once", namespace=namespace, callback=True) == "once"
    with pytest.raises(RateLimited):
        client.emit("once", namespace=namespace, callback=True)
    assert marked.test_client(app, namespace).emit("once", namespace=namespace, callback=True)


def test_each_handler_has_a_limit_of_its_own(
    socketio: fs.SocketIO, here: Callable[..., Any]
) -> None:
    for event in ("one", "two"):
        socketio.on(event)(limit("1/60s")(lambda: True))
    client = here()
    assert client.emit("one", callback=True) is True
    assert client.emit("two", callback=True) is True


def test_allow_on_connect_is_asked(socketio: fs.SocketIO, here: Callable[..., Any]) -> None:
    class Closed(fs.Namespace):
        @allow(lambda client: False)
        def on_connect(self) -> None: ...

    socketio.on("connect", namespace="/f")(allow(lambda client: False)(lambda: None))
    socketio.on("connect", namespace="/open")(allow(lambda client: True)(lambda: None))
    socketio.on_namespace(Closed("/c"))
    for namespace, let_in in (("/f", False), ("/c", False), ("/open", True)):
        assert here(namespace).is_connected(namespace) is let_in


def test_a_connect_that_fails_lets_nobody_in_whatever_becomes_of_its_error(
    socketio: fs.SocketIO, here: Callable[..., Any]
) -> None:
    class Failing(fs.Namespace):
        def on_connect(self) -> None:
            raise fs.ConnectionRefusedError("no")

        def error(self, error: Exception) -> None: ...

    class Erring(Failing):
        def on_connect(self) -> None:
            raise LookupError

    def fail() -> None:
        raise LookupError

    socketio.on_namespace(Failing("/refusing"))
    socketio.on_namespace(Erring("/erring"))
    socketio.on("connect", namespace="/f")(fail)
    socketio.on_error_default(lambda error: None)
    for namespace in ("/refusing", "/erring", "/f"):
        assert not here(namespace).is_connected(namespace)


@pytest.mark.parametrize(
    ("mark", "event", "words"),
    [
        (on("x"), "kick", r'@socketio.on\("event"\)'),
        (concurrent, "kick", "Leave it out"),
        (limit("1/s"), "connect", "rate_limit"),
        (limit("1/s"), "disconnect", "rate_limit"),
        (allow(no), "disconnect", "what clients call"),
    ],
)
def test_a_mark_that_would_mean_nothing_is_told(
    socketio: fs.SocketIO, mark: Any, event: str, words: str
) -> None:
    kind = type("Kind", (fs.Namespace,), {f"on_{event}": mark(lambda self: None)})
    with pytest.raises(UsageError, match=words):
        socketio.on_namespace(kind("/c"))
    with pytest.raises(UsageError, match=words):
        socketio.on(event)(mark(lambda: None))
    if event != "kick":
        with pytest.raises(UsageError):
            socketio.on_error_default(mark(lambda error: None))


def test_one_transport_needs_no_list() -> None:
    assert settings_of({"transports": "polling"})[0] == {"transports": ["xhr-polling"]}
