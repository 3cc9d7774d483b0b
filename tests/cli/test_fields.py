"""Whatever a request can carry, dialerctl can say: each field and parameter of the API's description has an option."""

from __future__ import annotations

import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from dialerd.cli.main import main
from tests.cli.test_dialerctl import ONE
from tests.cli.test_parity import operation
from tests.control.installation import SCRIPT
from tests.control.relay import relayed
from tests.control.serving import Served, served

_WINDOW = "--start '2190-01-15 09:00' --end '2190-01-16 18:00' --timezone Asia/Kolkata"
_TERMS = (
    "--ring-timeout 20 --trunk lab --caller-id +15550100100 --answering-machine hangup "
    "--transfer-target support --record"
)
_PLAN = (
    f"{_WINDOW} --hours 'mon-fri 09:00-18:00' --holidays IN --max-attempts 2 --retry-interval 5 "
    "--retry-rule busy=5x3 --max-callbacks 2 --max-concurrent 3 --calls-per-second 1 --weight 2 "
    f"--shares fresh=1,retries=2,callbacks=3 --keep-open {_TERMS}"
)
_LISTED = "--csv LIST --default-region IN --on-invalid skip"
_TALK = "--script loan --agent priya --language en-IN"
_BETWEEN = "--from 2026-01-15 --to 2026-01-16"

COMMANDS = f"""
agent create --id priya --name Priya --language en-IN --voice male --script loan --engine embedded --fallback none
agent create --id priya --name Priya --disposition site_visit=positive --transfer-target support --record
agent edit priya --name Asha --language en-IN --voice male --script loan --engine embedded --fallback none
agent edit priya --disposition site_visit=positive --transfer-target support --record
campaign create --name Loans {_TALK} {_LISTED} {_PLAN}
campaign create WHOLE
campaign edit ID --name Other {_PLAN}
campaign clone ID --contacts all --name Again {_TALK} {_WINDOW} --on-invalid skip
campaign start ID --now
campaign pause ID --ringing cancel
campaign stop ID --calls hangup --ringing cancel
campaign add-contacts ID {_LISTED}
campaign contacts ID --state pending
campaign list --status running {_BETWEEN}
campaign simulate ID --answer-rate 0.5 --talk-seconds 5 --ring-seconds 5 --trunk-channels 2 --exact --seed 2
campaign simulate WHOLE --seed 2
call place {ONE} {_TALK} --name Priya --timezone Asia/Kolkata --variable loan_amount=5 {_TERMS}
call list --campaign ID --disposition paid --language en-IN {_BETWEEN} --phone {ONE}
call disposition cal_0 callback_requested --callback 2190-01-15T09:00:00Z --captured city=Pune
call transfer cal_0 support --warm --reason asked --summary 'wants to close it' --timeout 20
dnc add +919000000000 --reason asked --source letter --expires 2190-01-15T09:00:00Z
dnc import NUMBERS --on-invalid skip
script add SCRIPT --id other --name Other
script replace other SCRIPT --name Another
script show other --version 1
script say other --line opening --language en-IN --voice male --variable loan_amount=5
trunk set lab --max-channels 2 --calls-per-second 1
trunk pause lab
webhook add https://1.1.1.1/hook --event call.completed --description CRM --secret SECRET
webhook set whk_0 --disable --address https://1.1.1.1/other --event dnc.added --description CRM --new-secret
webhook deliveries whk_0 --state dead
webhook redeliver whk_0 msg_0
key create --name crm --scope read
report --by trunk {_BETWEEN} --campaign ID --timezone Asia/Kolkata
audit --actor crm --action dnc.added --object cmp_0 {_BETWEEN}
pause --ringing cancel
"""

