"""What is told of an Asterisk that media requests do not reach."""

from __future__ import annotations

import socket

import pytest

from dialerd.core.errors import PortError
from dialerd.core.identity import ChannelId, InstanceId
from dialerd.media.ari import AriLogin, MediaAri


async def test_an_asterisk_that_is_not_there_is_told_in_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        ari = MediaAri(AriLogin(url, "dialerd", "secret"), InstanceId("lab"))
        with pytest.raises(PortError) as refused:
            await ari.has_leg(ChannelId("lab-cal_000000000001-1"))
        await ari.close()
    assert str(refused.value) == f"Asterisk at {url} cannot be reached: Connection refused"
