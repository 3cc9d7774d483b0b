"""What every command shares: the daemon it talks to and where its results go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import typer

from dialerd.cli.client import Api, Target
from dialerd.cli.output import Output

EVERYWHERE = (
    "Everywhere, before or after the subcommand: --json; --socket PATH (or DIALERD_CONTROL__SOCKET); "
    "--url URL and --key-file FILE (or DIALERD_URL, DIALERD_KEY); --key KEY shows it to everybody on the machine."
)


@dataclass
class Session:
    """One run of dialerctl."""

    target: Target
    out: Output

    @cached_property
    def api(self) -> Api:
        """The daemon's API; connected at the first request."""
        return Api(self.target)


def session_of(context: typer.Context) -> Session:
    """The session of a command."""
    session: Session = context.find_root().obj
    return session


def group(about: str) -> typer.Typer:
    """A group of subcommands."""
    return typer.Typer(help=about, no_args_is_help=True, epilog=EVERYWHERE)


def command(
    app: typer.Typer, name: str, *examples: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a subcommand whose help ends with examples."""
    shown = "\n\n".join([*(f"Example: {example}" for example in examples), EVERYWHERE])
    return app.command(name, epilog=shown, no_args_is_help=False)
