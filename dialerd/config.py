"""Settings: one typed tree from a TOML file, `DIALERD_…` variables (`__` nests) and systemd credentials.

Every mistake is reported at once. Nothing here opens a connection or reads a clock.
"""

from __future__ import annotations

import os
import re
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
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

from dialerd.config_calls import (
    RecordingSettings,
    TransferSettings,
    TransferTargetSettings,
    plan_faults,
    transfer_rules,
)
from dialerd.core.clock import Millis, minutes, seconds
from dialerd.core.delivery import DeliveryState, Patience
from dialerd.core.errors import DialerError, Fault
from dialerd.core.legal import legal_rules
from dialerd.core.model import E164, Policy, Trunk, TrunkName
from dialerd.core.zones import parse_default_zones
from dialerd.engine.settings import RecordingRules, Retention
from dialerd.media.address import Address
from dialerd.numbering import begins_numbers, holiday_dates
from dialerd.webhooks.guard import Guard

T = TypeVar("T")

_TRUNK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_PJSIP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_POSTGRES = re.compile(r"postgres(ql)?://")
_DATABASE = re.compile(r"postgres(ql)?://[^/?#\s]*/[^/?#\s]+(\?[^#\s]*)?")


def _parse_number(value: object) -> E164:
    if isinstance(value, int):
        raise ValueError('write the number as text with its plus sign, e.g. "+15550100100"')
    return E164(str(value))


Number = Annotated[str, BeforeValidator(_parse_number)]
ListenAddress = Annotated[str, AfterValidator(lambda value: str(Address.parse(value)))]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AsteriskSettings(_Section):
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


