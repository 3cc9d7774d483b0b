"""TwiML, as much of it as a call needs that a bot holds: Connect with a Stream, Pause, Redirect and Hangup.

Other verbs and attributes are refused by name, since whoever wrote them waits for what they do. A document type is
refused too: nothing that expands or leads elsewhere is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any
from xml.parsers import expat

from dialerd.core.record import record

LONGEST = 16_000
MOST_PAUSE = 60.0
_VERBS = ("Connect", "Pause", "Redirect", "Hangup")
_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "Response": (),
    "Connect": (),
    "Stream": ("url", "name", "track"),
    "Parameter": ("name", "value"),
    "Pause": ("length",),
    "Redirect": ("method",),
    "Hangup": (),
}
"""Understood ones. A stream's name is for requests that do not exist here; of its tracks there is one."""
_TRACK = "inbound_track"
_WITH_CHILDREN = ("Response", "Connect", "Stream")
_WITH_TEXT = ("Redirect",)


class TwimlFault(ValueError):
    """What is wrong with a document."""


@record
class Pause:
    """Silence."""

    seconds: float


@record
class Stream:
    """The call's audio goes to a WebSocket and comes from it, until that ends."""

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@record
class Redirect:
    """Go on with the document that is fetched there."""

    url: str
    method: str = "POST"


@record
class Hangup:
    """The call is over."""


Verb = Pause | Stream | Redirect | Hangup


def parse(text: str) -> tuple[Verb, ...]:
    """What a document says. Raises `TwimlFault`."""
    if len(text) > LONGEST:
        raise TwimlFault(f"is longer than {LONGEST:,} characters")
    root = _tree(text)
    if root.name != "Response":
        raise TwimlFault(f"must be a <Response>, not a <{root.name}>")
    _look_at(root)
    return tuple(_verb(element) for element in root.children)


class _Element:
    """A tag with what is in it."""

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[_Element] = []
        self.text = ""


def _tree(text: str) -> _Element:
    open_tags = [_Element("", {})]

    def begin(name: str, attributes: dict[str, str]) -> None:
        element = _Element(name, attributes)
        open_tags[-1].children.append(element)
        open_tags.append(element)
        if len(open_tags) > 16:
            raise TwimlFault("is nested too deeply")

    def end(_name: str) -> None:
        open_tags.pop()

    def said(data: str) -> None:
        open_tags[-1].text += data

    def refuse(*_: Any) -> None:
        raise TwimlFault("must have no document type and no entities")

    # Whatever encoding it names was undone when it became text.
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = said
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        raise TwimlFault(f"is no XML: {expat.ErrorString(error.code)} (line {error.lineno})") from None
    except UnicodeError:
        raise TwimlFault("is no text") from None
    return open_tags[0].children[0]


def _look_at(element: _Element) -> None:
    """Refuse what would have no effect. Of a verb that is not known nothing else is said."""
    known = _ATTRIBUTES.get(element.name)
    if known is None:
        return
    for name in element.attributes:
        if name not in known:
            there = f"there are: {', '.join(known)}" if known else "there is none"
            raise TwimlFault(f"the attribute {name} of <{element.name}> is not supported; {there}")
    if element.children and element.name not in _WITH_CHILDREN:
        raise TwimlFault(f"<{element.name}> must hold nothing, not <{element.children[0].name}>")
    if element.text.strip() and element.name not in _WITH_TEXT:
        raise TwimlFault(f"<{element.name}> has text in it")
    for child in element.children:
        _look_at(child)


def _verb(element: _Element) -> Verb:
    match element.name:
        case "Pause":
            return Pause(_length(element.attributes.get("length", "1")))
        case "Redirect":
            url = element.text.strip()
            if not url:
                raise TwimlFault("<Redirect> must hold a URL")
            return Redirect(url, _method(element.attributes.get("method", "POST")))
        case "Hangup":
            return Hangup()
        case "Connect":
            return _connect(element)
    raise TwimlFault(f"the verb <{element.name}> is not supported; there are: {', '.join(_VERBS)}")


def _connect(element: _Element) -> Stream:
    if len(element.children) != 1 or element.children[0].name != "Stream":
        found = ", ".join(f"<{child.name}>" for child in element.children) or "nothing"
        raise TwimlFault(f"<Connect> must hold one <Stream>, not {found}")
    stream = element.children[0]
    url = stream.attributes.get("url", "")
    if not url:
        raise TwimlFault("<Stream> must have a url")
    if (track := stream.attributes.get("track", _TRACK)) != _TRACK:
        raise TwimlFault(f"the track {track[:20]!r} of <Stream> is not supported; there is: {_TRACK}")
    parameters: dict[str, str] = {}
    for child in stream.children:
        name = child.attributes.get("name", "")
        if child.name != "Parameter" or not name:
            raise TwimlFault("<Stream> may hold <Parameter name=… value=…> alone")
        parameters[name] = child.attributes.get("value", "")
    return Stream(url, parameters)


def _length(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise TwimlFault(f"<Pause> has a length of {text[:20]!r}, which is no number") from None
    if not 0 <= seconds <= MOST_PAUSE:
        raise TwimlFault(f"<Pause> must last 0 to {MOST_PAUSE:g} seconds")
    return seconds


def _method(text: str) -> str:
    if text.upper() not in ("GET", "POST"):
        raise TwimlFault(f"the method {text[:20]!r} is not supported; there are: GET, POST")
    return text.upper()
