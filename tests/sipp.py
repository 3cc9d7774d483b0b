"""SIPp as the callee of every call: busy, or answering and staying until the caller hangs up.

It is also the witness: its message log says which INVITE arrived when.
"""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_HEAD = """      [last_Via:]
      [last_From:]
      [last_To:];tag=[pid]SIPp[call_number]
      [last_Call-ID:]
      [last_CSeq:]
"""

_BUSY = f"""<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="busy">
  <recv request="INVITE" crlf="true"/>
  <send><![CDATA[
      SIP/2.0 486 Busy Here
{_HEAD}      Content-Length: 0
]]></send>
  <recv request="ACK"/>
</scenario>
"""

_ANSWER = f"""<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="answer">
  <recv request="INVITE" crlf="true"/>
  <send><![CDATA[
      SIP/2.0 180 Ringing
{_HEAD}      Contact: <sip:[local_ip]:[local_port]>
      Content-Length: 0
]]></send>
  <send retrans="500"><![CDATA[
      SIP/2.0 200 OK
{_HEAD}      Contact: <sip:[local_ip]:[local_port]>
      Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o=callee 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [media_port] RTP/AVP 0 101
      a=rtpmap:0 PCMU/8000
      a=rtpmap:101 telephone-event/8000
]]></send>
  <recv request="ACK"/>
  <recv request="BYE" timeout="120000"/>
  <send><![CDATA[
      SIP/2.0 200 OK
{_HEAD}      Content-Length: 0
]]></send>
</scenario>
"""

_BYE_WHEN_ASKED = f"""  <recv request="BYE" timeout="120000"/>
  <send><![CDATA[
      SIP/2.0 200 OK
{_HEAD}      Content-Length: 0
]]></send>
"""

_BYE_AFTER_400_MS = """  <pause milliseconds="400"/>
  <send retrans="500"><![CDATA[
      BYE [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From:[$local]
      To:[$remote]
      [last_Call-ID:]
      CSeq: 1 BYE
      Max-Forwards: 70
      Content-Length: 0
]]></send>
  <recv response="200"/>
"""

_KEEP = '<action><ereg regexp=".*" search_in="hdr" header="{header}:" assign_to="{name}"/></action>'
_HANG_UP = (
    _ANSWER.replace(_BYE_WHEN_ASKED, _BYE_AFTER_400_MS)
    .replace(
        '<recv request="INVITE" crlf="true"/>',
        f'<recv request="INVITE" crlf="true" rrs="true">{_KEEP.format(header="From", name="remote")}</recv>',
    )
    .replace(
        '<recv request="ACK"/>',
        f'<recv request="ACK">{_KEEP.format(header="To", name="local")}</recv>',
    )
)

SCENARIOS = {"busy": _BUSY, "answer": _ANSWER, "hang-up": _HANG_UP}

_MARK = re.compile(r"^-{10,} (?P<at>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+)", re.MULTILINE)
_INVITE = re.compile(r"^INVITE sip:(?P<user>[^@]+)@", re.MULTILINE)
_CALL_ID = re.compile(r"^Call-ID: *(?P<id>\S+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Invite:
    """One call that arrived: its first INVITE."""

    at: float
    """Seconds since the epoch, by SIPp's own clock."""
    user: str
    """The user part of the request URI."""
    call_id: str


@dataclass(frozen=True)
class Message:
    """One SIP message of the log."""

    at: float
    """Seconds since the epoch, by SIPp's own clock."""
    received: bool
    text: str

    @property
    def call_id(self) -> str | None:
        """Which call it belongs to."""
        found = _CALL_ID.search(self.text)
        return found["id"] if found is not None else None


def messages(log: Path) -> Iterator[Message]:
    """Every message of a SIPp message log, in order, retransmissions included."""
    text = log.read_text(errors="replace")
    marks = list(_MARK.finditer(text))
    starts = [mark.start() for mark in marks]
    for mark, end in zip(marks, [*starts[1:], len(text)], strict=False):
        head, _, body = text[mark.end() : end].strip().partition("\n")
        at = datetime.fromisoformat(mark["at"]).astimezone().timestamp()
        yield Message(at, "message received" in head, body.lstrip())


def invites(log: Path) -> list[Invite]:
    """The first INVITE of every call in a SIPp message log, in order; retransmissions are left out."""
    found: dict[str, Invite] = {}
    for message in messages(log):
        invite = _INVITE.search(message.text) if message.received else None
        if invite is not None and message.call_id is not None:
            found.setdefault(message.call_id, Invite(message.at, invite["user"], message.call_id))
    return list(found.values())


@dataclass(frozen=True)
class Callee:
    """A running SIPp and where it listens."""

    address: str
    folder: Path
    process: subprocess.Popen[bytes]


def free_port() -> int:
    """A UDP port of the loopback address that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def callee(kind: str, folder: Path, *, log_messages: bool = False) -> Iterator[Callee]:
    """Run SIPp with the scenario `kind` until the block ends.

    `busy` refuses; `answer` rings, answers and waits for the caller to hang up; `hang-up` does so itself after 400 ms.
    """
    with play(SCENARIOS[kind], kind, folder, log_messages=log_messages) as running:
        yield running


@contextmanager
def play(xml: str, name: str, folder: Path, *, log_messages: bool = False) -> Iterator[Callee]:
    """Run SIPp with a scenario of one's own until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    scenario = folder / f"{name}.xml"
    scenario.write_text(xml)
    port = free_port()
    command = [
        "sipp", "-sf", str(scenario), "-i", "127.0.0.1", "-p", str(port), "-mi", "127.0.0.1",
        "-nostdin", "-trace_err", "-error_file", str(folder / f"{name}-errors.log"),
    ]  # fmt: skip
    if log_messages:
        command += ["-trace_msg", "-message_file", str(folder / "messages.log"), "-message_overwrite", "true"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        time.sleep(0.3)
        if process.poll() is not None:
            raise RuntimeError(f"sipp ended with {process.returncode}; see {folder}")
        yield Callee(f"127.0.0.1:{port}", folder, process)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
