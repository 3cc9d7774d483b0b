"""The settings: who is told of events, who may do what, and who did what. Each page for keys of the scope it takes."""

from __future__ import annotations

from dataclasses import dataclass

from nicegui import ui

from dialerd.console import blocks
from dialerd.console.blocks import Words, box
from dialerd.console.frame import Frame
from dialerd.console.login import Login


@dataclass(frozen=True, slots=True)
class Section:
    """One of the pages, and the scope that a key needs to see it."""

    title: str
    target: str
    scope: str


WEBHOOKS = Section("Webhooks", "/webhooks", "read")
KEYS = Section("API keys", "/keys", "admin")
AUDIT = Section("Audit log", "/audit", "admin")
SECTIONS = (WEBHOOKS, KEYS, AUDIT)


def seen_by(login: Login) -> list[Section]:
    """The pages that a login is led to."""
    return [section for section in SECTIONS if login.covers(section.scope)]


def refusal(login: Login, section: Section) -> str:
    """Why a page is not shown."""
    return (
        f"This page takes an API key of the scope {section.scope}; yours has the scope {login.scope}. "
        f"Log out, and log in with another key."
    )


def begin(frame: Frame, section: Section) -> bool:
    """Head a page of the settings; False: the login may not see it, and is told so."""
    allowed = frame.login.covers(section.scope)
    with frame.content:
        with box("menu sections", "nav").props('aria-label="Settings"'):
            for one in seen_by(frame.login):
                link = ui.link(one.title, one.target)
                if one is section:
                    link.classes("here").props("aria-current=page")
        if not allowed:
            Words("h1", section.title)
            blocks.note(refusal(frame.login, section), "warn")
    return allowed
