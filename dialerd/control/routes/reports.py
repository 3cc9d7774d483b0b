"""Reports: the figures of calls, by one thing that they have in common."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from dialerd.control import answers
from dialerd.control.answers.calls import Report
from dialerd.control.context import Controlled
from dialerd.control.queries import time_in_query
from dialerd.core.report import By
from dialerd.engine.reports import LONGEST, LONGEST_OF_OTHERS, USUAL, Asked

router = APIRouter(prefix="/v1/report", tags=["reports"])

_TIME = "ISO 8601 with offset, or a date on the clocks of `timezone`"
_START = (
    f"{_TIME}. Default: the campaign's creation, else {USUAL} days before the end. "
    f"At most {LONGEST_OF_OTHERS} days before it, by hour {LONGEST[By.HOUR]}"
)
_Time = Annotated[str, AfterValidator(time_in_query)]


class ReportQuery(BaseModel):
    """Which report. What it comes to, unknown parameters included, is judged by `dialerd.engine.reports`."""

    model_config = ConfigDict(extra="allow")

    by: str | None = Field(None, description=f"required: {', '.join(By)}")
    start: _Time | None = Field(None, alias="from", description=_START)
    end: _Time | None = Field(None, alias="to", description=f"{_TIME}, inclusive. Default: now")
    campaign_id: str | None = Field(None, description="only this campaign's calls")
    timezone: str | None = Field(None, description="IANA zone of hours, days and dates. Default: UTC")


@router.get("", responses=answers.of(Report, "the figures"))
async def show_report(control: Controlled, asked: Annotated[ReportQuery, Query()]) -> JSONResponse:
    """Calls that are over, by when they began: how many, how many counted as an attempt, were answered, cost no
    attempt (`refunds`) and were positive, the tries that were given up for one over another trunk (`failovers`), and
    the reasons. `connect_rate` is answered ÷ counted.

    A call belongs to its last try's trunk and caller id. By time the groups are in its order (hours and days without
    calls are left out, `hour_of_day` has all 24), others have most calls first."""
    question = Asked(
        asked.by, asked.start, asked.end, asked.campaign_id, asked.timezone, tuple(asked.model_extra or ())
    )
    return JSONResponse(await control.service.reports.show(question))
