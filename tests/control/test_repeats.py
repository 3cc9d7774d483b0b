"""A request that is sent again under its name is carried out once, whatever died in between."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from dialerd.core.errors import PortError
from dialerd.core.journal import REMEMBERED_REQUESTS
from dialerd.ports import CallFilter, CampaignFilter, Page
from tests.control.installation import SCRIPT, Installation

ALL = Page(100, 0)
PEOPLE = [
    {"phone": "+919876543210", "loan_amount": 5},
    {"phone": "+919876543210", "loan_amount": 6},
    {"phone": "+919123456789", "loan_amount": 7},
]
CAMPAIGN = {"name": "Loans", "script_id": "loan", "language": "en-IN", "contacts": PEOPLE}
CSV = "phone,loan_amount\n+919876543210,5\n+919123456789,6\n"
KEYED = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


@pytest.fixture(autouse=True)
async def script(daemon: Installation) -> None:
    await daemon.add_script()


def parts(boundary: str, name: str = "Loans") -> dict[str, Any]:
    """A form with a campaign, as one client or another would draw its boundary."""
    fields = f'{{"name": "{name}", "script_id": "loan", "language": "en-IN"}}'
    lines = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="campaign"\r\n\r\n{fields}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="contacts"; filename="x.csv"\r\n\r\n{CSV}\r\n'
        f"--{boundary}--\r\n"
    )
    return {
        "content": lines.encode(),
        "headers": KEYED | {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    }


MAKING: dict[str, tuple[str, dict[str, Any]]] = {
    "campaign": ("/v1/campaigns", {"json": CAMPAIGN}),
    "script": ("/v1/scripts", {"content": SCRIPT, "headers": {"Content-Type": "application/yaml"}}),
    "agent": ("/v1/agents", {"json": {"agent_name": "Priya", "script_id": "loan"}}),
    "key": ("/v1/keys", {"json": {"name": "crm", "scope": "read"}}),
    "call": (
        "/v1/calls",
        {
            "json": {
                "phone": "+919876543210",
                "script_id": "loan",
                "language": "en-IN",
                "variables": {"loan_amount": 5},
            }
        },
    ),
    "dnc": ("/v1/dnc", {"json": {"phone": "+919876543210", "reason": "asked"}}),
    "dnc import": (
        "/v1/dnc/import",
        {"content": "phone\n+919876543210\n+919876543210\n", "headers": {"Content-Type": "text/csv"}},
    ),
}


async def made(daemon: Installation) -> list[int]:
    """How many there are of everything."""
    store = daemon.store
    return [
        (await store.campaigns(CampaignFilter(), ALL))[1],
        (await store.calls(CallFilter(), ALL))[1],
        (await store.scripts(ALL))[1],
        (await store.agents(ALL))[1],
        (await store.dnc_entries(ALL))[1],
        len(await store.keys()),
        len(store.disk.contacts),
    ]


async def sent(api: httpx.AsyncClient, path: str, request: dict[str, Any], **headers: str) -> httpx.Response:
    return await api.post(path, **{**request, "headers": {**request.get("headers", {}), **KEYED, **headers}})


@pytest.mark.parametrize("what", MAKING)
async def test_the_same_request_is_answered_alike_and_makes_nothing_more(
    what: str, api: httpx.AsyncClient, daemon: Installation
) -> None:
    daemon.connect()
    path, request = MAKING[what]
    first = await sent(api, path, request)
    assert first.is_success, first.text
    assert "idempotency-replayed" not in first.headers
    there = await made(daemon)
    again = await sent(api, path, request)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    for name in ("location", "etag", "content-type"):
        assert again.headers.get(name) == first.headers.get(name)
    assert await made(daemon) == there


@pytest.mark.parametrize("what", MAKING)
async def test_what_died_before_its_answer_was_kept_is_answered_with_what_it_made(
    what: str, api: httpx.AsyncClient, daemon: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.connect()
    path, request = MAKING[what]

    async def died(*_: Any) -> None:
        pass

    monkeypatch.setattr(daemon.store, "keep_answer", died)
    first = await sent(api, path, request)
    assert first.is_success, first.text
    there = await made(daemon)
    again = await sent(api, path, request)
    assert again.status_code == first.status_code
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers.get("location") == first.headers.get("location")
    assert await made(daemon) == there
    told, known = first.json(), again.json()
    for shown in (told, known):
        # These lists are kept with the answer alone.
        for rows in ("duplicate_rows", "warnings", "invalid"):
            shown.get("import", shown).pop(rows, None)
    assert known == told


@pytest.mark.parametrize("what", MAKING)
async def test_another_request_under_the_same_name_is_refused(
    what: str, api: httpx.AsyncClient, daemon: Installation
) -> None:
    daemon.connect()
    path, request = MAKING[what]
    assert (await sent(api, path, request)).is_success
    there = await made(daemon)
    for other_path, other in [(path, {"json": {"other": 1}}), *MAKING.values()]:
        if (other_path, other) == (path, request):
            continue
        refused = await sent(api, other_path, other)
        assert refused.status_code in (409, 415), refused.text
        if refused.status_code == 409:
            assert refused.json()["type"] == "urn:dialerd:problem:idempotency-key-reuse"
    assert await made(daemon) == there


async def test_names_of_different_keys_have_nothing_to_do_with_each_other(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    other = (await daemon.app.state.control.keys.create("other", "admin"))["key"]
    mine = await sent(api, "/v1/campaigns", {"json": CAMPAIGN})
    theirs = await sent(api, "/v1/campaigns", {"json": CAMPAIGN}, Authorization=f"Bearer {other}")
    assert mine.json()["campaign_id"] != theirs.json()["campaign_id"]


async def test_a_form_is_the_same_whatever_boundary_it_was_sent_with(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    first = await api.post("/v1/campaigns", **parts("one"))
    assert first.status_code == 201, first.text
    again = await api.post("/v1/campaigns", **parts("another"))
    assert (again.headers.get("idempotency-replayed"), again.content) == ("true", first.content)
    other = await api.post("/v1/campaigns", **parts("one", name="Other"))
    assert other.status_code == 409
    assert list(daemon.spool.iterdir()) == []


async def test_contacts_are_added_once(api: httpx.AsyncClient, daemon: Installation) -> None:
    campaign = (await api.post("/v1/campaigns", json=CAMPAIGN)).json()["campaign_id"]
    path, more = f"/v1/campaigns/{campaign}/contacts", {"content": "phone,loan_amount\n+919123450000,1\n"}
    first = await sent(api, path, more, **{"Content-Type": "text/csv"})
    assert (first.status_code, first.json()["import"]["accepted"]) == (201, 1)
    again = await sent(api, path, more, **{"Content-Type": "text/csv"})
    assert again.content == first.content
    assert len(daemon.store.contacts_of(campaign)) == 3


async def test_a_request_that_was_refused_may_be_corrected_under_its_name(api: httpx.AsyncClient) -> None:
    wrong = await sent(api, "/v1/campaigns", {"json": CAMPAIGN | {"language": "xx-nope"}})
    assert wrong.status_code == 422
    assert (await sent(api, "/v1/campaigns", {"json": CAMPAIGN})).status_code == 201


async def test_while_it_is_carried_out_the_same_request_waits_for_nothing(
    api: httpx.AsyncClient, daemon: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    preparing, go_on = asyncio.Event(), asyncio.Event()
    really = daemon.media.prepare

    async def slowly(*arguments: Any) -> None:
        preparing.set()
        await go_on.wait()
        await really(*arguments)

    monkeypatch.setattr(daemon.media, "prepare", slowly)
    first = asyncio.create_task(sent(api, "/v1/campaigns", {"json": CAMPAIGN}))
    await preparing.wait()
    meanwhile = await sent(api, "/v1/campaigns", {"json": CAMPAIGN})
    assert meanwhile.status_code == 409
    assert meanwhile.json()["type"] == "urn:dialerd:problem:request-in-progress"
    assert meanwhile.headers["retry-after"] == "1"
    go_on.set()
    assert (await first).status_code == 201
    again = await sent(api, "/v1/campaigns", {"json": CAMPAIGN})
    assert again.content == (await first).content


async def test_what_was_carried_out_after_its_caller_lost_patience_is_answered_with_what_it_made(
    api: httpx.AsyncClient, daemon: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look before it finds nothing, since it is carried out in between: the store's own check decides."""
    first = await sent(api, "/v1/campaigns", {"json": CAMPAIGN})
    really, looks = daemon.store.request_done, []

    async def late(*arguments: Any) -> Any:
        looks.append(arguments)
        return None if len(looks) == 1 else await really(*arguments)

    monkeypatch.setattr(daemon.store, "request_done", late)
    again = await sent(api, "/v1/campaigns", {"json": CAMPAIGN})
    assert (again.status_code, again.content) == (201, first.content)
    assert (await made(daemon))[0] == 1
    assert len(daemon.store.disk.contacts) == 2, "its own import was dropped"


