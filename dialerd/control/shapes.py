"""Shapes of bodies for the API's description, taken from the models that read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

REFERENCE = "#/components/schemas/{model}"
"""Where the description keeps shapes that others refer to."""
FILE = {"type": "string", "format": "binary"}


def schema_of(model: type[BaseModel], *required: str) -> dict[str, Any]:
    """The shape of a body; `required` are those that are asked for after reading. What it refers to is left out."""
    schema = model.model_json_schema(ref_template=REFERENCE)
    schema.pop("$defs", None)
    for name in required:
        # null is what it is before it was read, not what it may be.
        schema["properties"][name].pop("default", None)
    return {**schema, "required": list(required)} if required else schema


def parts_of(model: type[BaseModel]) -> dict[str, Any]:
    """The shapes that `schema_of` leaves out, by name."""
    parts: dict[str, Any] = model.model_json_schema(ref_template=REFERENCE).get("$defs", {})
    return parts


def body(by_media_type: Mapping[str, Any]) -> dict[str, Any]:
    """A body that is required, with its shape in each media type."""
    content = {media_type: {"schema": schema} for media_type, schema in by_media_type.items()}
    return {"requestBody": {"required": True, "content": content}}


def json_body(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON body that is required."""
    return body({"application/json": schema})


def csv_part(name: str, csv: dict[str, Any]) -> dict[str, Any]:
    """A form whose only part is a CSV file."""
    return {
        "type": "object",
        "required": [name],
        "properties": {name: {**csv, **FILE}},
    }


def optional_json(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON body that may be left out."""
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


def options(model: type[BaseModel]) -> dict[str, Any]:
    """An optional JSON object with the fields of `model`."""
    return optional_json(schema_of(model))
