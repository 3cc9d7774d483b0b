"""Settings as an operator meets them: every mistake at once, secrets from outside the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialerd.config import ConfigError, load

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
