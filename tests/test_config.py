"""Settings as an operator meets them: every mistake at once, secrets from outside the file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from dialerd.__main__ import main
from dialerd.config import ConfigError, Settings, load
from tests.postgres import Server

GOOD = """
[asterisk]
ari_password = "one"
ami_secret = "two"
[trunks.carrier]
endpoint = "carrier"
caller_ids = ["+15550100100"]
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("DIALERD_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "dialerd.toml"
    path.write_text(text)
    return path


def faults(path: Path) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        load(path)
    return {fault.loc: fault.msg for fault in raised.value.faults}


def test_a_good_file_is_read(tmp_path: Path) -> None:
    settings = load(written(tmp_path, GOOD))
    assert settings.trunk_list[0].caller_ids == ("+15550100100",)
    assert settings.store_url == "sqlite:////var/lib/dialerd/dialerd.db"


def test_the_shipped_example_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "asterisk__ari_password").write_text("hunter2\n")
    (tmp_path / "asterisk__ami_secret").write_text("two\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    settings = load(Path(__file__).parent.parent / "config" / "dialerd.toml")
    assert settings.asterisk.ari_password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("shipped", ["systemd/dialerd.service", "docker-compose.yml"])
def test_what_the_shipped_services_hand_over_as_secrets_are_settings(shipped: str) -> None:
    text = (Path(__file__).parent.parent / shipped).read_text()
    names = set(re.findall(r"LoadCredential=(\w+):/etc/dialerd/secrets/\1$", text, re.M)) | set(
        re.findall(r"^  (\w+):\n    file: ./secrets/\1$", text, re.M)
    )
    assert names >= {"asterisk__ari_password", "asterisk__ami_secret"}
    for section, field in (name.split("__") for name in names):
        about = Settings.model_fields[section].annotation
        assert about is not None
        assert issubclass(about, BaseModel)
        assert field in about.model_fields


PLANS = """
[transfer]
default = "support"
max_minutes = 30
[transfers.support]
target = "queue:support"
warm = true
timeout_seconds = 20
fallback = "desk"
announcement = "custom/new-call"
[transfers.desk]
target = "extension:+919876543210@sales-out"
[recording]
keep_days = 30
keep_bytes = 50000000000
"""


def test_transfers_and_recordings_are_read(tmp_path: Path) -> None:
    settings = load(written(tmp_path, GOOD + PLANS))
    rules = settings.policy.transfers
    assert rules.default == "support"
    assert (str(rules.plans["support"].target), rules.plans["support"].fallback) == ("queue:support", "desk")
    assert str(rules.plans["desk"].target) == "extension:+919876543210@sales-out"
    assert (rules.most, rules.forbidden) == (1_800_000, {"carrier"})
    kept = settings.recording_rules
    assert (str(kept.folder), kept.keep, kept.keep_bytes) == (
        "/var/lib/dialerd/recordings",
        30 * 86_400_000,
        50_000_000_000,
    )


@pytest.mark.parametrize(
    ("text", "msg"),
    [
        ('[transfers.a]\ntarget = "+919876543210"', "a target is endpoint:NAME"),
        ('[transfers.a]\ntarget = "endpoint:b@c"', "letters, digits"),
        ('[transfers.a]\ntarget = "extension:1"', "EXT@CONTEXT"),
        ("[transfers.a]\ntarget = 5", "must be text"),
        ('[transfers.a]\ntarget = "queue:q"\nfallback = "b"', "there is no [transfers.b]"),
        ('[transfers.A]\ntarget = "queue:q"', "lower-case"),
        ('[transfer]\ndefault = "a"', "there is no [transfers.a]"),
        ('[transfers.a]\ntarget = "queue:q"\nannouncement = "../../etc/passwd"', "name of a sound"),
        ('[transfers.a]\ntarget = "queue:q"\ntimeout_seconds = 500', "120"),
        ("[recording]\nkeep_bytes = 5", "1000000"),
    ],
)
def test_what_is_wrong_with_transfers_and_recordings_is_named(tmp_path: Path, text: str, msg: str) -> None:
    found = faults(written(tmp_path, GOOD + text + "\n"))
    assert any(msg in said for said in found.values()), found


def test_the_environment_overrides_a_single_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALERD_TRUNKS__CARRIER__MAX_CHANNELS", "7")
    monkeypatch.setenv("DIALERD_HTTP__PORT", "9999")
    settings = load(written(tmp_path, GOOD))
    assert settings.trunk_list[0].max_channels == 7
    assert settings.trunk_list[0].endpoint == "carrier"
    assert settings.http.port == 9999


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    found = faults(
        written(
            tmp_path,
            """
            instance = "Not Good"
            colour = "blue"
            [asterisk]
            ari_password = "one"
            ami_port = 70000
            [trunks.carrier]
            endpoint = "carrier&sip/evil"
            caller_ids = []
            [http]
            port = "eighty"
            [dialing]
            refund_minutes = [1]
            [media]
            listen = "localhost"
            """,
        )
    )
    assert set(found) == {
        "instance",
        "colour",
        "asterisk.ami_port",
        "asterisk.ami_secret",
        "trunks.carrier.endpoint",
        "trunks.carrier.caller_ids",
        "http.port",
        "dialing.refund_minutes",
        "media.listen",
    }


def test_a_trunk_without_caller_ids_is_refused(tmp_path: Path) -> None:
    found = faults(written(tmp_path, GOOD.replace('caller_ids = ["+15550100100"]', "")))
    assert "trunks.carrier.caller_ids" in found


def test_a_caller_id_must_be_a_number_written_as_text(tmp_path: Path) -> None:
    found = faults(written(tmp_path, GOOD.replace('"+15550100100"', "15550100100")))
    assert "as text" in found["trunks.carrier.caller_ids.0"]


def test_where_audio_is_brought_is_an_address_and_a_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(written(tmp_path, GOOD)).media.listen == "127.0.0.1:8790"
    monkeypatch.setenv("DIALERD_MEDIA__LISTEN", "[0:0::1]:9000")
    assert load(written(tmp_path, GOOD)).media.listen == "[::1]:9000"
    monkeypatch.setenv("DIALERD_MEDIA__LISTEN", "127.0.0.1:0")
    assert "between 1 and 65535" in faults(written(tmp_path, GOOD))["media.listen"]


def test_there_are_no_more_media_workers_than_cores_calls_or_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    assert load(written(tmp_path, GOOD)).media.workers == 1
    for said, named in (
        ("workers = 4", None),
        ("workers = 5", "lends dialerd 4 cores"),
        ("workers = 4\nmax_sessions = 3", "more than the 3 calls"),
        ('workers = 4\nlisten = "127.0.0.1:65533"', "leaves no port for 4 workers"),
        ('workers = 4\nlisten = "127.0.0.1:65532"', None),
    ):
        path = written(tmp_path, GOOD + f"[media]\n{said}\n")
        if named is None:
            assert load(path).media.workers == 4
        else:
            assert named in faults(path)["media"]


def test_the_api_crosses_the_network_unencrypted_only_if_that_is_said_plainly(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "pbx.example.com"):
        found = faults(written(tmp_path, GOOD + f'[http]\nhost = "{host}"\n'))
        assert "beyond_loopback" in found["http"]
        said = load(written(tmp_path, GOOD + f'[http]\nhost = "{host}"\nbeyond_loopback = true\n'))
        assert said.http.host == host
    for host in ("127.0.0.1", "::1", "localhost"):
        assert load(written(tmp_path, GOOD + f'[http]\nhost = "{host}"\n')).http.host == host


def test_a_missing_file_and_bad_toml_are_named(tmp_path: Path) -> None:
    assert "no such file" in faults(tmp_path / "missing.toml")[str(tmp_path / "missing.toml")]
    broken = written(tmp_path, "[asterisk\n")
    assert "not valid TOML" in faults(broken)[str(broken)]


@pytest.mark.parametrize(
    ("setting", "loc", "said"),
    [
        ("caller_ids = []", "caller_ids", "needs at least one number to show"),
        ('caller_ids = ["+15550100100", "+15550100100"]', "caller_ids", "named twice: +15550100100"),
        ("prefixes = []", "prefixes", "no number could reach this trunk"),
        (
            'prefixes = ["+91", "+9198"]',
            "prefixes",
            "overlap, leave the longer one out: +9198 lies within +91",
        ),
        ('prefixes = ["", "+91"]', "prefixes", "+91 lies within all numbers"),
        ('prefixes = ["+91", "+91"]', "prefixes", "named twice: +91"),
        ('prefixes = ["0091"]', "prefixes", 'must be "+" and digits'),
        (
            'prefixes = ["+91", "+2101"]',
            "prefixes",
            "no country's numbers begin so, none could reach this trunk: +2101",
        ),
        ("caller_id_daily_cap = 0", "caller_id_daily_cap", "0 would let no call leave"),
        ("caller_id_rest_below = 1.5", "caller_id_rest_below", "must be less than 1"),
        ("caller_id_rest_minutes = -1", "caller_id_rest_minutes", "must be greater than or equal to 0"),
        ("max_channels = 0", "max_channels", "must be greater than or equal to 1"),
        ("calls_per_second = 0", "calls_per_second", "must be greater than 0"),
        ("codecs = []", "codecs", "at least 1 item"),
        ('codecs = ["alaw", "alaw"]', "codecs", "must name each codec once"),
        ('registration = "sip:me@carrier"', "registration", "must be the name of a PJSIP registration"),
        ('adaptive = "often"', "adaptive", "must be a valid boolean"),
    ],
)
def test_a_wrong_setting_of_a_trunk_says_what_is_wrong_with_it(
    tmp_path: Path, setting: str, loc: str, said: str
) -> None:
    name = setting.partition(" ")[0]
    kept = [line for line in GOOD.splitlines() if not line.startswith(f"{name} ")]
    found = faults(written(tmp_path, "\n".join([*kept, setting])))
    assert list(found) == [f"trunks.carrier.{loc}"]
    assert said in found[f"trunks.carrier.{loc}"]
    assert "Value error" not in found[f"trunks.carrier.{loc}"]


def test_frequency_caps_are_at_least_one_call(tmp_path: Path) -> None:
    found = faults(written(tmp_path, GOOD + "[dialing]\nmax_calls_per_24h = 0\nmax_calls_per_7d = 0\n"))
    assert found == {
        "dialing.max_calls_per_24h": "must be greater than or equal to 1",
        "dialing.max_calls_per_7d": "must be greater than or equal to 1",
    }


def test_what_a_trunk_is_set_up_with_reaches_the_dialer(tmp_path: Path) -> None:
    more = (
        'registration = "carrier-reg"\nprefixes = ["+91", "+1"]\nadaptive = false\ncaller_id_daily_cap = 80\n'
        "caller_id_rest_minutes = 30\ncaller_id_rest_below = 0.4\n"
        "[dialing]\nmax_calls_per_24h = 2\nmax_calls_per_7d = 4\n"
    )
    settings = load(written(tmp_path, GOOD + more))
    (trunk,) = settings.trunk_list
    assert (trunk.registration, trunk.prefixes, trunk.adaptive) == ("carrier-reg", ("91", "1"), False)
    assert (trunk.caller_id_cap, trunk.caller_id_rest, trunk.caller_id_rest_below) == (80, 1_800_000, 0.4)
    assert settings.policy.caps == ((86_400_000, 2), (7 * 86_400_000, 4))


STORE = (
    GOOD
    + """
[store]
"""
)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////srv/dialerd.db",
        "postgresql://dialerd@db/dialerd",
        "postgres://dialerd:hunter2@db1:5433,db2/dialerd?sslmode=require",
        "postgresql:///dialerd?host=/run/postgresql",
    ],
)
def test_the_store_may_be_a_file_or_a_database(tmp_path: Path, url: str) -> None:
    settings = load(written(tmp_path, f'{STORE}url = "{url}"\n'))
    assert settings.store_url == url
    assert settings.store_password is None
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("store", "loc", "message"),
    [
        ('url = "postgresql://dialerd@db"', "store.url", "must name a database"),
        ('url = "postgresql://dialerd@db/"', "store.url", "must name a database"),
        ('url = "mysql://db/dialerd"', "store.url", "must be a sqlite:///PATH or a postgresql://"),
        ('password = "secret"', "store", "password is set, and url is no postgresql:// address"),
    ],
)
def test_an_address_of_no_store_is_named(tmp_path: Path, store: str, loc: str, message: str) -> None:
    found = faults(written(tmp_path, f"{STORE}{store}\n"))
    assert message in found[loc]
    assert "secret" not in str(found)


