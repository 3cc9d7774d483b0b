"""Settings of the media workers and of the engines that hold conversations.

Each kind of engine has fields of its own; what a kind does not know is a mistake, named with the kind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import langcodes
from pydantic import Field, SecretStr, field_validator, model_validator

from dialerd.config.section import NAME, PJSIP_NAME, ListenAddress, Section
from dialerd.core.engine import EMBEDDED
from dialerd.engine.settings import TwilioAccess
from dialerd.media.address import Address
from dialerd.media.audio_watch import AudioLimits
from dialerd.media.engine_settings import CODECS, DATA_CHANNEL, Codec, Dialect, EngineSettings
from dialerd.media.formats import SLIN16, WIDEBAND

MAX_PORT = 65_535
SHORTEST_SILENCE = 5.0
_ACCOUNT = re.compile(r"AC[0-9a-f]{32}")
_ICE_SERVER = re.compile(r"(stuns?|turns?):[A-Za-z0-9.:\[\]-]{1,255}(\?transport=(udp|tcp))?")


class MediaSettings(Section):
    """The worker processes that carry the calls' audio."""

    listen: ListenAddress = "127.0.0.1:8790"
    """Where Asterisk brings the calls' audio: the `uri` of `[<instance>-media]` in its websocket_client.conf.

    Each further worker listens one port further on: `[<instance>-media-2]` and so on.
    """
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that share the calls; no more than this machine has cores."""
    max_sessions: int = Field(default=150, ge=1, le=2_000)
    """Calls of all workers together."""
    prepare: Literal["ringing", "answer"] = "ringing"
    """When a call's way for audio is made: while its phone rings, or once it is answered."""
    one_way_seconds: float = Field(default=20.0, ge=0, le=600)
    """A call is ended (`dropped`) from whose callee no audio at all has come for so long; 0: never."""
    max_silence_seconds: float = Field(default=0.0, ge=0, le=3_600)
    """A call is ended (`dropped`) in which neither side was audible for so long; 0: never."""
    cache_dir: Path | None = None
    """Rendered prompts; default: `prompts` in the state directory."""
    asterisk_amd: bool = Field(
        default=False,
        description="ask Asterisk's own AMD() who has answered, too: a channel more a call; needs app_amd and amd.conf",
    )
    prompts_dir: Path | None = None
    """WAV files that scripts play in place of a voice (`audio`); without it no script can name one."""

    @field_validator("one_way_seconds", "max_silence_seconds")
    @classmethod
    def _leaves_time_for_an_answer(cls, value: float) -> float:
        if 0 < value < SHORTEST_SILENCE:
            raise ValueError(f"must be 0 (never) or at least {SHORTEST_SILENCE:g}: people pause")
        return value

    @property
    def audio_limits(self) -> AudioLimits:
        """The same for the workers."""
        return AudioLimits(self.one_way_seconds, self.max_silence_seconds)

    @model_validator(mode="after")
    def _workers_have_room(self) -> MediaSettings:
        if self.workers > (cores := len(os.sched_getaffinity(0))):
            raise ValueError(
                f"workers is {self.workers}, and this machine lends dialerd {cores} cores: more would only wait"
            )
        if self.workers > self.max_sessions:
            raise ValueError(
                f"workers is {self.workers}, more than the {self.max_sessions} calls (max_sessions)"
            )
        last = Address.parse(self.listen).port + self.workers - 1
        if last > MAX_PORT:
            raise ValueError(
                f"listen leaves no port for {self.workers} workers: they listen at {self.listen} and above"
            )
        return self


class TwilioSettings(Section):
    """What bots that were written for Twilio are given in its place."""

    account_sid: str = "AC" + "0" * 32
    """Any account will do: it is what bots and webhooks are told, and what their REST requests must name."""
    auth_token: SecretStr | None = None
    """Signs what is sent to them (X-Twilio-Signature); the same as the API key that they use, for they have one."""
    engine: str | None = None
    """The engine that holds the calls which they place."""
    language: str = "en"
    """Of those calls."""

    @field_validator("account_sid")
    @classmethod
    def _account_is_a_sid(cls, value: str) -> str:
        if not _ACCOUNT.fullmatch(value):
            raise ValueError("must be AC and 32 of the digits 0-9 and a-f; any will do")
        return value

    @field_validator("language")
    @classmethod
    def _language_is_a_tag(cls, value: str) -> str:
        if not langcodes.tag_is_valid(value):
            raise ValueError(f"must be a language tag like en-IN: {value}")
        return value

    @property
    def access(self) -> TwilioAccess:
        """The same for the services."""
        return TwilioAccess(self.account_sid, _secret(self.auth_token), self.engine, self.language)