PAGES = {"limit", "offset"}
"""Turned by every command that lists."""
_LATER = "what is not fixed at its creation is changed by `campaign edit`, before it starts"
EXCEPTED = {
    "clone_campaign": (
        _LATER,
        *("max_attempts", "retry_interval_minutes", "retry_rules", "max_callbacks", "max_concurrent_calls"),
        *("calls_per_second", "weight", "shares", "shares.fresh", "shares.retries", "shares.callbacks"),
        *("keep_open", "ring_timeout_seconds", "trunks", "caller_id", "answering_machine"),
        *("transfer_target", "recording", "schedule.hours", "schedule.holidays"),
    ),
    "validate_campaign": ("`campaign validate FILE` takes the file of `campaign create`, with every field",),
    "simulate_list": ("`campaign simulate FILE` takes the file of `campaign create`, with every field",),
    "list_calls_of_campaign": ("`call list --campaign` tells the same",),
    "create_script": ("the script is sent as its text", "body"),
    "replace_script": ("the script is sent as its text", "body", "script_id"),
    "validate_script": ("the script is sent as its text", "body", "script_id", "name"),
    "transfer_call": ("why is for programs to say: a person at a terminal asks for it", "trigger"),
}
"""By operation: why, and the fields; none named: all of them."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "daemon") as running:
        running.do(running.inside.add_script())
        yield running


def test_every_field_of_every_request_has_an_option(
    daemon: Served, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = _files(tmp_path)
    sent = bytearray()
    with relayed(daemon.socket, sent.extend) as url:
        monkeypatch.setenv("DIALERD_URL", url)
        document = httpx.get(f"{url}/openapi.json").json()
        for line in COMMANDS.strip().splitlines():
            main([words.get(word, word) for word in shlex.split(line)])
            told = capfd.readouterr()
            assert "No such option" not in told.err, line
            if made := re.search(r"campaign_id: (cmp_\w+)", told.out):
                words.setdefault("ID", made[1])
    said = _said(document, bytes(sent))
    lacking = {
        name: sorted(left)
        for name, wanted in _carried(document)
        if (left := wanted - said[name] - PAGES - set(EXCEPTED.get(name, ())))
        and EXCEPTED.get(name, ("", ""))[1:]
    }
    assert lacking == {}


def _files(folder: Path) -> dict[str, str]:
    whole = {"name": "Loans", "script_id": "loan", "language": "en-IN"}
    contents = {
        "SCRIPT": ("script.yaml", SCRIPT),
        "LIST": ("list.csv", f"phone,loan_amount\n{ONE},5\n"),
        "NUMBERS": ("numbers.csv", "phone\n+919000000001\n"),
        "WHOLE": ("whole.json", json.dumps({**whole, "contacts": [{"phone": ONE, "loan_amount": 5}]})),
    }
    for file, text in contents.values():
        (folder / file).write_text(text)
    made = {"SECRET": "whsec_" + "c2VjcmV0" * 4}
    return made | {word: str(folder / file) for word, (file, _) in contents.items()}


# --- what the description has --------------------------------------------------------------------


def _carried(document: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """Each operation with the parameters of its query and the fields of its JSON body, those of objects in it too."""
    for methods in document["paths"].values():
        for about in methods.values():
            asked = {known["name"] for known in about.get("parameters", ()) if known["in"] == "query"}
            content = about.get("requestBody", {}).get("content", {})
            for name, schema in (
                content.get("application/json", {}).get("schema", {}).get("properties", {}).items()
            ):
                inner = {f"{name}.{field}" for field in _fixed(document, schema)}
                asked |= inner or {name}
            yield about["operationId"], asked


def _fixed(document: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    """The fields of an object that has always the same ones."""
    for one in (schema, *schema.get("anyOf", ())):
        if reference := one.get("$ref"):
            found = document["components"]["schemas"][reference.rpartition("/")[2]]
            return set(found.get("properties", ()))
    return set()


# --- what was sent -------------------------------------------------------------------------------


def _said(document: dict[str, Any], sent: bytes) -> dict[str | None, set[str]]:
    """By operation the parameters and fields that some command has sent."""
    said: dict[str | None, set[str]] = defaultdict(set)
    for method, target, headers, body in _requests(sent):
        name = operation(document, method, target)
        said[name] |= {key for key, _ in parse_qsl(urlsplit(target.decode()).query)}
        for key, value in _fields(headers, body):
            said[name].add(key)
            if isinstance(value, dict):
                said[name] |= {f"{key}.{inner}" for inner in value}
    return said


def _requests(sent: bytes) -> Iterator[tuple[bytes, bytes, Any, bytes]]:
    while sent:
        head, _, sent = sent.partition(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        method, target, _ = line.split(b" ")
        headers = BytesParser().parsebytes(rest + b"\r\n\r\n")
        length = int(headers.get("content-length", 0))
        yield method, target, headers, sent[:length]
        sent = sent[length:]


def _fields(headers: Any, body: bytes) -> Iterator[tuple[str, Any]]:
    if headers.get_content_type() == "application/json" and body:
        yield from json.loads(body).items()
    elif headers.get_content_type() == "multipart/form-data":
        form = BytesParser().parsebytes(f"Content-Type: {headers['content-type']}\r\n\r\n".encode() + body)
        for part in form.get_payload():
            name = part.get_param("name", header="content-disposition")
            yield name, None
            if part.get_content_type() == "application/json":
                yield from json.loads(part.get_payload(decode=True)).items()
