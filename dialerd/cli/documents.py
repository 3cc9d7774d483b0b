"""Campaigns and scripts as files: YAML, which JSON is too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError

from dialerd.cli.client import bad_input

SUFFIXES = (".json", ".yaml", ".yml")


class _Times(SafeConstructor):
    """Times stay the text that the API reads."""


_Times.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def campaign(path: Path) -> dict[str, Any]:
    """The fields of a campaign, with or without its contacts. Raises `CliError`."""
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = _Times
    try:
        document = reader.load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise bad_input(f"cannot read {path}: {error}") from None
    if not isinstance(document, dict):
        raise bad_input(f"{path} holds no campaign: it must be an object with the fields of the API")
    return document


def text(path: Path) -> bytes:
    """A file as it is. Raises `CliError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise bad_input(f"cannot read {path}: {error.strerror}") from None
