"""Reports: the figures of calls, by one thing that they have in common."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from dialerd.control import answers
from dialerd.control.answers.calls import Report
from dialerd.control.context import Controlled, time_in_query
from dialerd.core.report import By
from dialerd.engine.reports import LONGEST, LONGEST_OF_OTHERS, USUAL, Asked

router = APIRouter(prefix="/v1/report", tags=["reports"])

_TIME = "ISO 8601 with offset, or a date on the clocks of `timezone`"
_START = (
    f"{_TIME}. Default: the campaign's creation, else {USUAL} days before the end. "
    f"At most {LONGEST_OF_OTHERS} days before it, by hour {LONGEST[By.HOUR]}"
)


@router.get("", responses=answers.of(Report, "the figures"))
async def show_report(
    control: Controlled,
    by: Annotated[str | None, Query(description=f"required: {', '.join(By)}")] = None,
    start: Annotated[str | None, Query(alias="from", description=_START)] = None,
    end: Annotated[str | None, Query(alias="to", description=f"{_TIME}, inclusive. Default: now")] = None,
    campaign_id: Annotated[str | None, Query(description="only this campaign's calls")] = None,
    timezone: Annotated[
        str | None, Query(description="IANA zone of hours, days and dates. Default: UTC")
    ] = None,
) -> JSONResponse:
    """Calls that are over, by when they began: how many, how many counted as an attempt, were answered, cost no
    attempt (`refunds`) and were positive, the tries that were given up for one over another trunk (`failovers`), and
    the reasons. `connect_rate` is answered ÷ counted.

    A call belongs to its last try's trunk and caller id. By time the groups are in its order (hours and days without
    calls are left out, `hour_of_day` has all 24), others have most calls first."""
    asked = Asked(by, _time(start), _time(end), campaign_id, timezone)
    return JSONResponse(await control.service.reports.show(asked))


def _time(value: str | None) -> str | None:
    return None if value is None else time_in_query(value)
