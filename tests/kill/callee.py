"""A phone network in SIPp whose callees behave as the last digits of their number say.

One scenario, which branches on the request URI. Whatever a callee does, it survives a caller that falls silent: a
killed Asterisk sends neither CANCEL nor BYE.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.sipp import Callee, play

NEVER = 60_000
"""Milliseconds for which a phone rings that nobody takes, and a callee stays who waits for the caller's end."""


@dataclass(frozen=True)
class Behaviour:
    """What the callees of one range of numbers do. Durations in milliseconds."""

    name: str
    endings: tuple[str, ...]
    """The last digits of their numbers."""
    rings: int | None = None
    """How long the phone rings; None: no 18x at all."""
    code: int = 200
    """The final answer."""
    talks: int = 0
    """After how long an answered callee hangs up; `NEVER`: when the caller does."""
    reason: str = ""
    """The reason dialerd must record, for a callee that cannot be reached."""


def _last_two(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"{ending:02d}" for ending in range(first, last + 1))


PLAN = (
    Behaviour("brief", _last_two(0, 24), rings=200, talks=700),
    Behaviour("stays", _last_two(25, 28), rings=200, talks=NEVER),
    Behaviour("talks", _last_two(29, 38), rings=200, talks=4_000),
    Behaviour("late", _last_two(39, 44), rings=2_500, talks=700),
    Behaviour("at-once", _last_two(45, 49), talks=700),
    Behaviour("busy", _last_two(50, 59), code=486, reason="busy"),
    Behaviour("gone", _last_two(60, 69), rings=1_200, code=480, reason="no_answer"),
    Behaviour("rings-out", _last_two(70, 76), rings=NEVER, code=480, reason="no_answer"),
    Behaviour("declines", _last_two(77, 83), rings=600, code=603, reason="rejected"),
    Behaviour("unknown", _last_two(84, 89), code=404, reason="invalid_number"),
    Behaviour("congested", _last_two(90, 91), code=503, reason="congestion"),
    Behaviour("fails", ("92",), code=500, reason="congestion"),
    Behaviour("breaks", _last_two(93, 99), rings=400, code=502, reason="congestion"),
)
"""Who behaves how; the first that fits."""

_PHRASES = {
    404: "Not Found",
    480: "Temporarily Unavailable",
    486: "Busy Here",
    500: "Server Internal Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    603: "Decline",
}

_HEAD = """      [last_Via:]
      [last_From:]
      [last_To:];tag=[pid]SIPp[call_number]
      [last_Call-ID:]
"""
_CONTACT = "      Contact: <sip:[local_ip]:[local_port]>\n"
_EMPTY = "      Content-Length: 0\n"
_PATIENCE = 8_000
"""How long a callee waits for an ACK or the answer to its BYE."""


def behaviour(number: str) -> Behaviour:
    """What the callee at `number` does."""
    return next(found for found in PLAN if number.endswith(found.endings))


@contextmanager
def network(folder: Path) -> Iterator[Callee]:
    """The phone network, with its message log in `messages.log` of `folder`, until the block ends."""
    with play(scenario(), "network", folder, log_messages=True) as running:
        yield running


def scenario() -> str:
    """The whole scenario."""
    branches = [found for found in PLAN if found is not PLAN[0]]
    return "\n".join(
        [
            '<?xml version="1.0" encoding="ISO-8859-1" ?>',
            '<scenario name="network">',
            '<recv request="INVITE" crlf="true" rrs="true"><action>',
            _keep("From", "remote"),
            _keep("CSeq", "cseq"),
            *(_ask(found) for found in branches),
            "</action></recv>",
            *(f'<nop next="{found.name}" test="{_flag(found)}"/>' for found in branches),
            *(_branch(found) for found in PLAN),
            _REFUSED,
            _CANCELLED,
            _ENDS,
            '<label id="end"/>',
            "</scenario>",
        ]
    )


