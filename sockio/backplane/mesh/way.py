"""The other workers of the host, as a way to their clients."""

from __future__ import annotations

import logging
from typing import Any

from ...sessions.complaints import Complaints
from ..questions import Asked, Question, Questions
from .mesh import Mesh

__all__ = ["MeshWay"]

log = logging.getLogger("sockio.mesh")


class MeshWay:
    """That of one middleware."""

    def __init__(self, mesh: Mesh, questions: Questions, complaints: Complaints) -> None:
        self._mesh = mesh
        self._questions = questions
        self._complaints = complaints
        #: What was not sent to a worker, since it did not read what came before.
        self.lost = 0

    @property
    def leads_anywhere(self) -> bool:
        return bool(self._mesh.links)

    def send(self, kind: int, namespace: str, data: bytes) -> None:
        for boot, link in list(self._mesh.links.items()):
            if not link.send(kind, data) and not link.closed:
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
