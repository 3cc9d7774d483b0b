"""What a WebRTC engine can do wrong before a call is linked with it, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCIceServer

from dialerd.core.errors import PortError
from dialerd.media.engine_settings import Dialect
from dialerd.media.webrtc import LinkTiming
from dialerd.media.webrtc_signalling import LONGEST_ANSWER
from tests.media.lo_address import usable_address
from tests.media.webrtc_bench import bench, until


@pytest.fixture(scope="module", autouse=True)
def _address() -> Iterator[None]:
    with usable_address():
        yield


SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
VIDEO = SDP + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 VP8/90000\r\n"
BARE = SDP + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:0 PCMU/8000\r\na=mid:0\r\n"


@pytest.mark.parametrize(
    ("dialect", "status", "body", "words"),
    [
        ("json", 503, "no session is free", "refused the offer: HTTP 503: no session is free"),
        ("json", 307, "", "refused the offer: HTTP 307"),
        ("json", 404, "Not Found", "refused the offer: HTTP 404: Not Found; check the path of its url"),
        ("json", 200, "<html>", "answered the offer with no JSON object"),
        ("json", 200, "[]", "answered the offer with no JSON object"),
        ("json", 200, "{}", "answered the offer with no SDP answer"),
        ("json", 200, '{"sdp":7,"type":"answer"}', "answered the offer with no SDP answer"),
        ("json", 200, '{"sdp":"x","type":"offer"}', "answered the offer with no SDP answer"),
        ("json", 200, "x" * (LONGEST_ANSWER + 1), "longer than"),
        ("sdp", 401, "\x1b[31mno", "refused the offer: HTTP 401:  [31mno"),
        ("sdp", 201, "", "takes no audio"),
        ("sdp", 201, "garbage\nmore = of it\n\x00", "takes no audio"),
        ("sdp", 201, "m=audio x", "with no SDP"),
        ("sdp", 201, VIDEO, "takes no audio"),
        ("sdp", 201, BARE, "does not fit the offer"),
    ],
)
async def test_a_refusal_or_a_wrong_answer_is_named(
    dialect: Dialect, status: int, body: str, words: str
) -> None:
    async with bench() as it:
        it.engine.status, it.engine.body = status, body
        link = it.link(dialect)
        with pytest.raises(PortError) as caught:
            await link.open()
        await link.close()
    assert words in str(caught.value)
    assert it.listener.ends == []


async def test_an_engine_that_is_not_there_is_named_without_the_secret() -> None:
    async with bench() as it:
        it.engine.url = "http://127.0.0.1:1"
        link = it.link(token="s3cret")
        with pytest.raises(PortError, match=r"cannot be asked at http://127\.0\.0\.1:1") as caught:
            await link.open()
        await link.close()
    assert "s3cret" not in str(caught.value)


async def test_an_engine_that_does_not_answer_has_its_deadline() -> None:
    async with bench() as it:
        it.engine.delay = 30.0
        link = it.link(timing=LinkTiming(connect=0.5))
        with pytest.raises(PortError, match=r"waiting for the engine's answer took more than 0\.5 s"):
            await link.open()
        await link.close()


@pytest.mark.parametrize(
    ("left_out", "vanishes"), [("a=candidate", False), ("a=candidate", True), ("a=fingerprint", False)]
)
async def test_an_engine_that_cannot_be_reached_by_ice_is_named_and_leaves_no_fault_to_nobody(
    left_out: str, vanishes: bool
) -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    async with bench() as it:
        real = it.engine.answer

        async def unreachable(sdp: str) -> Any:
            answer = await real(sdp)
            lines = [line for line in answer.sdp.split("\r\n") if not line.startswith(left_out)]
            answer.sdp = "\r\n".join(lines)
            if vanishes:
                # It does not reach us either.
                await it.engine.vanish()
            return answer

        it.engine.answer = unreachable  # type: ignore[method-assign]
        link = it.link(timing=LinkTiming(connect=5.0))
        with pytest.raises(PortError, match="no way to the engine was found"):
            await link.open()
        await link.close()
    await until(lambda: not any("__connect" in str(task) for task in asyncio.all_tasks()))
    gc.collect()
    assert faults == []


async def test_a_stun_server_that_does_not_answer_is_named_and_leaves_nothing_behind() -> None:
    async with bench() as it:
        loop = asyncio.get_running_loop()
        mute, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        host, port = mute.get_extra_info("sockname")
        tasks, files = len(asyncio.all_tasks()), _open_files()
        servers = (RTCIceServer(urls=f"stun:{host}:{port}"),)
        link = it.link(timing=LinkTiming(connect=0.5), ice_servers=servers)
        with pytest.raises(PortError, match=r"gathering addresses for ICE took more than 0\.5 s"):
            await link.open()
        await link.close()
        await until(lambda: len(asyncio.all_tasks()) <= tasks and _open_files() <= files)
        mute.close()
    assert it.engine.requests == []


async def test_a_host_without_a_network_address_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: [])
    async with bench() as it:
        link = it.link()
        with pytest.raises(PortError, match=r"no address but 127\.0\.0\.1"):
            await link.open()
        await link.close()
    assert it.engine.requests == []


async def test_a_process_that_may_not_ask_for_addresses_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: bool) -> list[str]:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr("aioice.ice.get_host_addresses", refused)
    async with bench() as it:
        link = it.link()
        with pytest.raises(PortError, match=r"addresses cannot be found: .*AF_NETLINK"):
            await link.open()
        await link.close()


async def test_opening_and_closing_leaves_nothing_behind() -> None:
    async with bench() as it:

        async def cycle(number: int) -> None:
            link = it.link("sdp" if number % 2 else "json")
            opening = asyncio.ensure_future(link.open())
            if number % 5 < 3:
                await opening
            else:
                # Somewhere in the middle of it.
                await asyncio.sleep(0.006 * (number % 9))
                opening.cancel()
                await asyncio.gather(opening, return_exceptions=True)
            await link.close()
            await it.engine.hang_up()

        await cycle(0)
        await asyncio.sleep(0.1)
        tasks, files = len(asyncio.all_tasks()), _open_files()
        for number in range(50):
            await cycle(number)
        async with asyncio.timeout(20):
            while len(asyncio.all_tasks()) > tasks or _open_files() > files:
                # Offers that were broken off may reach the engine late.
                await it.engine.hang_up()
                await asyncio.sleep(0.01)
    assert it.listener.ends == []


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