def test_the_stores_password_comes_from_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store__password").write_text("open sesame\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    settings = load(written(tmp_path, f'{STORE}url = "postgresql://dialerd@db/dialerd"\n'))
    assert settings.store_password == "open sesame"
    assert "sesame" not in repr(settings)


def test_the_check_tells_a_database_that_can_be_used(
    tmp_path: Path, postgres: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.database()
    path = written(tmp_path, f'{STORE}url = "{url}"\n')
    assert main(["--config", str(path), "--check-config"]) == 0
    assert f"store: {url}" in capsys.readouterr().out
    postgres.give_back(url)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (
            "postgresql://u:secret@127.0.0.1:1/dialerd",
            "u@127.0.0.1:1/dialerd failed: .*check that the server runs",
        ),
        ("{nowhere}", "nowhere failed: .*create the database"),
        ("{newer}", "has schema 9999, which this version of dialerd does not know"),
        ("{forbidden}", "may not create them"),
    ],
)
def test_the_check_names_a_database_that_cannot_be_used(
    tmp_path: Path, postgres: Server, capsys: pytest.CaptureFixture[str], address: str, said: str
) -> None:
    newer, empty = postgres.database(), postgres.empty()
    postgres.execute("UPDATE alembic_version SET version_num = '9999'", url=newer)
    postgres.execute("DROP ROLE IF EXISTS stranger", "CREATE ROLE stranger LOGIN")
    url = address.format(
        nowhere=postgres.url("nowhere"),
        newer=newer,
        forbidden=postgres.url(empty.rpartition("/")[2], "stranger"),
    )
    path = written(tmp_path, f'{STORE}url = "{url}"\n')
    assert main(["--config", str(path), "--check-config"]) == 2
    told = capsys.readouterr().err
    assert re.search(f"  store.url: .*{said}", told)
    assert "secret" not in told


