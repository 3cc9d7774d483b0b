"""A secret that is shown once: in a dialog, which holds it until it is closed and leaves nothing of it in the page."""

from __future__ import annotations

from nicegui import ui
from nicegui.events import GenericEventArguments

from dialerd.console.blocks import Words, box, button

_COPY = """() => {
  const shown = document.querySelector("[data-secret]");
  const select = () => {
    const range = document.createRange();
    range.selectNodeContents(shown);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return document.execCommand("copy");
  };
  const copied = navigator.clipboard
    ? navigator.clipboard.writeText(shown.textContent).then(() => true, select)
    : Promise.resolve(select());
  copied.then((done) => emit(done));
}"""
"""Copied in the browser, within the click. Browsers lend the clipboard to pages of HTTPS and of loopback alone;
elsewhere the text is selected and copied as by hand."""


def show(title: str, said: str, name: str, secret: str) -> None:
    """Show a secret until it is said to be kept; `name`: what it is."""
    with (
        ui.dialog().props(f'persistent aria-label="{title}"') as dialog,
        box("card").props("role=alertdialog aria-modal=true"),
    ):
        Words("h2", title)
        Words("div", said)
        Words("div", secret, "code").props(
            f'data-secret tabindex=0 role=textbox aria-readonly=true aria-label="{name}"'
        )
        copied = Words("div", "", "small soft").props("aria-live=polite")

        def tell(event: GenericEventArguments) -> None:
            done = event.args is True
            copied.set_text(
                "Copied." if done else "The browser did not copy it: it is selected, press Ctrl+C."
            )

        with box("line end"):
            copy = ui.button("Copy", color=None).props("unelevated no-caps autofocus").classes("ghost")
            copy.on("click", tell, js_handler=_COPY)
            button("I have kept it", dialog.close, kind="primary")
    dialog.on("hide", dialog.delete)
    dialog.open()
