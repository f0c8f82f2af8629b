"""What the answer of a gate means: one rule for all of them.

=========================  ==================================================
``recv_connect``           asked for each namespace
``before_connect``         asked at the handshake, of a Flask application
``authorize``              asked at the handshake, as ``check`` in Bottle is
``on_connect`` in Django   asked for the channels, ``on_subscribe`` for one
=========================  ==================================================

Whatever is false refuses: ``False``, ``0``, ``""``, an empty list. ``None`` is no answer. Hooks
that do things, and need not answer, let in with it; ``authorize`` and ``check`` are questions and
nothing else, and without an answer nobody comes in.

What Python takes for true and is no answer refuses everywhere, by an error that says so: a
coroutine, a generator, a task, a function that nobody has called, an exception that nobody has
raised. Neither of :func:`refuses` and :func:`~sockio.config.plain.says_yes` lets anybody in by it.
"""

from __future__ import annotations

from typing import Any

from ..config.plain import says_yes

__all__ = ["refuses"]


def refuses(answer: Any, who: str = "the gate") -> bool:
    """Whether a hook that need not answer has refused. Raises ``UsageError`` for what is no answer;
    ``who`` gave it."""
    return answer is not None and not says_yes(answer, who)