class _EngineSection(Section):
    max_sessions: int = Field(default=10, ge=1, le=2_000, description="calls at a time")
    languages: list[str] = Field(default=[], description="BCP-47; empty: every language")
    connect_seconds: float = Field(default=1.0, gt=0, le=10, description="for it to take a call")

    @field_validator("languages")
    @classmethod
    def _languages_are_tags(cls, value: list[str]) -> list[str]:
        bad = [tag for tag in value if not langcodes.tag_is_valid(tag)]
        if bad:
            raise ValueError(f"must be language tags like en-IN: {', '.join(bad)}")
        return value


class TwilioStreamSection(_EngineSection):
    """A program that takes calls as Twilio Media Streams brings them."""

    kind: Literal["twilio-stream"]
    url: str | None = Field(
        default=None, description="ws:// or wss://; without it only calls whose TwiML names one are held"
    )
    health_url: str | None = Field(
        default=None, description="http(s):// that answers 2xx while it can hold calls; asked again and again"
    )
    parameters: dict[str, str] = Field(default={}, description="told with every call (customParameters)")
    token: SecretStr | None = Field(default=None, description="sent as Authorization: Bearer")

    @field_validator("url")
    @classmethod
    def _is_a_socket(cls, value: str | None) -> str | None:
        return value if value is None else _address(value, ("ws", "wss"))

    @field_validator("health_url")
    @classmethod
    def _is_a_page(cls, value: str | None) -> str | None:
        return value if value is None else _address(value, ("http", "https"))


class AudioSocketSection(_EngineSection):
    """A program that speaks AudioSocket: it listens, we connect for each call."""

    kind: Literal["audiosocket"]
    url: str = Field(description="tcp://HOST:PORT")
    format: Literal["slin", "slin16"] = Field(
        default="slin", description="of its samples: slin: 8 kHz (0x10); slin16: 16 kHz (0x12)"
    )
    silence_seconds: float = Field(
        default=30.0, ge=0, le=3_600, description="for which it may send nothing in a call; 0: for ever"
    )

    @field_validator("url")
    @classmethod
    def _is_a_socket(cls, value: str) -> str:
        found = _address(value, ("tcp",))
        if urlsplit(value).port is None:
            raise ValueError("must name a port: tcp://HOST:PORT")
        return found


class DirectSection(_EngineSection):
    """A program that speaks Asterisk's own WebSocket: Asterisk leads straight to it."""

    kind: Literal["asterisk"]
    connection: str = Field(
        pattern=f"^{PJSIP_NAME.pattern}$", description="a section of Asterisk's websocket_client.conf"
    )
    format: Literal["ulaw", "alaw", "g722", "slin", "slin16", "slin24", "slin48"] = Field(
        default="ulaw",
        description="of the audio on its socket; whatever the carrier speaks, Asterisk converts",
    )
    health_url: str | None = Field(
        default=None, description="http(s):// that answers 2xx while it can hold calls; asked again and again"
    )
    parameters: dict[str, str] = Field(default={}, description="told with every call, as channel variables")

    @field_validator("health_url")
    @classmethod
    def _is_a_page(cls, value: str | None) -> str | None:
        return value if value is None else _address(value, ("http", "https"))


