"""Where users log in with an API key: a plain form, so that nothing of a page exists before the key is known."""

from __future__ import annotations

from html import escape

from nicegui import app
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dialerd.console.context import NAME, Console
from dialerd.console.problem import Away, Refused

LONGEST_KEY = 200
_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Log in · dialerd</title><link rel="stylesheet" href="/theme.css">
<style>@media (prefers-color-scheme: dark) {{ html {{ color-scheme: dark; background: #12181f }} }}</style></head>
<body><main class="login card"><h1>dialerd console</h1>{said}
<form method="post" action="/login"><input type="hidden" name="next" value="{next}">
<p><label for="key">API key</label></p>
<p><input id="key" name="key" type="password" autocomplete="current-password" required autofocus
 maxlength="200" aria-describedby="about"></p>
<p><button type="submit">Log in</button></p></form>
<p id="about" class="soft small">A key of the scope read sees everything, write changes it, admin may hang up
everything too. Whoever runs dialerd makes one: <code>dialerctl key create --scope write</code></p>
</main>
<script>if (matchMedia("(prefers-color-scheme: dark)").matches) document.body.className = "body--dark"</script>
</body></html>
"""
_ENDED = "You are logged out."


def register(console: Console) -> None:
    """Serve the form."""

    @app.get("/login")
    def form(request: Request) -> Response:
        said = _ENDED if "ended" in request.query_params else ""
        return _form(said, request.query_params.get("next", "/"))

    @app.post("/login")
    async def enter(request: Request) -> Response:
        given = await request.form(max_files=0, max_fields=4)
        target = inside(str(given.get("next", "/")))
        key = str(given.get("key", "")).strip()
        if not key or len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable():
            return _form("That is no API key: it begins with dk_.", target, 401)
        try:
            login = await console.logins.enter(key)
        except Refused as refused:
            if refused.status == 401:
                return _form("dialerd does not know this key, or it was revoked.", target, 401)
            return _form(refused.detail, target, 502)
        except Away:
            return _form(f"dialerd does not answer at {console.options.api}. Does it run there?", target, 502)
        # A new name for each login: one that was planted before it is worth nothing.
        request.session[NAME] = login.name
        return RedirectResponse(target, 303)


def inside(target: str) -> str:
    """A path of the console, whatever was asked for."""
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if safe and not target.startswith("/login") else "/"


def _form(said: str, target: str, status: int = 200) -> Response:
    tone = "bad" if status != 200 else ""
    shown = f'<div class="note {tone}" role="alert">{escape(said)}</div>' if said else ""
    page = _PAGE.format(said=shown, next=escape(inside(target)))
    return HTMLResponse(page, status, {"Cache-Control": "no-store"})
