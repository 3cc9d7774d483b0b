"""Settings: one typed tree from a TOML file, `DIALERD_…` variables (`__` nests) and systemd credentials.

Every mistake is reported at once. Nothing here opens a connection or reads a clock.
"""

from __future__ import annotations

import os
import re
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import (
    AnyHttpUrl,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from dialerd.config.calls import (
    RecordingSettings,
    TransferSettings,
    TransferTargetSettings,
    plan_faults,
    transfer_rules,
)
from dialerd.config.dialing import DialingSettings
from dialerd.config.media import (
    Engines,
    MediaSettings,
    TwilioSettings,
    engine_list,
    engine_names,
    wideband_faults,
)
from dialerd.config.mistake import mistakes
from dialerd.config.section import NAME, Section
from dialerd.config.trunks import TrunkSettings
from dialerd.config.webhooks import WebhookSettings
from dialerd.core.clock import minutes, seconds
from dialerd.core.errors import DialerError, Fault
from dialerd.core.identity import E164, TrunkName
from dialerd.core.policy import Policy
from dialerd.core.trunk import Trunk
from dialerd.engine.settings import RecordingRules, Retention
from dialerd.media.engine_settings import EngineSettings

_POSTGRES = re.compile(r"postgres(ql)?://")
_DATABASE = re.compile(r"postgres(ql)?://[^/?#\s]*/[^/?#\s]+(\?[^#\s]*)?")


class AsteriskSettings(Section):
    """The Asterisk to drive: its ARI, its manager interface and its call records."""

    ari_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:8088")
    ari_user: str = "dialerd"
    ari_password: SecretStr
    ami_host: str = "127.0.0.1"
    ami_port: int = Field(default=5038, ge=1, le=65535)
    ami_user: str = "dialerd"
    ami_secret: SecretStr
    cdr_path: Path | None = None
    """The SQLite file of cdr_sqlite3_custom; without it, what happened while the daemon was away is `lost`."""
    cdr_causes: bool = False
    """Have every call record tell its SIP code, so that recovery knows a 404 from a ring-out. Costs Asterisk about
    half of its originate rate at saturation, and needs the hangup handler of `asterisk/dialerd-extensions.conf`."""


class StoreSettings(Section):
    """Where state lives; empty: an SQLite file in the state directory."""

    url: str = Field(default="", repr=False)
    password: SecretStr | None = None
    """Of the PostgreSQL role, so that it need not stand in the address."""

    @field_validator("url")
    @classmethod
    def _scheme_is_known(cls, value: str) -> str:
        if _POSTGRES.match(value):
            if not _DATABASE.fullmatch(value):
                raise ValueError("must name a database: postgresql://USER@HOST:PORT/DATABASE")
        elif value and not value.startswith("sqlite:///"):
            raise ValueError("must be a sqlite:///PATH or a postgresql://USER@HOST/DATABASE address")
        return value

    @model_validator(mode="after")
    def _password_is_of_use(self) -> StoreSettings:
        if self.password is not None and not _POSTGRES.match(self.url):
            raise ValueError("password is set, and url is no postgresql:// address")
        return self


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class HttpSettings(Section):
    """The HTTP API on TCP."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    requests_per_minute: int = Field(
        default=1_000,
        ge=0,
        description="of each key; 0: no limit. Halts, hang-ups and do-not-call are never limited",
    )
    beyond_loopback: bool = Field(
        default=False, description="say plainly that keys and numbers may cross the network unencrypted"
    )

    @model_validator(mode="after")
    def _plain_http_stays_here(self) -> HttpSettings:
        if not self.beyond_loopback and not is_loopback(self.host):
            raise ValueError(
                f"{self.host} is reached from other machines, and keys and phone numbers would cross the network "
                "unencrypted: listen on 127.0.0.1 behind a proxy with TLS, or set http.beyond_loopback = true"
            )
        return self


class ControlSettings(Section):
    """The HTTP API on a Unix socket, for `dialerctl`."""

    socket: Path = Path("/run/dialerd/control.sock")
    group: str = "dialerd"


class ImportSettings(Section):
    """Limits of one contact list."""

    max_contacts: int = Field(default=10_000, ge=1)
    max_bytes: int = Field(default=5_000_000, ge=1)


class RetentionSettings(Section):
    """For how many days what is over is kept; without a number until somebody deletes it."""

    calls_days: int | None = Field(default=None, ge=1, le=36_500)
    """Calls with their tries, of live campaigns too: the figures of campaigns stay."""
    campaigns_days: int | None = Field(default=None, ge=1, le=36_500)
    """Campaigns since they have finished, with their contacts, calls and rejected rows."""
    audit_days: int | None = Field(default=400, ge=1, le=36_500)
    """Entries of the audit trail."""

    @property
    def rules(self) -> Retention:
        """The same in milliseconds."""
        calls, campaigns, audit = (
            None if days is None else minutes(24 * 60 * days)
            for days in (self.calls_days, self.campaigns_days, self.audit_days)
        )
        return Retention(calls, campaigns, audit)


class LogSettings(Section):
    """How the daemon logs."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    show_numbers: bool = False
    """Phone numbers are personal data: masked unless this is set."""


_toml_file: Path | None = None


class ConfigError(DialerError):
    """The settings are wrong; `faults` lists every mistake."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.loc}: {fault.msg}" for fault in faults))
        self.faults = faults


class Settings(BaseSettings):
    """All settings of the daemon."""

    model_config = SettingsConfigDict(
        env_prefix="DIALERD_",
        env_nested_delimiter="__",
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    instance: str = Field(default="dialerd", pattern=r"^[a-z0-9]{1,16}$")
    """Names the ARI application and starts every channel id: two daemons on one Asterisk need two names."""
    state_dir: Path = Path("/var/lib/dialerd")
    asterisk: AsteriskSettings
    trunks: dict[str, TrunkSettings] = Field(min_length=1)
    store: StoreSettings = StoreSettings()
    http: HttpSettings = HttpSettings()
    control: ControlSettings = ControlSettings()
    dialing: DialingSettings = DialingSettings()
    media: MediaSettings = MediaSettings()
    engines: Engines = {}
    """Who may hold conversations beside the embedded agent, by name."""
    twilio: TwilioSettings = TwilioSettings()
    transfer: TransferSettings = TransferSettings()
    transfers: dict[str, TransferTargetSettings] = {}
    recording: RecordingSettings = RecordingSettings()
    imports: ImportSettings = ImportSettings()
    webhooks: WebhookSettings = WebhookSettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()

    @field_validator("trunks")
    @classmethod
    def _trunk_names(cls, value: dict[str, TrunkSettings]) -> dict[str, TrunkSettings]:
        bad = [name for name in value if not NAME.fullmatch(name)]
        if bad:
            raise ValueError(f"trunk names are lower-case letters, digits, '_' and '-': {', '.join(bad)}")
        return value

    @field_validator("engines", mode="before")
    @classmethod
    def _engine_names(cls, value: object) -> object:
        return engine_names(value)

    @model_validator(mode="after")
    def _twilio_engine_is_there(self) -> Settings:
        name = self.twilio.engine
        kind = None if name is None else getattr(self.engines.get(name), "kind", None)
        if name is not None and kind != "twilio-stream":
            raise ValueError(
                f"twilio.engine is {name!r}, and there is no such engine of the kind twilio-stream"
            )
        return self

    @model_validator(mode="after")
    def _wideband_has_a_trunk(self) -> Settings:
        faults = wideband_faults(self.engines, [trunk.codecs[0] for trunk in self.trunks.values()])
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def _targets_agree(self) -> Settings:
        faults = plan_faults(self.transfers, self.transfer.default)
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def _caps_see_their_calls(self) -> Settings:
        kept = self.retention.calls_days
        longest = max((window for window, _ in self.policy.caps), default=0)
        if kept is not None and minutes(24 * 60 * kept) < longest:
            raise ValueError(
                f"retention.calls_days is {kept}: a frequency cap counts the calls of {longest // 86_400_000} days; "
                "keep them as long"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if credentials:
            sources.append(
                NestedSecretsSettingsSource(
                    SecretsSettingsSource(settings_cls, secrets_dir=credentials),
                    secrets_prefix="",
                    secrets_nested_delimiter="__",
                )
            )
        if _toml_file is not None:
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=_toml_file))
        return tuple(sources)

    @property
    def store_url(self) -> str:
        """The store's address, the default resolved."""
        return self.store.url or f"sqlite:///{self.state_dir / 'dialerd.db'}"

    @property
    def store_password(self) -> str | None:
        """Of the PostgreSQL role; None: it is in the address, in a password file, or not needed."""
        return self.store.password.get_secret_value() if self.store.password is not None else None

    @property
    def recordings_dir(self) -> Path:
        """Where recordings are kept."""
        return self.recording.dir or self.state_dir / "recordings"

    @property
    def recording_rules(self) -> RecordingRules:
        """The rules of recordings, for the services."""
        about = self.recording
        keep = None if about.keep_days is None else minutes(24 * 60 * about.keep_days)
        return RecordingRules(self.recordings_dir, keep, about.keep_bytes, about.announcement_required)

    @property
    def policy(self) -> Policy:
        """The rules of dialing in the core's terms."""
        endpoints = [trunk.endpoint for trunk in self.trunks.values()]
        return Policy(
            transfers=transfer_rules(self.transfer, self.transfers, endpoints),
            min_gap=minutes(self.dialing.min_gap_minutes),
            caps=tuple(
                (minutes(60 * hours), most)
                for hours, most in (
                    (24, self.dialing.max_calls_per_24h),
                    (168, self.dialing.max_calls_per_7d),
                )
                if most is not None
            ),
            refund_spacing=tuple(minutes(wait) for wait in self.dialing.refund_minutes),
            max_call=minutes(self.dialing.max_call_minutes),
            clock_settle=seconds(self.dialing.clock_settle_seconds),
            audit=seconds(self.dialing.audit_seconds),
            abandoned_share=self.dialing.abandoned_share,
            abandoned_least=self.dialing.abandoned_after_answers,
        )

    @property
    def engine_list(self) -> tuple[EngineSettings, ...]:
        """The engines beside the embedded one, in configuration order."""
        return engine_list(self.engines, self.twilio)

    @property
    def trunk_list(self) -> tuple[Trunk, ...]:
        """The trunks in the core's terms, in configuration order."""
        return tuple(
            Trunk(
                name=TrunkName(name),
                endpoint=trunk.endpoint,
                caller_ids=tuple(E164(number) for number in trunk.caller_ids),
                max_channels=trunk.max_channels,
                calls_per_second=trunk.calls_per_second,
                number_format=trunk.number_format,
                prefixes=tuple(prefix.removeprefix("+") for prefix in trunk.prefixes),
                strip=trunk.strip,
                prepend=trunk.prepend,
                codecs=tuple(trunk.codecs),
                registration=trunk.registration,
                adaptive=trunk.adaptive,
                caller_id_cap=trunk.caller_id_daily_cap,
                caller_id_rest=minutes(trunk.caller_id_rest_minutes),
                caller_id_rest_below=trunk.caller_id_rest_below,
            )
            for name, trunk in self.trunks.items()
        )


def load(path: Path | None) -> Settings:
    """Read all settings. Raises `ConfigError` with every mistake found."""
    global _toml_file
    if path is not None and not path.is_file():
        raise ConfigError([Fault(str(path), "there is no such file")])
    _toml_file = path
    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Fault(str(path), f"is not valid TOML: {error}")]) from error
    except SettingsError as error:
        raise ConfigError([Fault("environment", f"{error}: {error.__cause__}")]) from error
    except ValidationError as error:
        raise ConfigError(mistakes(error)) from error
    finally:
        _toml_file = None
