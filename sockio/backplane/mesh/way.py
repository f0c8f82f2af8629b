"""The other workers of the host, as a way to their clients."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Any

from ...exceptions import UsageError
from ...runtime.interfaces import Runtime
from ...sessions.complaints import Complaints
from ..questions import ANSWER, QUESTION, Asked, Question, Questions
from .link import LARGEST
from .mesh import Mesh

__all__ = ["MeshWay", "questions_by"]

log = logging.getLogger("sockio.mesh")


class MeshWay:
    """That of one middleware."""

    #: A worker that has nobody in a room drops what is for it in a microsecond.
    by_room = False

    def __init__(self, mesh: Mesh, questions: Questions, complaints: Complaints) -> None:
        self._mesh = mesh
        self._questions = questions
        self._complaints = complaints
        #: What was not sent to a worker, since it did not read what came before.
        self.lost = 0

    @property
    def leads_anywhere(self) -> bool:
        return bool(self._mesh.links)

    def send(self, kind: int, namespace: str, data: bytes, room: Hashable | None = None) -> None:
        for boot, link in list(self._mesh.links.items()):
            if not link.send(kind, data) and not (link.closed or link.deaf):
                self.lost += 1
                self._complaints.say(
                    log,
                    logging.ERROR,
                    ("mesh-full", boot),
                    "",
                    "worker %s does not read what is for it: an emission did not reach its clients "
                    "(%d so far). Its event loop is blocked, or has more to do than it can "
                    "[mesh-full]",
                    boot,
                    self.lost,
                )

    def ask(self, group: str, question: Question) -> Asked | None:
        return self._questions.ask(group, question)

    def notify(self, group: str, event: str, args: list[Any]) -> None:
        question = Question("server-side", "", None, frozenset(), 0.0, (event, args))
        self._questions.ask(group, question).leave()


def questions_by(mesh: Mesh, runtime: Runtime) -> Questions:
    """The questions of this process to the other workers, for all of its middlewares."""
    questions = Questions(_Workers(mesh), runtime)
    mesh.take(QUESTION, lambda link, frame: questions.question(link.peer, frame.payload))
    mesh.take(ANSWER, lambda link, frame: questions.answer(link.peer, frame.payload))
    mesh.on_leave.append(questions.left)
    return questions


class _Workers:
    """Who is asked."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    def names(self) -> list[str]:
        return list(self._mesh.links)

    def ask(self, data: bytes, name: str | None = None) -> list[str]:
        if name is not None:
            return [] if self._mesh.send(name, QUESTION, data) else [name]
        links = list(self._mesh.links.items())
        return [boot for boot, link in links if not link.send(QUESTION, data)]

    def answer(self, name: str, data: bytes) -> None:
        if len(data) > LARGEST:
            raise UsageError(f"an answer of {len(data)} bytes: it may have {LARGEST}")
        self._mesh.send(name, ANSWER, data)

    def complain(self, name: str, what: str) -> None:
        self._mesh.complain(name, what)

    def failed(self, name: str, error: Exception) -> None:
        log.error("a question of worker %s could not be answered", name, exc_info=error)
