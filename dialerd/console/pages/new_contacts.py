"""The step of the contact list: a file or a paste, and what became of each row of it."""

from __future__ import annotations

from typing import Any

from nicegui import events, ui

from dialerd.console import contact_text, listing, phone, wording
from dialerd.console.blocks import Words, box
from dialerd.console.contact_text import ContactText
from dialerd.console.draft import Draft
from dialerd.console.listing import Column

LARGEST = 20_000_000
"""Bytes that a browser may send: the daemon has a limit of its own, and says so."""
SHOWN = 200
_EXAMPLE = "phone,name,loan_amount\n+919876543210,Priya Sharma,50000\n+919123456789,Amit Patel,75000"


class ContactStep:
    """Who is called."""

    def __init__(self, draft: Draft, whole_numbers: bool) -> None:
        self._draft = draft
        self._whole = whole_numbers
        self._file: ContactText | None = None
        self._said: Words
        self._judged: tuple[bytes, str] | None = None
        Words(
            "div",
            "A CSV file (comma, semicolon or tab) whose first line names its columns: phone is "
            "required, in E.164 form such as +919876543210. name, timezone and external_id are "
            "known, and each other column is a variable of the script. A number that is listed "
            "twice is called once.",
        )
        with box("halves"):
            with box(""):
                Words("div", "Upload a file", "strong")
                ui.upload(
                    label="CSV file with contacts", auto_upload=True, max_file_size=LARGEST, on_upload=self._uploaded,
                    on_rejected=lambda: self._said.set_text("This file is too large."),
                ).props('accept=".csv,.txt,.tsv,text/csv" flat bordered').classes("contacts-file")  # fmt: skip
                self._said = Words("div", "", "soft").props("role=status")
            with box(""):
                Words("div", "Or paste the list", "strong")
                self._pasted = ui.textarea("Contacts, one a line", placeholder=_EXAMPLE).props(
                    "outlined rows=6 maxlength=500000"
                )
                self._pasted.classes("w-full")
        with box("fields"):
            ui.input("Country of numbers without a country code (IN, US …)").props(
                "outlined maxlength=2"
            ).bind_value(draft, "region")
        self._result = box("").props("aria-live=polite")

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        content = await event.file.read()
        self._file = contact_text.uploaded(content)
        self._pasted.set_value("")
        self._said.set_text(f"{event.file.name}: {len(content):,} bytes")

    async def take(self) -> bool:
        """Put the list into the draft; False: there is none."""
        typed = str(self._pasted.value or "")
        found = contact_text.pasted(typed) if typed.strip() else self._file
        if found is None:
            self._result.clear()
            with self._result:
                Words("div", "Upload a CSV file or paste a list first.", "note bad").props("role=alert")
            return False
        self._draft.contacts = found
        return True

    def show(self, report: dict[str, Any]) -> bool:
        """What became of the rows; whether the step is done with."""
        asked = (self._draft.csv, self._draft.region)
        again = self._judged == asked
        if not again:
            self._draft.leave_out_invalid = False
        self._judged = asked
        usable = report["accepted"] > 0
        if usable and (not report["invalid"] or (again and self._draft.leave_out_invalid)):
            self._result.clear()
            return True
        self._result.clear()
        with self._result:
            self._counts(report)
            self._rows("Rows that cannot be called", report["invalid"])
            if usable and report["invalid"]:
                kept = wording.count(report["accepted"], "contact")
                left = wording.count(len(report["invalid"]), "row")
                ui.checkbox(f"Leave these {left} out and call the other {kept}").bind_value(
                    self._draft, "leave_out_invalid"
                )
                Words("div", "Or correct the list and give it again. Then press Next.", "soft")
            self._rows("Numbers listed more than once: the first row counts", report["duplicate_rows"])
            self._rows("Taken, but look at them", report["warnings"])
        return False

    def _counts(self, report: dict[str, Any]) -> None:
        invalid = len(report["invalid"])
        said = (
            f"{wording.count(report['received'], 'row')}: {report['accepted']:,} can be called, "
            f"{invalid:,} cannot, {report['duplicates']:,} repeat a number; "
            f"{report['suppressed_dnc']:,} of the first are on the do-not-call list and will not be."
        )
        Words("div", said, f"note {'bad' if invalid else ''}").props("role=status data-counts")

    def _rows(self, title: str, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        contacts = self._draft.contacts
        assert contacts is not None
        Words("div", title, "strong")
        listing.plain(
            (
                Column("line", "Line", "number"),
                Column("phone", "Number"),
                Column("reason", "Column, and what is wrong with it", "wrap"),
            ),
            [
                {
                    "line": contacts.line(row["line"]),
                    "phone": phone.shown(row["phone"], whole=self._whole),
                    "reason": phone.blurred(_in_words(row["reason"]), whole=self._whole),
                }
                for row in rows[:SHOWN]
            ],
        ).props("dense")
        if len(rows) > SHOWN:
            Words("div", f"and {len(rows) - SHOWN:,} more", "soft")


def _in_words(reason: str) -> str:
    """A reason without names that are the API's alone."""
    return reason.replace("default_region accepts", "with the country below the dialer accepts")
