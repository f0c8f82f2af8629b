"""The client's files, at the addresses where Node's server has them: pages ask for
``/socket.io/socket.io.js``.

They are not part of sockio, and of whatever version the project has: sockio serves the clients of
each. They are served from where the setting ``client_script`` says that they are, or from
``node_modules/socket.io-client`` below the directory that the process started in. The header
``X-Sockio-Client`` tells the version, as the file itself does in its first line.
"""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path

from ..exceptions import RequestRefused
from ..transports.answers import Answer, Head
from ..transports.request import Request

__all__ = ["NAMES", "ClientFiles", "version_in", "version_of"]

log = logging.getLogger("sockio.handshake")

_SCRIPT, _MAP = "application/javascript; charset=UTF-8", "application/json; charset=UTF-8"
#: What may be asked for below the resource, and its content type; the file's own name is the last
#: part. Not each version has each of them.
NAMES = {
    "socket.io.js": _SCRIPT,
    "socket.io.js.map": _MAP,
    "socket.io.min.js": _SCRIPT,
    "socket.io.min.js.map": _MAP,
    "socket.io.esm.min.js": _SCRIPT,
    "socket.io.esm.min.js.map": _MAP,
    "socket.io.msgpack.min.js": _SCRIPT,
    "socket.io.msgpack.min.js.map": _MAP,
    "static/flashsocket/WebSocketMain.swf": "application/x-shockwave-flash",
    "static/flashsocket/WebSocketMainInsecure.swf": "application/x-shockwave-flash",
}
#: Bytes of one file.
MAX_SIZE = 2_000_000
#: Seconds for which browsers need not ask again.
MAX_AGE = 3600

_INSTALLED = Path("node_modules", "socket.io-client")
_HINT = (
    "There is no client here. Install it below the directory that the server starts in "
    "(npm install --prefix . socket.io-client), name it in the setting client_script, or let the "
    "page load it from where it is."
)

#: The first line of a built client: ``/*! Socket.IO.js build:0.9.17, ...`` until 1.0, since then
#: ``* Socket.IO v4.8.4``; and how far in it may be.
_BANNER = re.compile(rb"Socket\.IO(?:(?:\.min)?\.js build:| v)(\d[\w.-]{0,30})")
_BANNER_BYTES = 300


def version_in(script: bytes) -> str:
    """The version that a client's script names in its first line, or ""."""
    found = _BANNER.search(script[:_BANNER_BYTES])
    return found[1].decode() if found else ""


def version_of(place: Path | None) -> str | None:
    """The version of the client that would be served, given the setting: "" for one that does not
    say, None where there is none. Reads its file."""
    path = ClientFiles(place).path_of("socket.io.js")
    if path is None:
        return None
    with path.open("rb") as file:
        return version_in(file.read(_BANNER_BYTES))


class ClientFiles:
    """The files of one middleware: found when it is made, read when they are first asked for."""

    def __init__(self, place: Path | None) -> None:
        """``place`` is the script itself, or the folder that has it by the client's own names."""
        self._place = _installed() if place is None else place.resolve()
        self._answers: dict[str, tuple[Answer, Answer]] = {}

    def respond(self, name: str, request: Request) -> Answer:
        """The answer to a request for one of :data:`NAMES`.

        Reads the file the first time, which may block for a moment. Raises ``RequestRefused``: 404
        where there is none, 405 for anything but GET and HEAD.
        """
        if request.method not in ("GET", "HEAD"):
            raise RequestRefused(
                "405 Method Not Allowed",
                "This is a file.",
                code="method-not-allowed",
                headers=[("Allow", "GET, HEAD")],
            )
        answers = self._answers.get(name)
        if answers is None:
            answers = self._answers[name] = self._read(name)
        whole, unchanged = answers
        known = request.environ.get("HTTP_IF_NONE_MATCH", "")
        etag = dict(unchanged.head.headers)["ETag"]
        same = etag in known or known.strip() == "*"
        return _copy(unchanged if same else whole)

    def _read(self, name: str) -> tuple[Answer, Answer]:
        path = self.path_of(name)
        try:
            if path is None:
                raise FileNotFoundError(name)
            with path.open("rb") as file:
                data = file.read(MAX_SIZE + 1)
            if len(data) > MAX_SIZE:
                raise OSError(f"{path} is larger than {MAX_SIZE} bytes")
        except OSError as error:
            raise RequestRefused(
                "404 Not Found", _HINT, code="no-client-script", detail=str(error)
            ) from None
        headers = [
            ("ETag", f'"{hashlib.sha256(data).hexdigest()[:32]}"'),
            ("Cache-Control", f"public, max-age={MAX_AGE}"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        version = version_in(data)
        if version:
            headers.append(("X-Sockio-Client", version))
            old = "; pages with it say io.connect('/chat'), not io('/chat')" * version.startswith(
                "0."
            )
            log.info("%s is that of socket.io-client %s (%s)%s", name, version, path, old)
        head = Head.bare("200 OK", [("Content-Type", NAMES[name]), *headers])
        return Answer(head, data), Answer(Head.bare("304 Not Modified", headers))

    def path_of(self, name: str) -> Path | None:
        """Where a file is, if it is there."""
        place = self._place
        if place is None:
            return None
        last = name.rpartition("/")[2]
        if place.is_dir():
            path = place / last
        elif last == "socket.io.js":
            path = place
        else:
            # Beside the script; and the script is its own smaller self.
            path = place.with_name(last)
            if last == "socket.io.min.js" and not path.is_file():
                path = place
        return path if path.is_file() else None


def _copy(answer: Answer) -> Answer:
    # What is added to an answer on its way is not added to the next one.
    return Answer(answer.head, answer.body)


def _installed() -> Path | None:
    """The folder with the script of an installed client; until 1.5 it has no folder of its own."""
    package = _INSTALLED.resolve()
    folders = (package / "dist", package)
    return next((folder for folder in folders if (folder / "socket.io.js").is_file()), None)
