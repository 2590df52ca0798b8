"""`millwright`: describe factories in files, check them, apply them."""

import typer

from millwright import contracts, factory_commands, models, oee, quarantine

app = typer.Typer(
    name="millwright",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(factory_commands.app, name="factory")
app.add_typer(models.app, name="models")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(contracts.app, name="contracts")
app.add_typer(oee.app, name="oee")


@app.callback()
def millwright() -> None:
    """Describe factories in files, check them, and make the cloud equal to them.

    Start with `millwright factory check factories/smart-factory.yaml`.
    """


def main() -> None:
    """Run the program and exit: 0, 1 for a description with problems, 2 for anything else."""
    app(prog_name="millwright")


if __name__ == "__main__":
    main()
