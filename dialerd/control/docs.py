"""The API's description as one page of HTML, without scripts and without anything from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 14px/1.4 ui-monospace, monospace; }
pre { background: #f4f4f4; padding: .8rem; overflow-x: auto; }
h2 { border-top: 1px solid #ccc; padding-top: 1rem; }
summary { cursor: pointer; }
"""


def render(openapi: Mapping[str, Any]) -> str:
    """The page for an OpenAPI document."""
    info = openapi["info"]
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style>",
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        f"<p>{escape(info.get('description', ''))}</p>",
    ]
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            parts.extend(_operation(method, path, operation))
    return "\n".join(parts) + "</html>\n"


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
    yield f"<p>{escape(operation.get('description', ''))}</p>"
    parameters = operation.get("parameters", [])
    if parameters:
        yield "<ul>"
        for parameter in parameters:
            about = parameter.get("description", "")
            yield f"<li><code>{escape(parameter['name'])}</code> ({parameter['in']}) {escape(about)}</li>"
        yield "</ul>"
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = json.dumps(content.get("schema", {}), indent=2)
        yield f"<details><summary>Body: <code>{escape(media_type)}</code></summary>"
        yield f"<pre>{escape(schema)}</pre></details>"