def test_mistakes_of_webhooks_are_named(tmp_path: Path) -> None:
    wrong = """
[webhooks]
allow = ["crm.lan", "10.0.0.1/8", "http://crm.lan/"]
retries = 2
first_retry_seconds = 0
"""
    found = faults(written(tmp_path, GOOD + wrong))
    assert set(found) == {"webhooks.allow", "webhooks.retries", "webhooks.first_retry_seconds"}
    assert "'10.0.0.1/8'" in found["webhooks.allow"]
    assert "'http://crm.lan/'" in found["webhooks.allow"]
    assert "'crm.lan'" not in found["webhooks.allow"]
    right = load(written(tmp_path, GOOD + '[webhooks]\nallow = ["crm.lan", "10.0.0.0/8", "::1"]'))
    assert right.webhooks.guard.hosts == {"crm.lan"}
    assert len(right.webhooks.guard.networks) == 2


def test_nothing_is_deleted_by_its_age_unless_that_is_said(tmp_path: Path) -> None:
    kept = load(written(tmp_path, GOOD)).retention.rules
    assert (kept.calls, kept.campaigns, kept.audit) == (None, None, 400 * 86_400_000)
    said = load(
        written(tmp_path, GOOD + "[retention]\ncalls_days = 30\ncampaigns_days = 90\n")
    ).retention.rules
    assert (said.calls, said.campaigns) == (30 * 86_400_000, 90 * 86_400_000)


