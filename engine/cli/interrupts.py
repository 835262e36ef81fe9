"""Ctrl-C while a command is still importing: one line in place of a traceback.

Commands import this module before all others, because what follows takes seconds. The process then ends by SIGINT, as
Python's do.
"""

import sys
from types import TracebackType


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("\ninterrupted before anything was done", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _report
