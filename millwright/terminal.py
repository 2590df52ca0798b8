"""Standard output for tables and problems, standard error for trouble. NO_COLOR is respected."""

from rich.console import Console
from rich.markup import escape

PROBLEMS, FAILED = 1, 2
"""Exit codes: the description has problems; the command could not do its work."""

output = Console(soft_wrap=True, highlight=False)
errors = Console(stderr=True, soft_wrap=True, highlight=False)


def trouble(message: str) -> None:
    """One line about what went wrong and what to do."""
    errors.print(f"[bold red]error[/]: {escape(message)}")
