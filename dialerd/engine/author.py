"""Who is asking: set where a request comes in, read where a change is written down.

It travels with the task that carries the request out, so that nothing in between has to hand it on. It decides
nothing: what may be done is decided before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from dialerd.core.journal import Author

_DAEMON = Author()
_author: ContextVar[Author] = ContextVar("author", default=_DAEMON)


def author() -> Author:
    """Whoever is asking; the daemon itself if nobody is."""
    return _author.get()


@contextmanager
def acting(who: Author) -> Iterator[None]:
    """While a request of theirs is carried out."""
    token = _author.set(who)
    try:
        yield
    finally:
        _author.reset(token)
