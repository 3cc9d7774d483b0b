"""Engines of the kind `audiosocket`: programs that listen for AudioSocket, as Asterisk's application speaks it.

We connect for each call and say which one it is (a UUID whose last twelve digits are the call's own). Audio goes both
ways as 16-bit samples, at 8 kHz or, if the settings say so, at 16; keys go to the engine; either side hangs up with a
message. The protocol knows no marks and no clear: an engine that is interrupted stops sending. Nor does it know a sign
of life, and the kernel takes minutes of audio for a program that has frozen: who sends nothing for long counts as gone.
"""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

from dialerd.core.effects import AttachAgent
from dialerd.core.errors import PortError
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.formats import SLIN, SLIN16
from dialerd.media.reach import place_of, reach, told
from dialerd.media.remote import Seat
from dialerd.media.stream_talk import StreamTalk
from dialerd.media.transcoding import conversion

HANG_UP, IDENT, KEY, ERROR = 0x00, 0x01, 0x03, 0xFF
AUDIO = {0x10: SLIN, 0x12: SLIN16}
"""Kinds of messages with audio, which tell its rate. Asterisk has more of them, for rates not spoken here."""
KINDS = {form: kind for kind, form in AUDIO.items()}
MOST_UNSENT = 2
"""Seconds of audio that the engine may leave unread. What comes on top of them is not kept for it."""
UNANSWERED_MS = 6_000
"""For which its host may leave what was sent without an acknowledgement (TCP_USER_TIMEOUT, RFC 5482)."""


class AudioSocketEngine:
    """A program that listens at `settings.url`."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings

    async def check(self) -> None:
        """See `dialerd.media.remote.RemoteEngine`."""
        await reach(self._settings.url)

    def converse(self, order: AttachAgent, seat: Seat) -> AudioSocketTalk:
        """See `dialerd.media.remote.RemoteEngine`."""
        return AudioSocketTalk(self._settings, order, seat)


class AudioSocketTalk(StreamTalk):
    """One call's connection."""

    def __init__(self, settings: EngineSettings, order: AttachAgent, seat: Seat) -> None:
        super().__init__(order, seat, SLIN16 if settings.format == SLIN16.name else SLIN)
        self._settings = settings
        self._peer: asyncio.Transport | None = None
        self._taken = {kind: conversion(form, self.form) for kind, form in AUDIO.items()}
        self._odd = b""
        """Half of a sample, whose other half is on its way."""
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        """When it has sent something last."""

    async def connect(self) -> None:
        """See `dialerd.media.conversation.RemoteConversation`."""
        parts, limit = urlsplit(self._settings.url), self._settings.connect
        try:
            async with asyncio.timeout(limit):
                self._peer, _ = await self._loop.create_connection(
                    lambda: _Reader(self), parts.hostname or "", parts.port or 0
                )
        except TimeoutError:
            detail = f"{place_of(self._settings.url)} does not take the call within {limit:g} s"
        except OSError as error:
            detail = f"{place_of(self._settings.url)} cannot be reached: {told(error)}"
        else:
            kernel: socket.socket = self._peer.get_extra_info("socket")
            kernel.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
            self._sent_at = self._loop.time()
            self._send(IDENT, bytes(10) + bytes.fromhex(self.order.call.removeprefix("cal_")))
            return
        self.seat.failed(detail)
        raise PortError(f"engine {self._settings.name}: {detail}", retryable=True)

    def send_audio(self, audio: bytes) -> None:
        """See `StreamTalk`."""
        allowed = self._settings.silence
        if allowed and self._loop.time() - self._sent_at > allowed:
            return self.take_fault(f"it has sent nothing for {allowed:g} s, not even silence")
        most = MOST_UNSENT * self.form.bytes_per_second
        if self._peer is not None and self._peer.get_write_buffer_size() <= most:
            self._send(KINDS[self.form], audio)

    def send_key(self, digit: str) -> None:
        """See `StreamTalk`."""
        self._send(KEY, digit.encode("ascii", "replace"))

    def part(self) -> None:
        """See `StreamTalk`."""
        peer = self._peer
        if peer is not None:
            self._send(HANG_UP, b"")
            self._peer = None
            peer.close()

    def _send(self, kind: int, payload: bytes) -> None:
        if self._peer is not None:
            self._peer.write(bytes((kind,)) + len(payload).to_bytes(2, "big") + payload)

    # --- from the engine ----------------------------------------------------------------------------

    def lives(self) -> None:
        """It has sent something."""
        self._sent_at = self._loop.time()

    def take_message(self, kind: int, payload: bytes) -> None:
        """A message of the engine's."""
        if self._peer is None:
            return
        if kind in AUDIO:
            samples = self._odd + payload
            whole = len(samples) - len(samples) % 2
            self._odd = samples[whole:]
            self.take_audio(self._taken[kind](samples[:whole]))
        elif kind == HANG_UP:
            peer, self._peer = self._peer, None
            peer.close()
            self._leave()
        elif kind == ERROR:
            self.take_fault(f"it reports an error ({payload[:1].hex() or 'no code'})")
        elif kind not in (IDENT, KEY):
            self.take_fault(f"it sends a message of the unknown kind {kind:#04x}")

    def lost(self) -> None:
        """The connection is gone."""
        if self._peer is not None:
            self._peer = None
            # The protocol has no other way to say that all was said: most engines just close.
            self._leave()

    def _leave(self) -> None:
        if self.has_spoken:
            self.finish()
        else:
            self.take_fault("it ended the conversation before it said anything")


class _Reader(asyncio.Protocol):
    """Cuts the stream into messages."""

    def __init__(self, talk: AudioSocketTalk) -> None:
        self._talk = talk
        self._kept = bytearray()

    def data_received(self, data: bytes) -> None:
        """Bytes of the engine's."""
        self._talk.lives()
        self._kept += data
        at = 0
        while len(self._kept) - at >= 3:
            size = int.from_bytes(self._kept[at + 1 : at + 3], "big")
            if len(self._kept) - at < 3 + size:
                break
            self._talk.take_message(self._kept[at], bytes(self._kept[at + 3 : at + 3 + size]))
            at += 3 + size
        del self._kept[:at]

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if exc is not None:
            self._talk.take_fault("it broke off the conversation")
        self._talk.lost()
