"""What arrives over Engine.IO, read when it is its turn."""

from __future__ import annotations

import pytest

from sockio.exceptions import PacketError
from sockio.protocol.engine_codec import MAX_NESTS_BESIDE_BYTES, Bundle, EngineCodec
from sockio.protocol.generations import EIO3, EIO4, Generation

PLACE = '{"_placeholder":true,"num":0}'


@pytest.mark.parametrize("generation", [EIO3, EIO4])
@pytest.mark.parametrize("nest", ["[]", "{}"])
def test_a_packet_with_bytes_may_have_half_as_many_lists(generation: Generation, nest: str) -> None:
    codec = EngineCodec(generation)
    for more in (0, 1):
        # The arguments' own brackets, and those of the place.
        nests = ",".join([nest] * (MAX_NESTS_BESIDE_BYTES - 2 + more))
        bundle = Bundle(f'51-7["e",{nests},{PLACE}]', [b"x"])
        if more:
            with pytest.raises(PacketError, match="may have") as refused:
                codec.read(codec.opened(bundle))
            assert refused.value.ack_id == 7
        else:
            assert codec.read(codec.opened(bundle))["args"][-1] == b"x"