def test_calls_are_kept_as_long_as_frequency_caps_count_them(tmp_path: Path) -> None:
    text = GOOD + "[retention]\ncalls_days = 6\n[dialing]\nmax_calls_per_7d = 3\n"
    (told,) = faults(written(tmp_path, text)).values()
    assert "retention.calls_days is 6" in told
    assert "7 days" in told
    assert faults(written(tmp_path, GOOD + "[retention]\naudit_days = 0\n")).keys() == {
        "retention.audit_days"
    }


ENGINE = """
[engines.bot]
kind = "twilio-stream"
url = "wss://bot.example.com/ws?tenant=7"
max_sessions = 4
parameters = {campaign = "loans"}
"""

AUDIOSOCKET = """
[engines.a]
kind = "audiosocket"
url = "tcp://127.0.0.1:9092"
"""

DIRECT = """
[engines.d]
kind = "asterisk"
connection = "bot"
"""

WEBRTC = """
[engines.b]
kind = "webrtc"
url = "https://bot.example.com/api/offer"
"""


def test_a_webrtc_engine_needs_its_url_alone_and_asks_nobody_else_for_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (engine,) = load(written(tmp_path, GOOD + WEBRTC)).engine_list
    assert (engine.kind, engine.max_sessions, engine.connect, engine.dialect) == ("webrtc", 10, 1.5, "json")
    assert (engine.codecs, engine.ice_servers) == (("pcmu", "opus"), ())
    monkeypatch.setenv("DIALERD_ENGINES__B__TOKEN", "hush")
    monkeypatch.setenv("DIALERD_ENGINES__B__ICE_CREDENTIAL", "whisper")
    servers = '["stun:s.example.com:3478", "turn:[::1]:1?transport=tcp"]'
    more = f'dialect = "sdp"\ncodecs = ["opus"]\nice_servers = {servers}\n'
    more += 'data_channel = "oai-events"\nfirst_message = { type = "response.create" }\n'
    settings = load(written(tmp_path, GOOD + WEBRTC + more))
    (engine,) = settings.engine_list
    assert (engine.dialect, engine.codecs, len(engine.ice_servers)) == ("sdp", ("opus",), 2)
    assert (engine.data_channel, engine.first_message) == ("oai-events", {"type": "response.create"})
    assert (engine.token, engine.ice_credential) == ("hush", "whisper")
    assert "hush" not in repr((settings, engine))
    assert "whisper" not in repr((settings, engine))


