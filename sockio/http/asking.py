"""Who is inside of an application: asked by a request that a middleware answers at once, and nobody
else as one would.

What the answers are remembered by is in :mod:`sockio.http.claims`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

from ..config.settings import Settings
from ..exceptions import RequestRefused
from ..runtime.gevent_runtime import ENDS_A_TASK
from ..runtime.interfaces import Runtime
from ..sessions.sayings import printable
from ..transports.connection import FAST, LEND
from ..transports.request import Request, WouldBlock
from .admission import ERROR, UNAUTHORIZED, ViewAnswer, ask_who
from .claims import CLAIM, Claim, Inside

__all__ = ["NOBODY", "OLD_PATH", "Asking"]

#: Seconds that an application has to say who is inside of it, when it is asked only that.
PATIENCE = 5.0

#: Behind the resource, in the handshake of clients until 0.9.
OLD_PATH = "/1/"
#: The handshakes that there are, by what they have behind the resource: an application may lead
#: only some of them to the middleware that it has inside.
_HANDSHAKES: tuple[tuple[str, dict[str, str]], ...] = (
    (OLD_PATH, {"QUERY_STRING": ""}),
    ("/", {"QUERY_STRING": "EIO=4&transport=polling"}),
    (
        "/",
        {
            "QUERY_STRING": "EIO=4&transport=websocket",
            "HTTP_CONNECTION": "Upgrade",
            "HTTP_UPGRADE": "websocket",
            "HTTP_SEC_WEBSOCKET_KEY": "c29ja2lvIGFza3Mgd2hvPw==",
            "HTTP_SEC_WEBSOCKET_VERSION": "13",
        },
    ),
)

#: What belongs to one request, and not to the question.
_NO_QUESTION = frozenset(
    (
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "HTTP_TRANSFER_ENCODING",
        FAST,
        LEND,
        "sockio.take_connection",
    )
)

#: The beginning of a status by which the application says that nobody is there: an ordinary page,
#: no page, or none that answers GET.
NOBODY = ("2", "404", "405", "410")
_FORBIDDEN = "403 Forbidden"
_NOT_SEEN = (
    "the application answered {said} when it was asked whether it has a SocketIOMiddleware inside, "
    "and this process has one, whose gate may be behind that answer. If it is this application's, "
    "leave out what the server was given; if it is none of this application's, wrap this one "
    "yourself: SocketIOMiddleware(app, namespaces, ...)"
)


class Asking:
    """What one middleware asks the application that it is around, and what it knows of it."""

    def __init__(
        self, settings: Settings, runtime: Runtime, app: Callable[..., Any], inside: Inside
    ) -> None:
        self._resource = settings.resource
        self._runtime = runtime
        self._app = app
        self._inside = inside

    def serves_alone(self, environ: Mapping[str, Any]) -> bool:
        """Whether it is known, as far as one can, that no middleware inside of the application
        answers such a request."""
        inside = self._inside
        return not inside.stands_in or (inside.knows(environ) and not inside.gives_way)

    def another_serves(self, request: Request, *, admitting: bool = False) -> bool:
        """Whether a middleware inside of the application answers what comes here.

        The application is asked until that is known of the request's host; and for each handshake
        that the namespaces of a server would admit, for which there may be a gate inside. Raises
        ``RequestRefused`` where such an application fails.
        """
        inside, environ = self._inside, request.environ
        if inside.gives_way:
            return True
        ask_again = inside.stands_in and admitting
        if inside.knows(environ) and not ask_again:
            return False
        if not request.may_block:
            raise WouldBlock
        try:
            if not admitting:
                # Where no view is that would look for a handshake.
                elsewhere = {"PATH_INFO": f"/{self._resource}", "QUERY_STRING": "EIO="}
                self.look_inside({**environ, **elsewhere})
                said = ""
            else:
                said = self.look_inside(environ)
                if ask_again and not said:
                    said = self._look_elsewhere(environ)
                if not said:
                    inside.learn(environ)
        except ENDS_A_TASK:
            raise
        except BaseException as error:
            # It has nothing there, and says so in its way; or its gate has failed.
            if ask_again and not inside.gives_way:
                raise RequestRefused(
                    "500 Internal Server Error",
                    ERROR,
                    code="view-failed",
                    detail=f"{error!r}; the application was asked whether it has a middleware "
                    "inside. If it has none, and no page there, wrap it yourself: "
                    "SocketIOMiddleware(app, namespaces)",
                ) from error
        else:
            if said and ask_again and inside.may_hide_one():
                raise RequestRefused(
                    _FORBIDDEN,
                    UNAUTHORIZED,
                    code="gate-not-seen",
                    detail=_NOT_SEEN.format(said=printable(said, 60)),
                )
        return inside.gives_way

    def look_inside(self, environ: dict[str, Any]) -> str:
        """Ask the application whether a middleware is inside, with a request of this environ that
        such a one answers at once. "" where that is known now; else the status of an answer that
        proves nothing: of a login page, perhaps. Blocks.

        Raises what the application raises, ``TimeoutError`` where it takes too long, and
        ``RuntimeError`` where it answers 5xx.
        """
        copy = {key: value for key, value in environ.items() if key not in _NO_QUESTION}
        copy |= {"REQUEST_METHOD": "GET", "wsgi.input": io.BytesIO()}
        claim = Claim(self._inside, copy, outer=environ.get(CLAIM), here=True, only_asking=True)
        said: ViewAnswer = self._runtime.limit(PATIENCE, ask_who, self._app, copy, claim)
        if claim.taken or claim.met_view:
            return ""
        if self._inside.stands_in and said.is_of_one:
            # Whoever wraps an application that asks a server elsewhere means to serve here.
            self._inside.answered_by_one()
            return ""
        status = said.status
        if status.startswith("5"):
            raise RuntimeError(f"the application answered {status}")
        if said.lets_in:
            return f"{status} with a session"
        # A page, or that there is none: whoever asks gets as far as that. Whatever else may come
        # from somebody in front who refuses strangers.
        return "" if status.startswith(NOBODY) else status or "nothing"

    def _look_elsewhere(self, environ: dict[str, Any]) -> str:
        """The same question, as clients of other generations and transports would ask it. Blocks.
        Does not raise for what goes wrong in the application: where a gate fails is one."""
        if self._inside.gives_way or not self._inside.may_hide_one():
            return ""
        for behind, more in _HANDSHAKES:
            path = f"/{self._resource}{behind}"
            try:
                said = self.look_inside({**environ, **more, "PATH_INFO": path})
            except ENDS_A_TASK:
                raise
            except BaseException as error:
                said = f"by {type(error).__name__}"
            if said or self._inside.gives_way:
                return said
        return ""
