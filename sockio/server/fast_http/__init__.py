"""The short way for requests under the resource: no task, no WSGI server, one write an answer.

:class:`~sockio.server.SocketIOServer` begins every connection here where it can, and hands those
that bring anything else to gevent.pywsgi, with every byte that was read. Needs ``httptools``.
"""

from __future__ import annotations

__all__: list[str] = []