def test_engines_tell_the_format_of_their_audio(tmp_path: Path) -> None:
    plain = load(written(tmp_path, GOOD + ENGINE + AUDIOSOCKET + DIRECT + WEBRTC)).engine_list
    assert [engine.format for engine in plain] == ["", "slin", "ulaw", "ulaw"]
    wide = GOOD + 'codecs = ["g722", "alaw"]\n'
    for section in (AUDIOSOCKET, DIRECT, WEBRTC):
        settings = load(written(tmp_path, wide + section + 'format = "slin16"\n'))
        assert [engine.format for engine in settings.engine_list] == ["slin16"]
        assert settings.trunk_list[0].codecs == ("g722", "alaw")
    # Asterisk converts for an engine that it leads to: no trunk need carry as much.
    assert load(written(tmp_path, GOOD + DIRECT + 'format = "slin48"\n')).engine_list[0].format == "slin48"


def test_every_engine_that_no_trunk_suits_is_named(tmp_path: Path) -> None:
    text = (
        GOOD
        + 'codecs = ["alaw", "g722"]\n'
        + AUDIOSOCKET
        + 'format = "slin16"\n'
        + WEBRTC
        + 'format = "slin16"\n'
    )
    told = faults(written(tmp_path, text))["settings"]
    assert "engines.a: " in told
    assert "engines.b: " in told
    assert 'codecs = ["g722", …]' in told


def test_engines_reach_the_media_workers_and_their_secrets_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALERD_ENGINES__BOT__TOKEN", "hush")
    monkeypatch.setenv("DIALERD_TWILIO__AUTH_TOKEN", "whisper")
    settings = load(written(tmp_path, GOOD + ENGINE + '[twilio]\nengine = "bot"\n'))
    (engine,) = settings.engine_list
    assert (engine.name, engine.kind, engine.max_sessions) == ("bot", "twilio-stream", 4)
    assert (engine.token, engine.auth_token) == ("hush", "whisper")
    assert "hush" not in repr((settings, engine))
    assert "whisper" not in repr((settings, engine))


