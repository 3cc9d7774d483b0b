"""What a media worker is told of an engine: where it is, how much it holds, what it is told with every call.

It comes over the daemon's private socket, for some of it is secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Dialect = Literal["json", "sdp"]
"""How a WebRTC engine takes offers: as pipecat's SmallWebRTC, or as WHIP."""
Codec = Literal["pcmu", "opus"]
CODECS: tuple[Codec, ...] = ("pcmu", "opus")
DATA_CHANNEL = "dialerd"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """An engine beside the embedded one."""

    name: str
    kind: str
    max_sessions: int
    url: str = ""
    """Empty: each call brings its own."""
    connect: float = 1.0
    """Seconds in which it must take a call."""
    silence: float = 30.0
    """Seconds for which one that knows no sign of life (AudioSocket) may send nothing; 0: for ever."""
    health_url: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    connection: str = ""
    """Of Asterisk's websocket_client.conf, where Asterisk itself leads to the engine."""
    format: str = ""
    """Of its audio, as Asterisk names formats; empty: the kind's own."""
    token: str = field(default="", repr=False)
    account_sid: str = ""
    auth_token: str = field(default="", repr=False)
    dialect: Dialect = "json"
    codecs: tuple[Codec, ...] = CODECS
    """What a WebRTC engine is offered, in the order of preference."""
    data_channel: str = DATA_CHANNEL
    """Its label."""
    first_message: Mapping[str, Any] = field(default_factory=dict)
    """What is said on it first, in the engine's own terms."""
    ice_servers: tuple[str, ...] = ()
    """`stun:` and `turn:` addresses; none: both sides reach each other directly."""
    ice_username: str = ""
    ice_credential: str = field(default="", repr=False)
