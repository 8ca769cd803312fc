"""Options that several commands share, and what they refuse."""

import datetime as dt
import getpass
from collections.abc import Callable
from typing import Any

import click

from enrollment_assets.config import Settings
from enrollment_assets.errors import ConfigurationError


class Day(click.ParamType[dt.date]):
    """A date, written as 2026-09-08."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The date of a text."""
        if isinstance(value, dt.date):
            return value
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date; write it as 2026-09-08.", param, ctx)


def check_days(settings: Settings, *days: dt.date) -> None:
    """Refuse days that have no partition."""
    today = settings.today()
    for day in days:
        if day < settings.start_date:
            raise ConfigurationError(
                f"{day} is before start_date {settings.start_date} in {settings.path}; give a later "
                "date, or set start_date earlier."
            )
        if day > today:
            raise ConfigurationError(
                f"{day} is in the future; today is {today} in {settings.institution.timezone}."
            )


def decision_options(*, several_days: bool = False) -> Callable[[Callable[..., None]], Any]:
    """Which snapshot, why, and who decides; with `several_days` also a day from which on."""
    of_day = "Day of the snapshot."
    options = [
        click.option("--by", default=getpass.getuser, help="Who decides; default: your login."),
        click.option("--reason", required=True, help="Why; kept in operations.snapshot_attempts."),
        click.option(
            "--term", default=None, help="Code of the term; default: all terms of the day."
        ),
    ]
    if several_days:
        help_text = "First of the days in a row that wait; all of them are accepted."
        options.append(click.option("--from", "since", type=Day(), default=None, help=help_text))
    options.append(
        click.option("--date", "day", type=Day(), required=not several_days, help=of_day)
    )

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        for option in options:
            function = option(function)
        return function

    return decorate
