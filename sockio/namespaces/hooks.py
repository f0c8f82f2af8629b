"""The methods of a namespace that sockio calls, beside its handlers, by what they are for."""

from __future__ import annotations

__all__ = ["CALLED", "FROM_CLIENTS", "GATED", "STEPS"]

#: For what a client says or does; ``on_...`` beside these is an event.
FROM_CLIENTS = ("recv_connect", "recv_disconnect", "recv_message", "recv_json", "recv_error")

#: Those of these before which the conditions of ``@allow`` are asked.
GATED = ("recv_connect", "recv_message", "recv_json", "recv_error")

#: What an event may pass through on its way to its handler and back.
STEPS = (
    "process_event",
    "call_method_with_acl",
    "is_method_allowed",
    "call_method",
    "around_event",
    "exception_handler_decorator",
    "error",
)

#: All of them. Of ``initialize`` every class of the inheritance chain has its own called.
CALLED = (*FROM_CLIENTS, "initialize", "get_initial_acl", "process_packet", *STEPS)
