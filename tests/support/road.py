"""The way between network namespaces: ``road.py DESCRIPTOR...``, of a tun device in each.

A packet goes to the device that its destination's last number says, counted from one. Lines on
stdin change the way: ``delay SECONDS`` for all of them, ``cut FROM TO`` for what is dropped without
a word, ``mend``. Each is answered by the line ``done``.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import selectors
import sys
import time

devices = [int(each) for each in sys.argv[1:]]
selector = selectors.DefaultSelector()
for place, device in enumerate(devices, 1):
    os.set_blocking(device, False)
    selector.register(device, selectors.EVENT_READ, place)
selector.register(0, selectors.EVENT_READ)
delay: float = 0.0
cut: set[tuple[int, int]] = set()
numbers = itertools.count()
#: When each is there, and to whom it goes.
under_way: list[tuple[float, int, int, bytes]] = []


def obey(line: str) -> None:
    global delay
    word, *values = line.split()
    if word == "delay":
        delay = float(values[0])
    elif word == "cut":
        cut.add((int(values[0]), int(values[1])))
    else:
        cut.clear()
    os.write(1, b"done\n")


while True:
    pause = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
    for key, _ in selector.select(pause):
        if key.data is None:
            said = os.read(0, 1000)
            if not said:
                sys.exit()
            for line in said.decode().splitlines():
                obey(line)
            continue
        with contextlib.suppress(BlockingIOError):
            while packet := os.read(key.fd, 70_000):
                # Of IPv4; what else the kernels have to say is of no use.
                to = packet[19] if packet[0] >> 4 == 4 else 0
                if 1 <= to <= len(devices) and (key.data, to) not in cut:
                    due = time.monotonic() + delay
                    heapq.heappush(under_way, (due, next(numbers), to, packet))
    while under_way and under_way[0][0] <= time.monotonic():
        to, packet = heapq.heappop(under_way)[2:]
        with contextlib.suppress(OSError):
            os.write(devices[to - 1], packet)
