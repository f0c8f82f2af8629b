"""The client's files below the resource: served from where the project says, or a hint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sockio import SettingsError, SocketIOMiddleware, socketio_manage
from sockio.http.client_script import MAX_SIZE, NAMES
from sockio.testing import ManualRuntime

from ..support.echo import Echo
from ..support.raw_http import get
from ..support.servers import Served
from ..support.wsgi_client import PollingClient

Connect = Callable[..., PollingClient]

SCRIPT = "/socket.io.js"


def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """A view that takes everything below the resource for handshakes."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return socketio_manage(environ, {"": Echo})


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    for name in NAMES:
        (folder / name.rpartition("/")[2]).write_bytes(f"// {name}".encode())
    return folder


@pytest.fixture(params=["mapping", "view"])
def form(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"view": view} if request.param == "view" else {}


@pytest.mark.parametrize("name", NAMES)
def test_each_file_of_a_folder(
    connect: Connect, dist: Path, name: str, form: dict[str, Any]
) -> None:
    client = connect(client_script=dist, **form)
    response = client.request(f"/{name}")
    assert (response.status_code, response.body) == (200, f"// {name}".encode())
    assert response.headers["Content-Type"] == NAMES[name]
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    head = client.request(f"/{name}", "HEAD")
    assert (head.status_code, head.body) == (200, b"")
    assert head.headers["Content-Length"] == response.headers["Content-Length"]


@pytest.mark.parametrize("known", ["{etag}", "W/{etag}", '"other", {etag}', "*"])
def test_a_browser_that_has_it_is_sent_nothing(connect: Connect, dist: Path, known: str) -> None:
    client = connect(client_script=dist)
    etag = client.request(SCRIPT).headers["ETag"]
    headers = {"If-None-Match": known.format(etag=etag)}
    again = client.request(SCRIPT, headers=headers)
    assert (again.status_code, again.body, again.headers["ETag"]) == (304, b"", etag)
    assert client.request(SCRIPT, headers={"If-None-Match": '"other"'}).status_code == 200


def test_one_file_and_what_is_beside_it(connect: Connect, dist: Path) -> None:
    (dist / "socket.io.js").rename(dist / "mine.js")
    client = connect(client_script=str(dist / "mine.js"))
    assert client.request(SCRIPT).text == "// socket.io.js"
    assert client.request("/socket.io.min.js").text == "// socket.io.min.js"
    (dist / "socket.io.min.js").unlink()
    client = connect(client_script=str(dist / "mine.js"))
    assert client.request("/socket.io.min.js").text == "// socket.io.js"


def test_it_is_read_once(connect: Connect, dist: Path) -> None:
    client = connect(client_script=dist)
    assert client.request(SCRIPT).status_code == 200
    (dist / "socket.io.js").unlink()
    assert client.request(SCRIPT).status_code == 200


def test_where_there_is_none_the_answer_says_what_to_do(
    connect: Connect,
    form: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    client = connect(**form)
    for name in NAMES:
        response = client.request(f"/{name}")
        assert response.status_code == 404
        assert response.headers["X-Sockio-Refusal"] == "no-client-script"
        assert "client_script" in response.text
    assert len(caplog.records) == len(NAMES)
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    # The advice is ours, and whole.
    assert all(
        "name it in the setting client_script" in each.getMessage() for each in caplog.records
    )


@pytest.mark.parametrize("folder", ["dist", ""], ids=["dist", "the package itself"])
def test_an_installed_client_is_found(
    connect: Connect, dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    package = tmp_path / "node_modules" / "socket.io-client"
    (package / folder).parent.mkdir(parents=True)
    dist.rename(package / folder)
    monkeypatch.chdir(tmp_path)
    assert connect().request(SCRIPT).text == "// socket.io.js"


def test_an_installed_package_without_a_script_is_none(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node_modules" / "socket.io-client").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert connect().request(SCRIPT).status_code == 404


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        pytest.param("/*! Socket.IO.js build:0.9.17, development. ", "0.9.17", id="0.9"),
        pytest.param("/*! Socket.IO.min.js build:0.9.16, ", "0.9.16", id="0.9, small"),
        pytest.param("/*!\n * Socket.IO v2.5.0\n * (c) 2014", "2.5.0", id="2.x"),
        pytest.param("/*!\n * Socket.IO v4.8.4\n * (c) 2014", "4.8.4", id="4.x"),
        pytest.param("var io;" + " " * 300 + "Socket.IO v4.8.4", None, id="too far in"),
        pytest.param("// Socket.IO version\r\nSet-Cookie: a=b", None, id="none"),
    ],
)
def test_the_version_is_told(
    connect: Connect, dist: Path, banner: str, version: str | None
) -> None:
    (dist / "socket.io.js").write_text(banner)
    client = connect(client_script=dist)
    response = client.request(SCRIPT)
    assert response.headers.get("X-Sockio-Client") == version
    again = client.request(SCRIPT, headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.headers.get("X-Sockio-Client")) == (304, version)


@pytest.mark.parametrize(
    "path",
    [
        "/../socket.io.js",
        "/static/flashsocket/../../socket.io.js",
        "/static/flashsocket/socket.io.js",
        "/static/flashsocket/%2e%2e/secret",
        "/socket.io.js/",
        "/socket.io.js/../secret",
        "//socket.io.js",
        "/secret",
        "/SOCKET.IO.JS",
    ],
)
def test_nothing_but_these_names_is_ours(connect: Connect, dist: Path, path: str) -> None:
    (dist / "secret").write_text("secret")
    assert connect(client_script=dist).request(path).text.startswith("app:")


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
def test_it_is_a_file(connect: Connect, dist: Path, method: str) -> None:
    response = connect(client_script=dist).request(SCRIPT, method)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


def test_what_is_far_too_large_is_not_served(connect: Connect, dist: Path) -> None:
    (dist / "socket.io.js").write_bytes(bytes(MAX_SIZE + 1))
    assert connect(client_script=dist).request(SCRIPT).status_code == 404


def test_a_place_without_a_script_is_a_wrong_setting(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none.js"):
        with pytest.raises(SettingsError, match="there is no file"):
            SocketIOMiddleware(view, runtime=ManualRuntime(), client_script=str(place))


@pytest.mark.parametrize("without", ["", "http"], ids=["fast path", "pywsgi"])
def test_over_a_real_connection(serve: Callable[..., Served], dist: Path, without: str) -> None:
    server = serve(namespaces={"": Echo}, client_script=dist, without=without)
    answer = get(server.port, "/socket.io/socket.io.js")
    assert (answer.code, answer.body) == (200, "// socket.io.js")
    etag = answer.headers["etag"]
    assert get(server.port, "/socket.io/socket.io.js", {"If-None-Match": etag}).code == 304
