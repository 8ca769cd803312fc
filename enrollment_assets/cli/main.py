"""The `enrollment` command: finds each subcommand's module, and reports an error in one sentence.

A subcommand's module is imported when it is called: Dagster alone takes a second, and neither
`enrollment --help` nor `enrollment status` needs it.
"""

import importlib
import sys

import click
from rich.console import Console

from enrollment_assets.cli.printing import console, plain
from enrollment_assets.errors import ConfigurationError, EnrollmentError

# Each subcommand: the module of this room that holds it, and its line in the list of commands (the
# first sentence of its help; a test compares the two).
COMMANDS = {
    "init": ("start", "Make a folder to run in: configuration, Dagster's files, your own SQL."),
    "demo": ("runs", "Build the example university and process all of its days."),
    "run": ("runs", "Process one day."),
    "backfill": ("runs", "Process a range of past days in one run."),
    "rebuild": ("runs", "Restate a whole term after its dates were edited."),
    "status": ("questions", "Show which dates are accepted, missing, held, rejected or stale."),
    "explain": ("questions", "Show what changed a term's headcount between two days."),
    "metric": ("metrics", "Compute a custom metric for one day and show its rows."),
    "students": ("questions", "Write lists of a day's added, dropped and moved students."),
    "doctor": ("doctor", "Test configuration, source, warehouse, Dagster, mail and alerts."),
    "config": ("configuration", "Print what is configured, and where each value comes from."),
    "accept": ("decisions", "Accept a snapshot that was held or rejected."),
    "reject": ("decisions", "Reject a snapshot that was accepted, or discard one that is held."),
    "census": ("census", "Show, confirm or move the official count of a term."),
    "acknowledge": ("decisions", "Explain an anomaly."),
    "prune": ("upkeep", "Remove data older than the periods under `retention`."),
    "backup": (
        "upkeep",
        "Write the warehouse, quarantined rows, lists and reports into one file.",
    ),
    "restore": ("upkeep", "Put a backup in the place of what is there."),
    "ui": ("ui", "Open Dagster's interface, with the daemon that runs the schedule."),
    "serve": ("serving", "Serve the reports and a read-only JSON API."),
}


class _Commands(click.Group):
    """Imports a subcommand's module only when that subcommand is called."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"enrollment_assets.cli.{COMMANDS[name][0]}")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="enrollment-assets")
def cli() -> None:
    """Watch university enrollment from daily snapshots."""


def main() -> None:
    """Run the command; an error is one sentence and a non-zero exit."""
    try:
        cli()
    except EnrollmentError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"[bold red]Error:[/] {plain(str(error))}"
        )
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
    except KeyboardInterrupt:
        console.print("Interrupted. No day was left half-written.")
        sys.exit(130)


if __name__ == "__main__":
    main()
