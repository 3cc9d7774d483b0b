"""The reachability of one PJSIP endpoint, put together from what the manager interface says of its contacts.

Pure: it asks nothing and tells nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dialerd.core.messages import TrunkReachability

_VERDICT = {"Reachable": True, "Unreachable": False}
"""A contact's status; any other (`NonQualified`, `Unknown`) says nothing."""


class Contacts:
    """The contacts of one endpoint and their last status. One that answers is enough to dial."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._status: dict[str, str] = {}
        self._fault: str | None = "not asked yet"
        self._exists: bool | None = None

    def survey(self, answer: Sequence[Mapping[str, str]]) -> None:
        """Take up the answer to PJSIPShowEndpoint, which replaces what was known."""
        response, *parts = answer
        self._status = {}
        self._fault = None
        if response.get("response") == "Success":
            self._exists = True
            for part in parts:
                if part.get("event") == "ContactStatusDetail":
                    self._status[part.get("uri", "")] = part.get("status", "")
            return
        message = response.get("message", "no reason given")
        self._exists = False if message.startswith("Unable to retrieve endpoint") else None
        self._fault = (
            f"Asterisk has no PJSIP endpoint {self._endpoint!r}: define it in pjsip.conf, or correct the trunk"
            if self._exists is False
            else f"Asterisk does not tell the endpoint's state ({message}): is res_pjsip loaded, and does the AMI "
            "user have write = system?"
        )

    def note(self, event: Mapping[str, str]) -> bool:
        """Take up a ContactStatus event. False: the endpoint has changed more than that, ask again."""
        status = event.get("contactstatus", "")
        if not self._exists or status not in _VERDICT:
            return False
        self._status[event.get("uri", "")] = status
        return True

    def state(self) -> TrunkReachability:
        """What is known."""
        if self._fault is not None:
            return TrunkReachability(self._endpoint, self._exists, self._fault)
        if not self._status:
            return TrunkReachability(
                self._endpoint,
                False,
                "the endpoint has no contact: set one in its aor, or it is not registered",
            )
        verdicts = {_VERDICT.get(status) for status in self._status.values()}
        reachable = True if True in verdicts else None if None in verdicts else False
        detail = ", ".join(f"{uri} {status}" for uri, status in sorted(self._status.items()))
        return TrunkReachability(self._endpoint, reachable, detail)
