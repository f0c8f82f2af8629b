"""xhr-polling: polls and POSTs by XMLHttpRequest, bodies as they are (fact sheet, section 7)."""

from __future__ import annotations

from .polling import PollingTransport

__all__ = ["XHRPolling"]


class XHRPolling(PollingTransport):
    """Plain-text bodies: the packet, or several as a framed payload."""

    name = "xhr-polling"
