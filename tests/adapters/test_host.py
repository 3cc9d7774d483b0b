"""Which Asterisk will do, and what it says of its channels."""

from __future__ import annotations

from typing import Any

import pytest

from dialerd.asterisk.events import ChannelNames
from dialerd.asterisk.host import Host, host_of, live_of
from dialerd.core.identity import ChannelId, InstanceId
from dialerd.core.messages import LiveChannel


@pytest.mark.parametrize(
    ("version", "too_old"),
    [
        ("22.8.0", False),
        ("22.10.1+dfsg+~cs6.17.60671434-1", False),
        ("23.2.0", False),
        ("24.0.0-rc1", False),
        ("certified-22.8-cert1", False),
        ("GIT-master-abc123", False),
        ("22.7.0", True),
        ("23.1.0", True),
        ("20.19.0", True),
        ("certified-20.7-cert5", True),
    ],
)
def test_versions(version: str, too_old: bool) -> None:
    assert Host("b", version).too_old is too_old


@pytest.mark.parametrize(
    "info", [None, [], {}, {"status": {}}, {"status": {"startup_time": "t"}}, "x", {"status": 1}]
)
def test_what_is_not_asterisks_info(info: Any) -> None:
    assert host_of(info) is None


def test_live_channels_are_ours_alone() -> None:
    names = ChannelNames(InstanceId("dialer"))
    channels = [
        {"id": "dialer-cal_0000000000a1-1", "state": "Up"},
        {"id": "dialer-cal_0000000000a1-1-m", "state": "Up"},
        {"id": "dialer-cal_0000000000a2-1", "state": "Ringing"},
        {"id": "other-cal_0000000000a3-1", "state": "Up"},
        {"id": 5},
        None,
    ]
    assert live_of(channels, names) == (
        LiveChannel(ChannelId("dialer-cal_0000000000a1-1"), answered=True),
        LiveChannel(ChannelId("dialer-cal_0000000000a2-1"), answered=False),
    )
    assert live_of({"message": "x"}, names) is None
