"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Local = Annotated[
    Path | None,
    typer.Option(
        "--local",
        metavar="DIR",
        help="The local cloud that keeps its state in this folder, usually .local. Left out: Azure.",
        show_default=False,
    ),
]
