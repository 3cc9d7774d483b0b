"""What every section of the settings is, and kinds of values that several of them have."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from dialerd.core.identity import E164
from dialerd.media.address import Address

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""Of a trunk or an engine."""
PJSIP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def _parse_number(value: object) -> E164:
    if isinstance(value, int):
        raise ValueError('write the number as text with its plus sign, e.g. "+15550100100"')
    return E164(str(value))


Number = Annotated[str, BeforeValidator(_parse_number)]
ListenAddress = Annotated[str, AfterValidator(lambda value: str(Address.parse(value)))]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")
