"""Whether Asterisk can give a call its audio, shown by a media leg that belongs to no call.

It is asked before the first call and after trouble, so that a mistake in the setup is named and dialed around, not
met by a callee. It makes no bridge and dials nobody.
"""

from __future__ import annotations

import contextlib

from picows import WSFrame

from dialerd.core.errors import PortError
from dialerd.media.ari import LEG_SUFFIX, MediaAri, Refused
from dialerd.media.asterisk_ws import bring
from dialerd.media.reception import Reception, part_with


async def prove(ari: MediaAri, reception: Reception) -> None:
    """Have Asterisk make a leg and bring its socket, then drop it. Raises `PortError` with what is to be mended."""
    channel = ari.probe_channel()
    awaited = reception.expect(channel + LEG_SUFFIX, _Nobody())
    try:
        await bring(ari, reception, channel, awaited)
    except Refused as error:
        if error.status in (401, 403):
            raise
        raise PortError(
            f"{error}. Its websocket_client.conf must have a section [{ari.client}] for this daemon: see "
            "asterisk/dialerd-websocket-client.conf, then reload res_websocket_client.so",
            retryable=True,
        ) from error
    finally:
        socket = awaited.renounce()
        reception.forget(awaited)
        if socket is not None:
            part_with(socket)
        else:
            with contextlib.suppress(PortError):
                await ari.drop_leg(channel)


class _Nobody:
    """Reads the socket of a leg that has no call."""

    def take_audio(self, frame: WSFrame) -> None:
        """See `SocketReader`."""

    def take_text(self, text: bytes) -> None:
        """See `SocketReader`."""

    def take_end(self) -> None:
        """See `SocketReader`."""
