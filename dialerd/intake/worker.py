"""The helper process itself: reads calls from its standard input, carries them out, writes the results.

A frame is four bytes of length and a pickle. Only the daemon that started it is at the other end. It ends
when its input does; signals meant for the daemon's process group are the daemon's business.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
import traceback
from typing import Any, BinaryIO

from dialerd.core.errors import PortError, RequestError

HEADER = struct.Struct(">I")
NICENESS = 10


def main() -> None:
    """Serve calls until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICENESS)
    # Whatever prints must not end up between two frames.
    with os.fdopen(os.dup(1), "wb") as output:
        os.dup2(2, 1)
        _warm_up()
        _serve(sys.stdin.buffer, output)


def _warm_up() -> None:
    """Import what every contact list needs before the first one comes."""
    import dialerd.intake.tasks  # noqa: F401


def _serve(source: BinaryIO, output: BinaryIO) -> None:
    while True:
        header = source.read(HEADER.size)
        if len(header) < HEADER.size:
            return
        body = source.read(HEADER.unpack(header)[0])
        reply = pickle.dumps(_carry_out(body), protocol=pickle.HIGHEST_PROTOCOL)
        output.write(HEADER.pack(len(reply)) + reply)
        output.flush()


def _carry_out(body: bytes) -> tuple[Any, ...]:
    """`("done", value)`, or what was raised, taken apart: our exceptions do not survive pickling."""
    try:
        function, arguments = pickle.loads(body)
        return ("done", function(*arguments))
    except RequestError as error:
        return ("refused", error.status, error.code, error.title, error.detail, error.faults, error.extra)
    except PortError as error:
        return ("failed", str(error), error.retryable)
    except OSError as error:
        return ("failed", f"cannot write the import's working file: {error}", True)
    except Exception:  # noqa: BLE001 - the daemon reports it; this process must go on serving
        return ("broken", traceback.format_exc(limit=20))


if __name__ == "__main__":
    main()
