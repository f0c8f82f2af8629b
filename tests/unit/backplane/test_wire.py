"""Emissions between processes: as they were, and nothing that others make of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockio.backplane.wire import MOST_ROOMS, check_rooms, pack, unpack
from sockio.exceptions import PacketError, UsageError
from sockio.protocol.engine_codec import Attached
from sockio.sessions.outbox import Outgoing

ROOMS = st.lists(
    st.text(max_size=5) | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    max_size=4,
)


@given(
    rooms=st.none() | ROOMS,
    skip=ROOMS,
    volatile=st.booleans(),
    text=st.text(st.characters(exclude_categories=["Cs"])),
    attachments=st.lists(st.binary(max_size=20), max_size=3),
)
def test_it_comes_as_it_was(
    rooms: Any, skip: Any, volatile: bool, text: str, attachments: list[bytes]
) -> None:
    whole = Attached.of(text, tuple(attachments)) if attachments else text
    forms = {"eio4": Outgoing(whole, "/chat"), "0.9": Outgoing("5::/chat:{}", "/chat")}
    named = None if rooms is None else tuple(rooms)
    carried = unpack(pack("g", "/chat", named, frozenset(skip), volatile, forms))
    assert carried[:5] == ("g", "/chat", named, frozenset(skip), volatile)
    assert {*carried.forms} == {"eio4", "0.9"}
    for name, form in carried.forms.items():
        assert (form.text, form.attachments) == (forms[name].text, forms[name].attachments)
        assert (form.endpoint, form.volatile) == ("/chat", volatile)


@pytest.mark.parametrize(
    "room",
    [
        ("a", 1),
        None,
        float("nan"),
        float("inf"),
        b"x",
        frozenset("a"),
        pytest.param(1 << 20_000, id="long"),
    ],
)
def test_rooms_that_mean_nothing_elsewhere_are_refused(room: Any) -> None:
    with pytest.raises(UsageError, match="string or a number"):
        check_rooms((room,))
    with pytest.raises(UsageError, match="string or a number"):
        pack("g", "", (room,), frozenset(), False, {})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b"[" * 100_000 + b"\n",
        b'["g","",null,[],0]\n',
        b'["g","",[[1]],[],0,{}]\n',
        b'["g","",[null],[],0,{}]\n',
        b'["g","",[NaN],[],0,{}]\n',
        b'["g","",{},[],0,{}]\n',
        b'[1,"",null,[],0,{}]\n',
        b'["g","",null,null,0,{}]\n',
        b'["g","",null,[],0,{"eio4":[5]}]\nabcd',
        b'["g","",null,[],0,{"eio4":[-1]}]\nabcd',
        b'["g","",null,[],0,{"eio4":["1"]}]\nabcd',
        b'["g","",null,[],0,{"eio4":1}]\nabcd',
        b'["g","",null,[],0,{"eio4":[]}]\nabcd',
        b'["g","",null,[],0,{"eio4":[2]}]\n\xff\xff',
        b"\x80\x04\x95\x05\x00\n.",
        b'["g","",[%b0],[],0,{}]\n' % (b"0," * MOST_ROOMS),
    ],
)
def test_what_is_no_emission_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(PacketError, match="cannot be read"):
        unpack(data)