class TrunkSettings(_Section):
    """One SIP trunk: a PJSIP endpoint and what its carrier allows."""

    endpoint: str
    caller_ids: list[Number] = Field(
        description="the first is the default; without one Asterisk would send Anonymous"
    )
    max_channels: int = Field(default=10, ge=1, le=10_000)
    calls_per_second: float = Field(default=1.0, gt=0, le=1_000)
    number_format: Literal["e164", "digits"] = "e164"
    registration: str | None = Field(
        default=None, description="the PJSIP registration without which its carrier takes no calls"
    )
    prefixes: list[str] = Field(
        default=[""],
        description='numbers it takes, as "+91"; of several trunks the longest match is used',
    )
    strip: str = Field(default="", pattern=r"^[0-9]{0,15}$")
    prepend: str = Field(default="", pattern=r"^[0-9]{0,10}$")
    adaptive: bool = Field(
        default=True,
        description="begin slowly, and slow down while the carrier has no room (503, congestion)",
    )
    caller_id_daily_cap: int | None = Field(default=None, description="calls a day that show one number")
    caller_id_rest_minutes: float = Field(
        default=60, ge=0, le=10_080, description="rest of a number that is answered less than others; 0: none"
    )
    caller_id_rest_below: float = Field(
        default=0.5, gt=0, lt=1, description="part of the others' answer rate below which a number rests"
    )

    @field_validator("caller_ids")
    @classmethod
    def _caller_ids_once(cls, value: list[str]) -> list[str]:
        if not value:
            raise ValueError("needs at least one number to show: without it Asterisk would send Anonymous")
        twice = sorted({number for number in value if value.count(number) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        return value

    @field_validator("caller_id_daily_cap")
    @classmethod
    def _cap_allows_calls(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise ValueError(f"{value} would let no call leave: give at least 1, or leave it out for no cap")
        return value

    @field_validator("prefixes")
    @classmethod
    def _prefixes_are_digits(cls, value: list[str]) -> list[str]:
        if not value:
            raise ValueError('no number could reach this trunk: leave it out, or [""], for all numbers')
        bad = [prefix for prefix in value if not re.fullmatch(r"(\+[1-9][0-9]{0,14})?", prefix)]
        if bad:
            raise ValueError(f'must be "+" and digits, as in "+91", or "" for all numbers: {", ".join(bad)}')
        nowhere = [prefix for prefix in value if not begins_numbers(prefix)]
        if nowhere:
            raise ValueError(
                f"no country's numbers begin so, none could reach this trunk: {', '.join(nowhere)}"
            )
        twice = sorted({prefix for prefix in value if value.count(prefix) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        needless = sorted(
            f"{long} lies within {short or 'all numbers'}"
            for long in value
            for short in value
            if long != short and long.startswith(short)
        )
        if needless:
            raise ValueError(f"overlap, leave the longer one out: {', '.join(needless)}")
        return value

    @field_validator("endpoint", "registration")
    @classmethod
    def _is_a_name(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not _PJSIP_NAME.fullmatch(value):
            raise ValueError(
                f"must be the name of a PJSIP {info.field_name} (letters, digits, '.', '_', '-'; no comma, no address)"
            )
        return value


class StoreSettings(_Section):
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


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class HttpSettings(_Section):
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
        if not self.beyond_loopback and not _is_loopback(self.host):
            raise ValueError(
                f"{self.host} is reached from other machines, and keys and phone numbers would cross the network "
                "unencrypted: listen on 127.0.0.1 behind a proxy with TLS, or set http.beyond_loopback = true"
            )
        return self


class ControlSettings(_Section):
    """The HTTP API on a Unix socket, for `dialerctl`."""

    socket: Path = Path("/run/dialerd/control.sock")
    group: str = "dialerd"


class DialingSettings(_Section):
    """Rules for every call of this installation."""

    legal_hours: Literal["on", "off"] = "on"
    """Legal calling hours in the callee's local time, for countries with a preset or an entry in `legal`."""
    legal: dict[str, dict[str, Any]] = Field(default={}, description="countries added, or presets replaced")
    default_zones: dict[str, str] = Field(default={}, description='prefix to time zone, as "+1800" to one')
    clock_settle_seconds: float = Field(default=60, ge=0, le=3_600)
    """How long the wall clock must be steady, after a step, before anything is dialed."""
    audit_seconds: float = Field(default=5, gt=0, le=600)
    """How often open calls are compared with Asterisk's channels."""
    min_gap_minutes: float = Field(default=15, ge=0, le=1_440)
    max_calls_per_24h: int | None = Field(default=None, ge=1)
    max_calls_per_7d: int | None = Field(default=None, ge=1)
    """Frequency caps: calls to one number over all campaigns, callbacks and single calls included; empty: no cap."""
    refund_minutes: list[float] = Field(default=[1, 5, 15])
    max_call_minutes: float = Field(default=10, gt=0, le=240)

    @field_validator("legal")
    @classmethod
    def _legal_is_understood(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        _, faults = legal_rules(value, "legal", lambda code: holiday_dates(code, (_ANY_YEAR,)))
        return _faultless(value, faults)

    @field_validator("default_zones")
    @classmethod
    def _zones_are_known(cls, value: dict[str, str]) -> dict[str, str]:
        return _faultless(value, parse_default_zones(value, "default_zones")[1])

    @field_validator("refund_minutes")
    @classmethod
    def _three_waits(cls, value: list[float]) -> list[float]:
        if len(value) != 3 or any(wait < 0 for wait in value):
            raise ValueError("must be three waits in minutes, each ≥ 0, e.g. [1, 5, 15]")
        return value


_ANY_YEAR = 2026
"""Holidays are only looked up here to learn whether their country is known."""


def _faultless(value: T, faults: list[Fault]) -> T:
    """`value`, unless something is wrong with it."""
    if faults:
        raise ValueError("; ".join(f"{fault.loc}: {fault.msg}" for fault in faults))
    return value


class MediaSettings(_Section):
    """The worker process that carries the calls' audio."""

    listen: ListenAddress = "127.0.0.1:8790"
    """Where Asterisk brings the calls' audio: the `uri` of `[<instance>-media]` in its websocket_client.conf."""
    max_sessions: int = Field(default=150, ge=1, le=2_000)
    cache_dir: Path | None = None
    """Rendered prompts; default: `prompts` in the state directory."""


class ImportSettings(_Section):
    """Limits of one contact list."""

    max_contacts: int = Field(default=10_000, ge=1)
    max_bytes: int = Field(default=5_000_000, ge=1)


class WebhookSettings(_Section):
    """Where webhooks may be sent, how often they are tried, and how long is kept what was sent."""

    allow: list[str] = Field(
        default=[],
        description="hosts, addresses and networks that are not public, or spoken to over plain http",
    )
    retries: int = Field(default=8, ge=3, le=20, description="after the first attempt; then it is dead")
    first_retry_seconds: float = Field(
        default=5, gt=0, le=3_600, description="each further wait is three times the one before"
    )
    give_up_hours: float = Field(
        default=72, gt=0, le=8_760, description="a webhook that takes nothing for so long is disabled"
    )
    keep_days: float = Field(default=7, gt=0, le=3_650)
    keep_delivered: int = Field(default=10_000, ge=0, le=10_000_000)
    """Of each webhook, the newest ones."""
    keep_dead_days: float = Field(default=30, gt=0, le=3_650)
    keep_dead: int = Field(default=100_000, ge=1, le=10_000_000)

    @field_validator("allow")
    @classmethod
    def _allow_is_understood(cls, value: list[str]) -> list[str]:
        Guard.parse(value)
        return value

    @property
    def guard(self) -> Guard:
        """Where they may be sent."""
        return Guard.parse(self.allow)

    @property
    def patience(self) -> Patience:
        """How often, and when, they are tried again."""
        give_up = minutes(60 * self.give_up_hours)
        return Patience(self.retries, seconds(self.first_retry_seconds), give_up)

    @property
    def keep(self) -> dict[DeliveryState, tuple[Millis, int]]:
        """For each state how long, and how many of it, are kept."""
        day = 24 * 60
        return {
            DeliveryState.DELIVERED: (minutes(day * self.keep_days), self.keep_delivered),
            DeliveryState.DEAD: (minutes(day * self.keep_dead_days), self.keep_dead),
        }


class RetentionSettings(_Section):
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


class LogSettings(_Section):
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
        bad = [name for name in value if not _TRUNK_NAME.fullmatch(name)]
        if bad:
            raise ValueError(f"trunk names are lower-case letters, digits, '_' and '-': {', '.join(bad)}")
        return value

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
        )

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
        raise ConfigError(
            [
                Fault(".".join(map(str, fault["loc"])) or "settings", _in_plain_words(fault["msg"]))
                for fault in error.errors()
            ]
        ) from error
    finally:
        _toml_file = None


def _in_plain_words(message: str) -> str:
    """Pydantic's message for people who write settings, not Python."""
    return message.removeprefix("Value error, ").replace("Input should be", "must be")