async def test_after_a_day_the_name_is_free(api: httpx.AsyncClient, daemon: Installation) -> None:
    first = await sent(api, "/v1/campaigns", {"json": CAMPAIGN})
    daemon.clock.shift = REMEMBERED_REQUESTS - 60_000
    assert (await sent(api, "/v1/campaigns", {"json": CAMPAIGN})).content == first.content
    daemon.clock.shift = REMEMBERED_REQUESTS + 60_000
    new = await sent(api, "/v1/campaigns", {"json": CAMPAIGN})
    assert new.status_code == 201
    assert new.json()["campaign_id"] != first.json()["campaign_id"]


async def test_neither_a_key_nor_a_name_is_stored(api: httpx.AsyncClient, daemon: Installation) -> None:
    key = (await sent(api, "/v1/keys", {"json": {"name": "crm"}})).json()["key"]
    assert (await sent(api, "/v1/keys", {"json": {"name": "crm"}})).json()["key"] == key
    kept = repr(list(daemon.store.disk.requests.values())) + repr(list(daemon.store.disk.keys.values()))
    assert key not in kept
    assert KEYED["Idempotency-Key"] not in kept
    works = await api.get("/v1/campaigns", headers={"Authorization": f"Bearer {key}"})
    assert works.status_code == 200


async def test_a_key_made_anew_after_a_day_is_another_one(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    first = (await sent(api, "/v1/keys", {"json": {"name": "crm"}})).json()
    daemon.clock.shift = REMEMBERED_REQUESTS + 60_000
    second = (await sent(api, "/v1/keys", {"json": {"name": "crm"}})).json()
    assert first["key"] != second["key"]
    assert first["key_id"] != second["key_id"]


@pytest.mark.parametrize("name", ["", "x" * 256, "naïve", "tab\there"])
async def test_a_name_that_is_none_is_refused(name: str, api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": name.encode("latin-1")}
    answer = await api.post("/v1/dnc", json={"phone": "+919876543210"}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:dialerd:problem:malformed-header")


async def test_a_store_that_takes_no_answer_is_no_reason_to_fail(
    api: httpx.AsyncClient, daemon: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> None:
        raise PortError("the disk is full", retryable=True)

    monkeypatch.setattr(daemon.store, "keep_answer", full)
    assert (await sent(api, "/v1/campaigns", {"json": CAMPAIGN})).status_code == 201
    assert (await sent(api, "/v1/campaigns", {"json": CAMPAIGN})).status_code == 201
    assert (await made(daemon))[0] == 1