@pytest.mark.parametrize(
    ("text", "loc", "msg"),
    [
        ('[engines.embedded]\nkind = "twilio-stream"', "engines", "embedded is always there"),
        ('[engines.Bot]\nkind = "twilio-stream"', "engines", "lower-case letters"),
        ('[engines.b]\nkind = "webrtc"', "engines.b.webrtc.url", "required"),
        (WEBRTC.replace("https:", "ws:"), "engines.b.webrtc.url", "http:// or https://"),
        (WEBRTC + 'format = "alaw"', "engines.b.webrtc.format", "'ulaw' or 'slin16'"),
        (WEBRTC + 'format = "slin16"\ncodecs = ["pcmu"]', "engines.b.webrtc", "needs \"opus\" among the codecs"),
        (WEBRTC + 'format = "slin16"', "settings", "engines.b: format \"slin16\" wants wideband audio, but no trunk"),
        (AUDIOSOCKET + 'format = "slin16"', "settings", "engines.a: format \"slin16\" wants wideband audio"),
        (AUDIOSOCKET + 'format = "slin24"', "engines.a.audiosocket.format", "'slin' or 'slin16'"),
        (ENGINE + 'format = "slin16"', "engines.bot.twilio-stream.format", "no such setting"),
        ('[engines.b]\nurl = "ws://127.0.0.1/ws"', "engines.b", "kind is required"),
        ('[engines.b]\nkind = "sip"', "engines.b", "kind must be one of 'twilio-stream', 'audiosocket', "),
        (DIRECT + 'format = "opus"', "engines.d.asterisk.format", "'ulaw'"),
        (WEBRTC + 'dialect = "whip"', "engines.b.webrtc.dialect", "'json' or 'sdp'"),
        (WEBRTC + 'codecs = ["pcmu", "pcmu"]', "engines.b.webrtc.codecs", "each codec once"),
        (WEBRTC + 'codecs = ["g729"]', "engines.b.webrtc.codecs.0", "'pcmu' or 'opus'"),
        (WEBRTC + 'ice_servers = ["stun.example.com"]', "engines.b.webrtc.ice_servers", "like stun:HOST:PORT"),
        ('[engines.bot]\nkind = "sip"', "engines.bot", "'twilio-stream'"),
        ("[engines.bot]\nmax_sessions = 4", "engines.bot", "kind"),
        (ENGINE.replace("wss:", "http:"), "engines.bot.twilio-stream.url", "ws:// or wss://"),
        (ENGINE.replace("bot.example.com", "me:pw@bot.example.com"), "engines.bot.twilio-stream.url", "no password"),
        (ENGINE + 'languages = ["english!"]', "engines.bot.twilio-stream.languages", "like en-IN"),
        (ENGINE + "max_session = 3", "engines.bot.twilio-stream.max_session", "no such setting"),
        (ENGINE + 'health_url = "bot"', "engines.bot.twilio-stream.health_url", "http:// or https://"),
        ('[engines.b]\nkind = "audiosocket"\nurl = "tcp://x"', "engines.b.audiosocket.url", "must name a port"),
        ('[engines.b]\nkind = "audiosocket"', "engines.b.audiosocket.url", "required"),
        ('[engines.b]\nkind = "asterisk"', "engines.b.asterisk.connection", "required"),
        ('[engines.b]\nkind = "asterisk"\nconnection = "a b"', "engines.b.asterisk.connection", "pattern"),
        ('[engines.b]\nkind = "asterisk"\nconnection = "b"\nurl = "x"', "engines.b.asterisk.url", "no such setting"),
        ('[twilio]\nengine = "bot"', "settings", "no such engine of the kind twilio-stream"),
        ('[twilio]\naccount_sid = "me"', "twilio.account_sid", "must be AC and 32 of the digits"),
    ],
)  # fmt: skip
def test_mistakes_of_engines_are_named(tmp_path: Path, text: str, loc: str, msg: str) -> None:
    found = faults(written(tmp_path, GOOD + text))
    assert list(found) == [loc]
    assert msg in found[loc]
