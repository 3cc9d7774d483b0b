"""The outbound registrations that trunks need, from what the manager interface says of all there are.

Pure: it asks nothing and tells nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dialerd.core.messages import TrunkRegistration

_REGISTERED = "Registered"


class Registrations:
    """Some registrations by name, and their last state."""

    def __init__(self, names: Iterable[str]) -> None:
        self._states = {name: TrunkRegistration(name, None, "not asked yet") for name in names}

    def __bool__(self) -> bool:
        return bool(self._states)

    def survey(self, answer: Sequence[Mapping[str, str]]) -> None:
        """Take up the answer to PJSIPShowRegistrationsOutbound, which replaces what was known."""
        response, *parts = answer
        if response.get("response") != "Success":
            message = response.get("message", "no reason given")
            detail = (
                f"Asterisk does not tell ({message}): is res_pjsip_outbound_registration loaded, and does the AMI "
                "user have write = system,reporting?"
            )
            self._states = {name: TrunkRegistration(name, None, detail) for name in self._states}
            return
        found = {
            part.get("objectname", ""): part.get("status", "")
            for part in parts
            if part.get("event") == "OutboundRegistrationDetail"
        }
        self._states = {name: _state(name, found.get(name)) for name in self._states}

    def states(self) -> tuple[TrunkRegistration, ...]:
        """What is known."""
        return tuple(self._states.values())


def _state(name: str, status: str | None) -> TrunkRegistration:
    if status is None:
        detail = "Asterisk has no such PJSIP registration: define it in pjsip.conf, or correct the trunk"
        return TrunkRegistration(name, False, detail)
    return TrunkRegistration(name, status == _REGISTERED, status or "no state given")
