"""A process of its own that listens by a link: ``python redis_peer.py URL``.

What comes on the channel ``load`` is ``PUBLISHER NUMBER PADDING``. A line is printed whenever the
link stands or is deaf, for each gap, and for each message on the channel ``control``: that message,
and what was heard so far: how many, how many again, of how many publishers out of order.
"""

from __future__ import annotations

import sys
from typing import Any

import gevent

from sockio.backplane.redis import RedisLink
from sockio.runtime.gevent_runtime import GeventRuntime

heard: dict[bytes, list[int]] = {}


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def on_message(channel: str, payload: bytes) -> None:
    if channel == "load":
        publisher, number, _ = payload.split(b" ", 2)
        heard.setdefault(publisher, []).append(int(number))
        return
    numbers = [each for numbers in heard.values() for each in numbers]
    again = sum(len(each) - len(set(each)) for each in heard.values())
    disorder = sum(sorted(each) != each for each in heard.values())
    tell(
        f"{payload.decode()} heard {len(numbers)} missing {link.numbers.missing} again {again} "
        f"disorder {disorder}"
    )


def say(
    logger: Any, level: int, kind: str, address: str, message: str, *args: Any, **_: Any
) -> None:
    tell(kind)


runtime = GeventRuntime()
runtime.bind()
link = RedisLink(
    sys.argv[1],
    runtime,
    on_message=on_message,
    on_gap=lambda publisher, missing: tell(f"gap {missing}"),
    say=say,
    on_state=lambda stands: tell("stands" if stands else "deaf"),
)
link.subscribe("load", "control")
link.start()
gevent.wait()