def _branch(found: Behaviour) -> str:
    parts = [f'<label id="{found.name}"/>']
    if found.rings is not None:
        parts.append(_reply("180 Ringing", _CONTACT + _EMPTY))
        parts.append(
            f'<recv request="CANCEL" timeout="{found.rings}" ontimeout="{found.name}-rang" next="cancelled"/>'
        )
        parts.append(f'<label id="{found.name}-rang"/>')
    if found.code != 200:
        parts.append(_reply(f"{found.code} {_PHRASES[found.code]}", _EMPTY, then="refused"))
        return "\n".join(parts)
    parts.append(_ANSWER)
    # The CANCEL of a caller that has not seen the answer yet may come before its ACK.
    parts.append(f'<recv request="CANCEL" optional="true" next="{found.name}-crossed"/>')
    parts.append(
        f'<recv request="ACK" timeout="{_PATIENCE}" ontimeout="end" next="{found.name}-talks"><action>'
    )
    parts.append(_keep("To", "local") + "</action></recv>")
    parts.append(f'<label id="{found.name}-crossed"/>')
    parts.append(_reply("200 OK", _EMPTY, method="[last_CSeq:]"))
    parts.append(f'<recv request="ACK" timeout="{_PATIENCE}" ontimeout="end"><action>')
    parts.append(_keep("To", "local") + "</action></recv>")
    parts.append(f'<label id="{found.name}-talks"/>')
    parts.append(f'<recv request="BYE" timeout="{found.talks}" ontimeout="hangs-up" next="hung-up"/>')
    return "\n".join(parts)


def _reply(status: str, rest: str, *, method: str = "CSeq:[$cseq]", then: str | None = None) -> str:
    jump = f' next="{then}"' if then else ""
    return f"<send{jump}><![CDATA[\n      SIP/2.0 {status}\n{_HEAD}      {method}\n{rest}]]></send>"


def _keep(header: str, name: str) -> str:
    return f'<ereg regexp=".*" search_in="hdr" header="{header}:" assign_to="{name}"/>'


def _flag(found: Behaviour) -> str:
    return "is_" + found.name.replace("-", "_")


def _ask(found: Behaviour) -> str:
    """Raise the flag of a behaviour if the number called ends as it must."""
    endings = "|".join(found.endings)
    return f'<ereg regexp="^INVITE sip:[+0-9]*({endings})@" search_in="msg" assign_to="{_flag(found)}"/>'


_ANSWER = f"""<send retrans="500"><![CDATA[
      SIP/2.0 200 OK
{_HEAD}      CSeq:[$cseq]
{_CONTACT}      Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o=callee 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [media_port] RTP/AVP 0 101
      a=rtpmap:0 PCMU/8000
      a=rtpmap:101 telephone-event/8000
]]></send>"""

_REFUSED = f"""<label id="refused"/>
<recv request="ACK" timeout="{_PATIENCE}" ontimeout="end" next="end"/>"""

_CANCELLED = "\n".join(
    [
        '<label id="cancelled"/>',
        _reply("200 OK", _EMPTY, method="[last_CSeq:]"),
        _reply("487 Request Terminated", _EMPTY, then="refused"),
    ]
)

_ENDS = "\n".join(
    [
        '<label id="hung-up"/>',
        _reply("200 OK", _EMPTY, method="[last_CSeq:]", then="end"),
        '<label id="hangs-up"/>',
        """<send retrans="500"><![CDATA[
      BYE [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From:[$local]
      To:[$remote]
      [last_Call-ID:]
      CSeq: 1 BYE
      Max-Forwards: 70
      Content-Length: 0
]]></send>""",
        '<recv request="BYE" optional="true" next="both-hung-up"/>',
        # A caller that was killed meanwhile does not know the call.
        '<recv response="481" optional="true" next="end"/>',
        f'<recv response="200" timeout="{_PATIENCE}" ontimeout="end" next="end"/>',
        '<label id="both-hung-up"/>',
        _reply("200 OK", _EMPTY, method="[last_CSeq:]"),
        f'<recv response="200" timeout="{_PATIENCE}" ontimeout="end"/>',
    ]
)
