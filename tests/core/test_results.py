"""Cells of the files with results: any value that a list may bring becomes one."""

from __future__ import annotations

from typing import Any

import pytest

from dialerd.core.results import TOO_DEEP, text_of


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        ("हैलो", "हैलो"),
        (True, "true"),
        (5, "5"),
        (7.5, "7.5"),
        (["a", {"b": None}], '["a", {"b": null}]'),
    ],
)
def test_a_value_is_a_cell(value: Any, cell: str) -> None:
    assert text_of(value) == cell


def test_a_value_that_is_nested_too_deeply_is_said_to_be() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert text_of(deep) == TOO_DEEP