class WebRtcSection(_EngineSection):
    """A program that takes calls over WebRTC."""

    kind: Literal["webrtc"]
    url: str = Field(
        description="http(s):// where it takes offers; one that ends in /start opens a session first"
    )
    dialect: Dialect = Field(
        default="json", description="json: as pipecat's SmallWebRTC; sdp: application/sdp, as WHIP"
    )
    connect_seconds: float = Field(default=1.5, gt=0, le=10, description="for it to take a call")
    health_url: str | None = Field(
        default=None, description="http(s):// that answers 2xx while it can hold calls; asked again and again"
    )
    parameters: dict[str, str] = Field(default={}, description="told with every call (request_data)")
    token: SecretStr | None = Field(default=None, description="sent as Authorization: Bearer")
    codecs: list[Codec] = Field(
        default=list(CODECS), min_length=1, max_length=2, description="offered in this order"
    )
    format: Literal["ulaw", "slin16"] = Field(
        default="ulaw", description="slin16: wideband over trunks that are; such calls are offered Opus alone"
    )
    data_channel: str = Field(default=DATA_CHANNEL, min_length=1, max_length=64, description="its label")
    first_message: dict[str, Any] = Field(
        default={}, description='said on it first, in the engine\'s own terms: { type = "response.create" }'
    )
    ice_servers: list[str] = Field(
        default=[], max_length=8, description="stun: and turn: addresses; none: reached directly"
    )
    ice_username: str = Field(default="", max_length=256, description="for the turn: servers")
    ice_credential: SecretStr | None = None

    @field_validator("url", "health_url")
    @classmethod
    def _is_a_page(cls, value: str | None) -> str | None:
        return value if value is None else _address(value, ("http", "https"))

    @field_validator("codecs")
    @classmethod
    def _are_different(cls, value: list[Codec]) -> list[Codec]:
        if len(set(value)) < len(value):
            raise ValueError("must name each codec once")
        return value

    @model_validator(mode="after")
    def _wideband_is_opus(self) -> WebRtcSection:
        if self.format == SLIN16.name and "opus" not in self.codecs:
            raise ValueError('format "slin16" needs "opus" among the codecs: PCMU carries no wideband')
        return self

    @field_validator("ice_servers")
    @classmethod
    def _are_servers(cls, value: list[str]) -> list[str]:
        bad = [server for server in value if not _ICE_SERVER.fullmatch(server)]
        if bad:
            raise ValueError(f"must be addresses like stun:HOST:PORT or turn:HOST:PORT: {', '.join(bad)}")
        return value


EngineSection = Annotated[
    TwilioStreamSection | AudioSocketSection | DirectSection | WebRtcSection, Field(discriminator="kind")
]
Engines = dict[str, EngineSection]


def engine_names(value: object) -> object:
    """Check names before the fields of each kind are read. Raises `ValueError`."""
    for name in value if isinstance(value, dict) else ():
        if not NAME.fullmatch(str(name)):
            raise ValueError(f"engine names are lower-case letters, digits, '_' and '-': {name}")
        if name == EMBEDDED:
            raise ValueError(f"{EMBEDDED} is always there and has no settings: choose another name")
    return value


def engine_list(engines: Engines, twilio: TwilioSettings) -> tuple[EngineSettings, ...]:
    """The engines as the media workers are told of them, in configuration order."""
    return tuple(_told(name, section, twilio) for name, section in engines.items())


def wideband_faults(engines: Engines, codecs: Iterable[str]) -> list[str]:
    """Engines that want wideband audio where no trunk offers a codec (`codecs`) that carries any."""
    if WIDEBAND.intersection(codecs):
        return []
    return [
        f'engines.{name}: format "slin16" wants wideband audio, but no trunk\'s first codec carries any: '
        f'give a trunk codecs = ["g722", …], or leave the format out'
        for name, section in engines.items()
        if isinstance(section, AudioSocketSection | WebRtcSection) and section.format == SLIN16.name
    ]


def _told(name: str, section: EngineSection, twilio: TwilioSettings) -> EngineSettings:
    fields: dict[str, Any] = {"connect": section.connect_seconds}
    if isinstance(section, DirectSection):
        fields |= {
            "connection": section.connection,
            "health_url": section.health_url or "",
            "parameters": section.parameters,
        }
    else:
        fields["url"] = section.url or ""
    if isinstance(section, AudioSocketSection):
        fields["silence"] = section.silence_seconds
    if not isinstance(section, TwilioStreamSection):
        fields["format"] = section.format
    if isinstance(section, TwilioStreamSection | WebRtcSection):
        fields |= {
            "health_url": section.health_url or "",
            "parameters": section.parameters,
            "token": _secret(section.token),
        }
    if isinstance(section, TwilioStreamSection):
        fields |= {"account_sid": twilio.account_sid, "auth_token": _secret(twilio.auth_token)}
    if isinstance(section, WebRtcSection):
        fields |= {
            "dialect": section.dialect,
            "codecs": tuple(section.codecs),
            "data_channel": section.data_channel,
            "first_message": section.first_message,
            "ice_servers": tuple(section.ice_servers),
            "ice_username": section.ice_username,
            "ice_credential": _secret(section.ice_credential),
        }
    return EngineSettings(name, section.kind, section.max_sessions, **fields)


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()


def _address(value: str, schemes: tuple[str, ...]) -> str:
    shown = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"is no address: {error}") from None
    if parts.scheme not in schemes or not host or not value.isascii() or any(char <= " " for char in value):
        raise ValueError(f"must be an address beginning with {shown}")
    if parts.username is not None or parts.fragment:
        raise ValueError("must carry no name, no password and no fragment: use `token`")
    return value
