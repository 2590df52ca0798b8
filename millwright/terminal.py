"""Standard output for tables and problems, standard error for trouble. NO_COLOR is respected."""

import os
import sys

from rich.console import Console
from rich.markup import escape

PROBLEMS, FAILED = 1, 2
"""Exit codes: the description has problems; the command could not do its work."""

_WIDTH = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200
"""A file or a pipe has no width: tables are written whole, not cut at 80 columns."""

output = Console(soft_wrap=True, highlight=False, width=_WIDTH)
errors = Console(stderr=True, soft_wrap=True, highlight=False)


def trouble(message: str) -> None:
    """One line about what went wrong and what to do."""
    errors.print(f"[bold red]error[/]: {escape(message)}")
