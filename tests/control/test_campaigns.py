"""Campaigns over HTTP: created whole or not at all, started, paused, resumed, stopped."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from dialerd.core.clock import Instant
from dialerd.engine.status import Carried
from tests.control.installation import MAX_BYTES, Installation

ONE, TWO = "+919876543210", "+919123456789"
KEYS = {
    *("campaign_id", "name", "script_id", "agent_id", "language", "status", "schedule", "max_attempts"),
    *("retry_interval_minutes", "created_at", "started_at", "finished_at", "progress", "dispositions"),
    *("disposition_breakdown", "metrics", "blocked"),
}


def iso(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat(timespec="seconds")


def window(start: float = -1, end: float = 1) -> dict[str, str]:
    return {"start_time": iso(hours=start), "end_time": iso(hours=end), "timezone": "Asia/Kolkata"}


def request(**changed: Any) -> dict[str, Any]:
    fields = {"name": "Loans", "script_id": "loan", "language": "en-IN"}
    fields |= {"contacts": [{"phone": ONE, "name": "Priya", "loan_amount": 50000}]}
    return {key: value for key, value in {**fields, **changed}.items() if value is not ...}


@pytest.fixture
async def daemon_with_script(daemon: Installation) -> Installation:
    await daemon.add_script()
    return daemon


pytestmark = pytest.mark.usefixtures("daemon_with_script")


async def create(api: httpx.AsyncClient, **changed: Any) -> dict[str, Any]:
    answer = await api.post("/v1/campaigns", json=request(**changed))
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def nothing_stored(daemon: Installation) -> bool:
    return daemon.store.empty and not list(daemon.spool.iterdir())


async def test_the_request_of_the_seed_page_makes_a_campaign(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    created = await create(
        api,
        schedule=window(),
        contacts=[
            {"phone": ONE, "name": "Priya Sharma", "loan_amount": 50000},
            {"phone": TWO, "name": "Amit Patel", "loan_amount": 75000},
        ],
        max_attempts=3,
    )
    assert re.fullmatch(r"cmp_[0-9a-f]{12}", created["campaign_id"])
    assert created.keys() >= KEYS
    assert created["progress"]["total_contacts"] == 2
    assert created["import"]["accepted"] == 2
    assert created["schedule"]["timezone"] == "Asia/Kolkata"
    assert created["schedule"]["start_time"].endswith("Z")
    assert daemon.media.prepared == [("loan", "en-IN")]
    shown = (await api.get(f"/v1/campaigns/{created['campaign_id']}")).json()
    assert shown["max_attempts"] == 3
    assert shown["dispositions"] == dict.fromkeys(shown["dispositions"], 0)
    assert "import" not in shown


async def test_a_csv_file_arrives_as_multipart(api: httpx.AsyncClient, daemon: Installation) -> None:
    csv = f"\ufeffphone;name;loan_amount\r\n{ONE};Priya;5\r\n{TWO};Amit;7\r\n{ONE};again;9\r\n"
    files = {
        "campaign": (None, json.dumps(request(contacts=...)), "application/json"),
        "contacts": ("list.csv", csv.encode(), "text/csv"),
    }
    answer = await api.post("/v1/campaigns", files=files)
    assert answer.status_code == 201, answer.text
    done = answer.json()["import"]
    assert (done["received"], done["accepted"], done["duplicates"]) == (3, 2, 1)
    assert done["duplicate_rows"] == [{"line": 4, "phone": ONE, "reason": "the same number as line 2"}]
    stored = daemon.store.contacts_of(answer.json()["campaign_id"])
    assert [(c.phone, c.name, c.variables) for c in stored] == [
        (ONE, "Priya", {"loan_amount": "5"}),
        (TWO, "Amit", {"loan_amount": "7"}),
    ]
    assert list(daemon.spool.iterdir()) == [], "no working file is left"


async def test_bad_rows_are_refused_by_default_and_nothing_is_stored(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    contacts = [{"phone": ONE, "loan_amount": 1}, {"phone": "9.19E+11"}, {"phone": 5, "loan_amount": 2}]
    answer = await api.post("/v1/campaigns", json=request(contacts=contacts))
    assert answer.status_code == 422
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["loc"] for fault in problem["errors"]] == [
        "contacts.1.phone",
        "contacts.1.loan_amount",
        "contacts.2.phone",
    ]
    assert [(row["line"], row["phone"]) for row in problem["invalid"]] == [(1, "9.19E+11"), (2, "5")]
    assert "spreadsheet" in problem["invalid"][0]["reason"]
    assert nothing_stored(daemon)


async def test_bad_rows_can_be_left_out(api: httpx.AsyncClient, daemon: Installation) -> None:
    contacts = [{"phone": ONE, "loan_amount": 1}, {"phone": "x"}]
    created = await create(api, contacts=contacts, on_invalid="skip")
    assert (created["import"]["received"], created["import"]["accepted"]) == (2, 1)
    assert [row["line"] for row in created["import"]["invalid"]] == [1]
    assert created["progress"]["total_contacts"] == 1


async def test_a_list_without_any_good_row_makes_no_campaign(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    answer = await api.post("/v1/campaigns", json=request(contacts=[{"phone": "x"}], on_invalid="skip"))
    assert answer.status_code == 422
    assert {"contacts", "contacts.0.phone"} <= {fault["loc"] for fault in answer.json()["errors"]}
    assert nothing_stored(daemon)


@pytest.mark.parametrize(
    ("changed", "loc", "words"),
    [
        ({"name": ...}, "name", "required"),
        ({"name": ""}, "name", "empty"),
        ({"name": "n" * 256}, "name", "255"),
        ({"name": "a\u0007b"}, "name", "control"),
        ({"name": 5}, "name", "string"),
        ({"script_id": ...}, "script_id", "required"),
        ({"script_id": "nope"}, "script_id", "no script 'nope'"),
        ({"language": ...}, "language", "required"),
        ({"language": "klingon!"}, "language", "BCP-47"),
        ({"language": "fr-FR"}, "language", "en-IN, hi-IN"),
        ({"contacts": ...}, "contacts", "required"),
        ({"contacts": []}, "contacts", "no contact"),
        ({"schedule": "now"}, "schedule", "object"),
        ({"schedule": window(2, 1)}, "schedule.end_time", "not after start_time"),
        ({"schedule": window(-3, -1)}, "schedule.end_time", "not in the future"),
        ({"schedule": window() | {"timezone": "Mars/Base"}}, "schedule.timezone", "IANA"),
        ({"schedule": window() | {"timezone": None}}, "schedule.timezone", "required"),
        ({"schedule": {"start_time": iso(), "timezone": "UTC"}}, "schedule.end_time", "required"),
        ({"schedule": window() | {"end_time": "2099-01-01T09:00:00"}}, "schedule.end_time", "no offset"),
        ({"schedule": window() | {"end_time": "tomorrow"}}, "schedule.end_time", "ISO 8601"),
        ({"schedule": window() | {"end_time": "9999-12-31T23:59:59Z"}}, "schedule.end_time", "year"),
        ({"schedule": window() | {"end_time": 5}}, "schedule.end_time", "string"),
        ({"schedule": window() | {"hours": {}}}, "schedule.hours", "at least one"),
        ({"schedule": window() | {"holidays": "XX"}}, "schedule.holidays", "XX"),
        ({"schedule": window() | {"x": 1}}, "schedule.x", "unknown field"),
        ({"retry_rules": {"sleepy": {"after_minutes": 3}}}, "retry_rules.sleepy", "busy"),
        ({"retry_rules": {"invalid_number": {"max": 3}}}, "retry_rules.invalid_number", "never"),
        ({"retry_rules": {"busy": {"after_minutes": -1}}}, "retry_rules.busy.after_minutes", "0"),
        ({"retry_rules": ["busy"]}, "retry_rules", "object"),
        ({"max_callbacks": -1}, "max_callbacks", "0"),
        ({"agent_id": "agt_1"}, "agent_id", "there is no agent"),
        ({"max_attempts": 0}, "max_attempts", "greater than or equal to 1"),
        ({"max_attempts": 11}, "max_attempts", "10"),
        ({"max_attempts": "3"}, "max_attempts", "whole number"),
        ({"max_attempts": True}, "max_attempts", "whole number"),
        ({"max_attempts": 10**30}, "max_attempts", "10"),
        ({"retry_interval_minutes": -1}, "retry_interval_minutes", "greater than or equal to 0"),
        ({"retry_interval_minutes": 10**400}, "retry_interval_minutes", "less than"),
        ({"ring_timeout_seconds": 0}, "ring_timeout_seconds", "1"),
        ({"calls_per_second": 0}, "calls_per_second", "greater than 0"),
        ({"max_concurrent_calls": 0}, "max_concurrent_calls", "1"),
        ({"weight": 0}, "weight", "greater than 0"),
        ({"weight": 10**9}, "weight", "less than or equal to 1000"),
        ({"shares": {"fresh": 0}}, "shares.fresh", "greater than 0"),
        ({"shares": {"old": 1}}, "shares.old", "unknown field"),
        ({"shares": [1, 1, 1]}, "shares", "object"),
        ({"trunks": ["nowhere"]}, "trunks.0", "lab, spare"),
        ({"trunks": ["lab", "lab"]}, "trunks.1", "twice"),
        ({"trunks": []}, "trunks", "at least 1"),
        ({"caller_id": "+15550100999"}, "caller_id", "+15550100100"),
        ({"caller_id": "+15550100200", "trunks": ["lab"]}, "caller_id", "+15550100101"),
        ({"keep_open": "yes"}, "keep_open", "true or false"),
        ({"on_invalid": "ignore"}, "on_invalid", "'reject' or 'skip'"),
        ({"default_region": "Nowhere"}, "default_region", "country code"),
        ({"colour": "blue"}, "colour", "unknown field"),
    ],
)
async def test_a_wrong_field_is_named(
    changed: dict[str, Any], loc: str, words: str, api: httpx.AsyncClient, daemon: Installation
) -> None:
    answer = await api.post("/v1/campaigns", json=request(**changed))
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert fault["loc"] == loc
    assert words in fault["msg"]
    assert nothing_stored(daemon)


async def test_all_faults_come_at_once_fields_and_rows_together(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    bad = request(
        name="",
        language="fr-FR",
        schedule={"start_time": iso(hours=2), "end_time": iso(hours=1), "timezone": "Mars/Base"},
        max_attempts=99,
        trunks=["nowhere"],
        contacts=[{"phone": "x", "loan_amount": 1}, {"phone": ONE}],
    )
    problem = (await api.post("/v1/campaigns", json=bad)).json()
    assert {fault["loc"] for fault in problem["errors"]} == {
        "name",
        "language",
        "schedule.timezone",
        "schedule.end_time",
        "max_attempts",
        "trunks.0",
        "contacts.0.phone",
        "contacts.1.loan_amount",
    }
    assert problem["detail"].startswith("8 faults")
    assert nothing_stored(daemon)


@pytest.mark.parametrize("schedule", [None, {}, {"start_time": None, "end_time": None, "timezone": None}])
async def test_without_a_schedule_it_waits_for_start(schedule: Any, api: httpx.AsyncClient) -> None:
    created = await create(api, schedule=schedule)
    assert created["status"] == "scheduled"
    nothing = {"start_time": None, "end_time": None, "timezone": None, "hours": [], "holidays": []}
    assert created["schedule"] == nothing
    started = await api.post(f"/v1/campaigns/{created['campaign_id']}/start")
    assert (started.status_code, started.json()["status"]) == (200, "running")
    assert started.json()["started_at"] is not None


async def test_languages_are_compared_without_case_and_shown_as_the_script_writes_them(
    api: httpx.AsyncClient,
) -> None:
    assert (await create(api, language="HI-in"))["language"] == "hi-IN"


async def test_a_variable_with_a_default_in_one_language_is_needed_in_the_other(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    languages = {"en-IN": {"defaults": {"city": "Pune"}}, "hi-IN": {}}
    body = {"name": "x", "languages": languages, "variables": {"city": {}}}
    assert (await api.post("/v1/scripts", json={"script_id": "city", "body": body})).status_code == 201
    assert (await create(api, script_id="city", language="en-IN"))["import"]["accepted"] == 1
    refused = await api.post("/v1/campaigns", json=request(script_id="city", language="hi-IN"))
    assert [fault["loc"] for fault in refused.json()["errors"]] == ["contacts.0.city"]


async def test_start_before_the_start_time_must_be_meant(api: httpx.AsyncClient) -> None:
    created = await create(api, schedule=window(1, 2))
    path = f"/v1/campaigns/{created['campaign_id']}/start"
    refused = await api.post(path)
    assert (refused.status_code, refused.json()["state"]) == (409, "scheduled")
    started = await api.post(path, json={"now": True})
    assert (started.status_code, started.json()["status"]) == (200, "running")
    again = await api.post(path, json={"now": True})
    assert (again.status_code, again.json()["started_at"]) == (200, started.json()["started_at"])


async def test_pause_resume_stop_may_be_repeated(api: httpx.AsyncClient) -> None:
    ident = (await create(api, schedule=window()))["campaign_id"]
    await api.post(f"/v1/campaigns/{ident}/start")
    for verb, status in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        for _ in range(2):
            answer = await api.post(f"/v1/campaigns/{ident}/{verb}")
            assert (answer.status_code, answer.json()["status"]) == (200, status), verb
    for verb in ("start", "pause", "resume"):
        answer = await api.post(f"/v1/campaigns/{ident}/{verb}")
        assert (answer.status_code, answer.json()["state"]) == (409, "stopped"), verb
    assert (await api.get(f"/v1/campaigns/{ident}")).json()["finished_at"] is not None


async def test_pause_says_how_many_calls_it_could_not_wait_for(
    api: httpx.AsyncClient, daemon: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ident = (await create(api))["campaign_id"]
    await api.post(f"/v1/campaigns/{ident}/start")
    really = daemon.engine.command

    async def slowly(command: Any) -> Carried:
        return Carried((await really(command)).answer, in_flight=3)

    monkeypatch.setattr(daemon.engine, "command", slowly)
    answer = await api.post(f"/v1/campaigns/{ident}/pause")
    assert (answer.status_code, answer.json()["status"], answer.json()["in_flight"]) == (202, "paused", 3)


@pytest.mark.parametrize(
    ("verb", "body", "loc"),
    [
        ("start", {"now": "yes"}, "now"),
        ("start", {"soon": True}, "soon"),
        ("pause", {"ringing": "drop"}, "ringing"),
        ("resume", {"now": True}, "now"),
        ("stop", {"calls": "kill"}, "calls"),
        ("stop", {"ringing": ["cancel"]}, "ringing"),
    ],
)
async def test_wrong_options_are_named(verb: str, body: Any, loc: str, api: httpx.AsyncClient) -> None:
    ident = (await create(api))["campaign_id"]
    answer = await api.post(f"/v1/campaigns/{ident}/{verb}", json=body)
    assert answer.status_code == 422
    assert [fault["loc"] for fault in answer.json()["errors"]] == [loc]


async def test_what_does_not_exist_is_not_found(api: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", "/v1/campaigns/cmp_000000000000"),
        ("POST", "/v1/campaigns/cmp_000000000000/start"),
        ("POST", "/v1/campaigns/cmp_000000000000/stop"),
        ("GET", "/v1/campaigns/cmp_000000000000/calls"),
        ("GET", "/v1/nothing"),
        ("GET", "/v1/campaigns/%00"),
        ("GET", "/v1/campaigns/%ff"),
    ):
        answer = await api.request(method, path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"


async def test_lists_are_paged_newest_first_and_filtered(api: httpx.AsyncClient) -> None:
    idents = [(await create(api, name=f"c{number}"))["campaign_id"] for number in range(3)]
    page = (await api.get("/v1/campaigns", params={"limit": 2})).json()
    assert (page["total"], page["limit"], page["offset"]) == (3, 2, 0)
    assert [item["campaign_id"] for item in page["data"]] == idents[:0:-1]
    rest = (await api.get("/v1/campaigns", params={"limit": 2, "offset": 2})).json()
    assert [item["campaign_id"] for item in rest["data"]] == idents[:1]
    await api.post(f"/v1/campaigns/{idents[1]}/start")
    running = (await api.get("/v1/campaigns?status=running")).json()
    assert [item["campaign_id"] for item in running["data"]] == [idents[1]]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert (await api.get("/v1/campaigns", params={"from": today, "to": today})).json()["total"] == 3
    assert (await api.get(f"/v1/campaigns?from={iso(hours=1)}")).json()["total"] == 0, (
        "a bare + is understood"
    )


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "offset=-1", "offset=1e99", "status=flying", "from=soon"]
)
async def test_wrong_queries_are_named(query: str, api: httpx.AsyncClient) -> None:
    answer = await api.get(f"/v1/campaigns?{query}")
    assert answer.status_code == 422
    assert [fault["loc"] for fault in answer.json()["errors"]] == [query.partition("=")[0]]


async def test_a_failing_part_leaves_nothing_and_says_so(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    daemon.media.fault = "espeak-ng is missing: apt install espeak-ng"
    answer = await api.post("/v1/campaigns", json=request())
    assert (answer.status_code, answer.json()["detail"]) == (503, daemon.media.fault)
    assert "retry-after" in answer.headers
    assert nothing_stored(daemon)
    daemon.media.fault = None
    really = daemon.store.add_contacts

    async def full(*arguments: Any) -> int:
        await really(*arguments)
        daemon.store.out = "the disk is full"
        return await really(*arguments)

    daemon.store.add_contacts = full  # type: ignore[method-assign]
    answer = await api.post("/v1/campaigns", json=request())
    assert (answer.status_code, answer.json()["detail"]) == (503, "the disk is full")
    daemon.store.out = None
    # What could not be taken back while the store was out is read by nobody, and goes at the next start.
    assert (await api.get("/v1/campaigns")).json()["total"] == 0
    await daemon.store.open_state(Instant(0))
    assert nothing_stored(daemon)


async def test_a_body_over_the_limit_is_refused_while_it_arrives(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    answer = await api.post("/v1/campaigns", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "5,000,000" in answer.json()["detail"]
    assert sent <= MAX_BYTES + 2 * 65_536
    assert nothing_stored(daemon)


async def test_a_list_over_the_limit_is_refused(api: httpx.AsyncClient, daemon: Installation) -> None:
    files = {
        "campaign": (None, json.dumps(request(contacts=...)), "application/json"),
        "contacts": ("list.csv", b"phone\n" + b"+919876543210\n" * 400_000, "text/csv"),
    }
    answer = await api.post("/v1/campaigns", files=files)
    assert answer.status_code == 413
    assert nothing_stored(daemon)


async def test_more_than_ten_thousand_contacts_are_refused(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    contacts = [{"phone": f"+9198{number:08d}", "loan_amount": 1} for number in range(10_001)]
    answer = await api.post("/v1/campaigns", json=request(contacts=contacts))
    assert answer.status_code == 422
    assert "10,001 contacts, at most 10,000" in answer.json()["errors"][0]["msg"]
    assert nothing_stored(daemon)


@pytest.mark.parametrize(
    ("files", "locs"),
    [
        ({"contacts": ("c.csv", b"phone\n", "text/csv")}, ["campaign"]),
        ({"campaign": (None, "{}", "application/json")}, ["contacts"]),
        (
            {"campaign": (None, "{}", None), "contacts": (None, "x", None), "more": (None, "x", None)},
            ["more"],
        ),
    ],
)
async def test_missing_and_unknown_parts_are_named(
    files: Any, locs: list[str], api: httpx.AsyncClient
) -> None:
    answer = await api.post("/v1/campaigns", files=files)
    assert answer.status_code == 422
    assert [fault["loc"] for fault in answer.json()["errors"]] == locs


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b'{"name": "\xff"}', 400),
        ("application/json", b"\xff\xfe{\x00}\x00", 400),
        ("application/json", b'{"a": ' * 5_000, 400),
        ("application/json", b"", 400),
        ("text/csv", b"phone\n", 415),
        ("application/x-www-form-urlencoded", b"a=1", 415),
        ("", b"{}", 415),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=b", b"no parts at all", 400),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="campaign"\r\n\r\n{',
            400,
        ),
    ],
)
async def test_a_malformed_body_is_400_and_a_foreign_one_415(
    content_type: str, body: bytes, status: int, api: httpx.AsyncClient, daemon: Installation
) -> None:
    answer = await api.post("/v1/campaigns", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status
    assert nothing_stored(daemon)
