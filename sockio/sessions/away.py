"""Who is away and expected to come back: in order, bounded in all and for each address."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence

from .crowd import network_of
from .stay import Key, Shared, Stay

__all__ = ["MAX_KEPT", "PART", "Away"]

#: Clients that are away and whose state is kept; one more takes the place of the oldest: of the
#: oldest of its own address, where that has more than a part of all, in clients or in bytes.
MAX_KEPT, PART = 10_000, 10


class _Address:
    """Those of one address that are away, in order, and the bytes that are kept of them."""

    __slots__ = ("keys", "size")

    def __init__(self) -> None:
        self.keys: OrderedDict[Key, None] = OrderedDict()
        self.size = 0


class Away:
    """Their stays. What has to go is said here; that it goes, by :meth:`drop`, elsewhere."""

    __slots__ = (
        "_addresses",
        "_names",
        "_sessions",
        "_stays",
        "size",
        "with_offsets",
        "without",
    )

    def __init__(self) -> None:
        #: Bytes kept of them.
        self.size = 0
        #: How many of them have offsets, and have none.
        self.with_offsets = self.without = 0
        self._stays: OrderedDict[Key, Stay] = OrderedDict()
        self._addresses: dict[str, _Address] = {}
        # By the identity of a session's data, who has it.
        self._sessions: dict[int, Shared] = {}
        # Their names, each with its namespace.
        self._names: set[tuple[str, str]] = set()

    def __len__(self) -> int:
        return len(self._stays)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._stays)

    def __contains__(self, key: Key) -> bool:
        return key in self._stays

    def get(self, key: Key) -> Stay | None:
        return self._stays.get(key)

    @property
    def oldest(self) -> tuple[Key, Stay] | None:
        """Who has been away for the longest time."""
        return next(iter(self._stays.items()), None)

    # ---- coming and going

    def put(self, key: Key, stay: Stay, size: int, address: str, weight: int = 0) -> None:
        """One more is away, of whom so many bytes are kept; in the place of an earlier one. Of its
        session's data ``weight`` are kept beside, once for all that have it."""
        stay.address = network_of(address)
        self.drop(key)
        self._stays[key] = stay
        self._names.update([(key[2], name) for name in stay.names])
        own = self._addresses.setdefault(stay.address, _Address())
        own.keys[key] = None
        self._count(stay, 1)
        self.grow(stay, size)
        if weight:
            self._share(stay, weight)

    def grow(self, stay: Stay, size: int) -> None:
        """So much more is kept of one of them."""
        stay.size += size
        self.size += size
        self._addresses[stay.address].size += size

    def _share(self, stay: Stay, weight: int) -> None:
        session = id(stay.session)
        shared = self._sessions.get(session)
        if shared is None:
            shared = self._sessions[session] = Shared(stay.session, weight)
            self.grow(stay, weight)
        shared.stays.append(stay)
        stay.shares = shared

    def _share_no_more(self, stay: Stay, shared: Shared) -> None:
        first = shared.stays[0]
        shared.stays.remove(stay)
        stay.shares = None
        if not shared.stays:
            del self._sessions[id(shared.session)]
        elif first is stay:
            self.grow(shared.stays[0], shared.weight)

    def drop(self, key: Key) -> bool:
        """Keep nothing of it; false where nothing was kept."""
        stay = self._stays.pop(key, None)
        if stay is None:
            return False
        self._count(stay, -1)
        self._names.difference_update([(key[2], name) for name in stay.names])
        own = self._addresses[stay.address]
        del own.keys[key]
        own.size -= stay.size
        self.size -= stay.size
        stay.size = 0
        if stay.shares is not None:
            self._share_no_more(stay, stay.shares)
        if not own.keys:
            del self._addresses[stay.address]
        return True

    def sort(self) -> None:
        """Put those in order who were not put in it."""
        self._stays = OrderedDict(sorted(self._stays.items(), key=lambda item: item[1].until))

    def _count(self, stay: Stay, by: int) -> None:
        if stay.has_offsets:
            self.with_offsets += by
        else:
            self.without += by

    # ---- bounds

    def one_too_many(self, stay: Stay) -> Key | None:
        """Who has to go since that one is away; None where there is room."""
        if len(self._stays) <= MAX_KEPT:
            return None
        own = self._addresses[stay.address].keys
        return next(iter(own if len(own) > MAX_KEPT // PART else self._stays))

    def oldest_beside(self, stay: Stay, max_bytes: int) -> Key | None:
        """The oldest of the address of that one, where the address has more than its part of
        ``max_bytes``."""
        own = self._addresses.get(stay.address)
        if own is None or own.size * PART <= max_bytes:
            return None
        return next(iter(own.keys))

    # ---- names

    def is_name(self, namespace: str, name: str) -> bool:
        """Whether somebody may come back under that name."""
        return (namespace, name) in self._names

    def forget_names(self, namespace: str, names: Sequence[str]) -> None:
        self._names.difference_update([(namespace, name) for name in names])

    def meant(
        self, namespace: str, rooms: tuple[Hashable, ...] | None, skip: frozenset[Hashable]
    ) -> list[Stay]:
        """Who would be meant by that. Costs as much as are away in all."""
        return [
            stay
            for (_, _, where), stay in self._stays.items()
            if where == namespace and stay.is_meant(rooms, skip, sys.maxsize)
        ]

    def check(self) -> None:
        """Assert what must always hold."""
        stays = self._stays.values()
        assert self.size == sum(stay.size for stay in stays)
        assert self.with_offsets == sum(each.has_offsets for each in stays)
        assert self.with_offsets + self.without == len(stays)
        assert sum(len(each.keys) for each in self._addresses.values()) == len(stays)
        assert sum(each.size for each in self._addresses.values()) == self.size
        shared = {each.shares for each in stays if each.shares is not None}
        assert shared == set(self._sessions.values())
        assert all(id(each.session) == key for key, each in self._sessions.items())
        assert all(
            {*each.stays} == {stay for stay in stays if stay.shares is each} for each in shared
        )
        kept_names = {(key[2], name) for key, stay in self._stays.items() for name in stay.names}
        assert self._names <= kept_names
        assert all(stay.key_in(key[2]) == key for key, stay in self._stays.items())
