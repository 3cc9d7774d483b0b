"""The API's description: it is valid, whole, its examples are true, and what is answered is what it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate

from dialerd.agent.script import parse_script
from dialerd.core.messages import TryAnswered
from tests.control.installation import Clock, Installation, installation

CHOSEN = "script_crosssell_pl_v3"
"""The script that the examples name."""
_TEXTS = ("title", "description", "example", "examples")


@pytest.fixture
async def document(api: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get("/openapi.json")).json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def examples(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Where, schema and example of every body that is described."""
    for method, path, operation in operations(document):
        contents = [("request", operation.get("requestBody", {}).get("content", {}))]
        contents += [(status, answer.get("content", {})) for status, answer in operation["responses"].items()]
        for part, content in contents:
            for media_type, described in content.items():
                yield (
                    f"{method} {path} {part} {media_type}",
                    described.get("schema"),
                    described.get("example"),
                )


def checked(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """What of a value is not as described; a key that is not described is."""
    closed = _closed({**schema, "components": document["components"]})
    found = jsonschema.Draft202012Validator(closed).iter_errors(value)
    return [f"{error.json_path}: {error.message[:200]}" for error in found]


def _closed(schema: Any) -> Any:
    """The same schema, with nothing in an object that is not named. Shapes that add to others name everything anew."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: value if key in _TEXTS else _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)


def test_every_operation_says_what_it_does_what_it_takes_and_what_it_answers(
    document: dict[str, Any],
) -> None:
    lacking = [
        f"{method} {path}"
        for method, path, operation in operations(document)
        if not (operation.get("summary") and operation.get("description") and operation.get("tags"))
    ]
    lacking += [
        where
        for where, schema, example in examples(document)
        if not schema or (example is None and not where.endswith("audio/wav"))
    ]
    lacking += [
        f"{method} {path} {parameter['name']}"
        for method, path, operation in operations(document)
        for parameter in operation.get("parameters", ())
        if "example" not in parameter and "default" not in parameter["schema"]
    ]
    assert lacking == []


def test_statuses_that_cannot_be_are_not_described(document: dict[str, Any]) -> None:
    statuses = {
        operation["operationId"]: {int(status) for status in operation["responses"]}
        for _, _, operation in operations(document)
    }
    assert statuses["list_campaigns"] == {200, 400, 401, 403, 422, 429, 503}
    assert statuses["health"] == {200, 400}
    assert statuses["pause_campaign"] >= {200, 202, 404, 409}
    assert {name for name, found in statuses.items() if 412 in found} == {"edit_campaign"}


def test_every_example_is_of_the_shape_it_stands_for(document: dict[str, Any]) -> None:
    wrong = {
        where: faults
        for where, schema, example in examples(document)
        if where.endswith("json")
        and "problem" not in where
        and (faults := checked(document, schema, example))
    }
    assert wrong == {}


# --- what is answered ----------------------------------------------------------------------------


async def parse(source: str) -> Any:
    """As the daemon reads scripts."""
    return parse_script(source)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installation(tmp_path, parse=parse, clock=at_night()) as running:
        running.connect()
        yield running


def at_night() -> Clock:
    """Outside the calling windows of the examples, whose campaigns would else call the number of the call's example."""
    day, night = 86_400_000, 22 * 3_600_000
    now = Clock().now().wall
    return Clock(now // day * day + night - now)


async def test_every_request_of_the_examples_is_taken_and_answered_as_described(
    daemon: Installation, api: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    told = Told(daemon, api, document)
    await told.everything()
    assert told.faults == {}
    asked = {operation["operationId"] for _, _, operation in operations(document)}
    assert asked - told.asked == {"events", "campaign_events", "delete_campaign"}


class Told:
    """Sends the examples in an order in which each can be carried out, and holds the answers against the document."""

    def __init__(self, daemon: Installation, api: httpx.AsyncClient, document: dict[str, Any]) -> None:
        self.faults: dict[str, list[str]] = {}
        self.asked: set[str] = set()
        self._daemon = daemon
        self._api = api
        self._document = document
        self._at = {
            operation["operationId"]: (m, path, operation) for m, path, operation in operations(document)
        }

    async def everything(self) -> None:
        await self._voices()
        ident = (await self.send("create_campaign"))["campaign_id"]
        await self._campaign(ident)
        await self._lists()
        for name in (
            "show_status",
            "pause",
            "panic",
            "resume",
            "health",
            "readiness",
            "metrics",
            "simulate_list",
        ):
            await self.send(name)
        await self.send("change_trunk", name="lab")
        await self.send("show_trunk", name="lab")
        for name in ("list_trunks", "list_languages", "list_engines", "show_report"):
            await self.send(name, query={"by": "trunk"} if name == "show_report" else None)

    async def _voices(self) -> None:
        script = self._at["create_script"][2]["requestBody"]["content"]["application/yaml"]["example"]
        await self._api.post(f"/v1/scripts?script_id={CHOSEN}", **_body("application/yaml", script))
        await self.send("create_agent")
        made = await self.send("create_script", media_type="application/json")
        for name in ("validate_script", "create_script"):
            await self.send(name)
        await self.send("replace_script", script_id=made["script_id"])
        await self.send("show_script", script_id=CHOSEN)
        await self.send("say_line", script_id=CHOSEN)
        for name in ("list_scripts", "list_agents"):
            await self.send(name)
        for name in ("show_agent", "edit_agent", "delete_agent"):
            await self.send(name, agent_id="priya")
        await self.send("delete_script", script_id=made["script_id"])

    async def _campaign(self, ident: str) -> None:
        for name in (
            *(
                "validate_campaign",
                "list_campaigns",
                "show_campaign",
                "add_contacts",
                "edit_campaign",
                "list_contacts",
            ),
            *("explain_campaign", "simulate_campaign", "clone_campaign", "start_campaign"),
        ):
            await self.send(name, campaign_id=ident)
        await self.send("explain_contact", campaign_id=ident, phone="+919876543210")
        await self.send("create_campaign", media_type="multipart/form-data")
        await self.send("add_contacts", media_type="text/csv", campaign_id=ident)
        for name in ("pause_campaign", "resume_campaign", "stop_campaign"):
            await self.send(name, campaign_id=ident)
        await self._calls()
        for name in ("list_calls_of_campaign", "download_results", "download_rejects"):
            await self.send(name, campaign_id=ident)

    async def _calls(self) -> None:
        ident = (await self.send("place_call"))["id"]
        self._daemon.engine.post(TryAnswered(self._daemon.telephony.originated[-1].channel))
        async with asyncio.timeout(10):
            while (await self.send("show_call", call_id=ident))["answered_at"] is None:
                await asyncio.sleep(0)
        await self.send("list_calls")
        await self.send("label_call", call_id=ident)
        await self.send("transfer_call", call_id=ident)
        for name in ("play_recording", "delete_recording"):
            await self.send(name, 404, call_id=ident)
        await self.send("hang_up_call", call_id=ident)

    async def _lists(self) -> None:
        entry = (await self.send("add_entry"))["phone"]
        for name in ("show_entry", "remove_entry"):
            await self.send(name, phone=entry)
        await self.send("import_entries")
        await self.send("list_deeds")
        for name in ("show_person", "erase_person"):
            await self.send(name, phone="+919876543211")
        await self.send("list_entries")
        hook = (await self.send("create_webhook"))["webhook_id"]
        for name in ("show_webhook", "change_webhook", "list_deliveries", "redeliver", "test_webhook"):
            await self.send(name, webhook_id=hook)
        await self.send("list_webhooks")
        await self.send("remove_webhook", webhook_id=hook)
        key = (await self.send("create_key"))["key_id"]
        await self.send("list_keys")
        await self.send("revoke_key", key_id=key)

    async def send(
        self,
        asked: str,
        /,
        expected: int | None = None,
        media_type: str | None = None,
        query: dict[str, str] | None = None,
        **named: str,
    ) -> Any:
        """Carry out an operation with the example of its body."""
        self.asked.add(asked)
        method, path, operation = self._at[asked]
        body: dict[str, Any] = {}
        if content := operation.get("requestBody", {}).get("content"):
            media_type = media_type or next(iter(content))
            body = _body(media_type, content[media_type]["example"])
        answer = await self._api.request(method, path.format(**named), params=query, **body)
        status = str(answer.status_code)
        described = operation["responses"].get(status)
        wanted = expected or int(next(status for status in operation["responses"] if status.startswith("2")))
        assert described is not None, f"{asked}: {status} is not described"
        assert answer.status_code in (wanted, 202 if wanted == 200 else wanted), f"{asked}: {answer.text}"
        told = answer.headers.get("content-type", "").partition(";")[0]
        if "content" not in described:
            assert answer.content == b"", asked
            return None
        assert told in described["content"], f"{asked}: {told}"
        if not told.endswith("json"):
            return None
        schema = described["content"][told]["schema"]
        if told == "application/json" and (faults := checked(self._document, schema, answer.json())):
            self.faults[f"{asked} {status}"] = faults
        return answer.json()


def _body(media_type: str, example: Any) -> dict[str, Any]:
    """A body for httpx."""
    if media_type == "multipart/form-data":
        return {
            "files": {
                part: (None, json.dumps(value), "application/json")
                if isinstance(value, dict)
                else ("list.csv", value, "text/csv")
                for part, value in example.items()
            }
        }
    content = json.dumps(example) if media_type == "application/json" else example
    return {"content": content, "headers": {"Content-Type": media_type}}


def test_the_examples_are_installed_with_the_package() -> None:
    assert "examples.json" in (Path(__file__).parents[2] / "pyproject.toml").read_text()
