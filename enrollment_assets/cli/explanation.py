"""Prints what took a headcount from one day to another, for `enrollment explain`."""

import datetime as dt

from enrollment_assets.cli.printing import MOST_LINES, console, listed, plain, signed, table_of
from enrollment_assets.config import Grain, Settings
from enrollment_assets.publishing.explanation import Bridge, Explanation
from enrollment_assets.support.ranges import ranges


def show(settings: Settings, found: Explanation, asked: tuple[dt.date, dt.date], top: int) -> None:
    """Print an explanation; `asked` are the days that were asked for, `top` the segments to show."""
    for date, taken in zip(asked, (found.first, found.last), strict=True):
        if date != taken:
            console.print(f"{date} has no accepted snapshot: the latest before it is of {taken}.")
    _explain_total(settings, found)
    _explain_people(settings, found)
    for name, segments in found.segments.items():
        _explain_segments(settings, found, name, segments, top)
    if found.segments:
        if settings.grain is Grain.registration:
            words = "added: new or returning; who has several values counts in each"
        else:
            words = "back: returning"
        console.print(
            f"{words}; in, out: moved from and to other segments; %: net in percent of the headcount "
            f"of {found.first}."
        )
    for name in found.unknown_dimensions:
        console.print(
            f"By {name}: no figures of {found.first}, whose snapshot was gone when {name} came into "
            "the configuration."
        )
    _explain_days(found)


def _explain_total(settings: Settings, found: Explanation) -> None:
    total = found.total
    title = f"{found.term.label}: from {found.first} to {found.last}"
    table = table_of(plain(title), ("headcount", settings.vocabulary.students))
    table.add_row(f"on {found.first}", f"{total.before:,}")
    table.add_row("new, for the first time in the term", signed(total.new))
    table.add_row("returning", signed(total.returning))
    table.add_row("dropped", signed(-total.dropped))
    table.add_row(f"on {found.last}", f"{total.after:,}", style="bold")
    console.print(table)
    console.print(
        f"Net change {signed(total.change)}, summed over the days between. {found.moved:,} moves to "
        "another segment leave the headcount as it is."
    )


def _explain_people(settings: Settings, found: Explanation) -> None:
    people = found.people
    if people is None:
        days = " and ".join(map(str, found.not_kept))
        console.print(f"The list of {days} was pruned: who is in both cannot be counted any more.")
        return
    table = table_of("The same by people", ("headcount", settings.vocabulary.students))
    table.add_row(f"on {found.first}", f"{people.before:,}")
    table.add_row(f"left: not there on {found.last}", signed(-people.gone))
    table.add_row("still enrolled", f"{people.stayed:,}")
    table.add_row(f"joined: not there on {found.first}", signed(people.joined))
    table.add_row(f"on {found.last}", f"{people.after:,}", style="bold")
    console.print(table)
    if people.cancelled:
        console.print(
            f"Who came and went, or left and came back, between makes {people.cancelled:,} more "
            f"additions and as many drops above; {people.passed_through:,} of these people are on "
            "neither day."
        )


def _explain_segments(
    settings: Settings, found: Explanation, name: str, segments: dict[str, Bridge], top: int
) -> None:
    """A dimension's segments, the largest change first; what is not shown stands there as a sum."""
    by_program = settings.grain is Grain.registration
    flows = ("added",) if by_program else ("new", "back")
    columns = (name, "before", *flows, "drops", "in", "out", "after", "net", "%")
    table = table_of(f"By {name}", columns)
    table.collapse_padding = True

    def add(label: str, bridge: Bridge, style: str | None = None) -> None:
        added = (bridge.new,) if by_program else (bridge.new, bridge.returning)
        moves = (*added, -bridge.dropped, bridge.moved_in, -bridge.moved_out)
        share = f"{100 * bridge.change / found.total.before:+.2f}" if found.total.before else ""
        table.add_row(
            plain(label),
            f"{bridge.before:,}",
            *map(signed, moves),
            f"{bridge.after:,}",
            signed(bridge.change),
            share,
            style=style,
        )

    bridges = list(segments.items())
    for segment, bridge in bridges[:top]:
        add(segment, bridge)
    if len(bridges) > top:
        rest = [bridge for _, bridge in bridges[top:]]
        add(f"and {len(rest):,} more", sum(rest, Bridge()))
    add("sum", sum(segments.values(), Bridge()), style="bold")
    console.print(table)


def _explain_days(found: Explanation) -> None:
    gaps = sorted(found.gaps, key=lambda gap: (gap.baseline - gap.date, gap.date))
    listed(
        "Changes over more than one day",
        [
            f"{gap.baseline} to {gap.date}: "
            + "; ".join(f"{why} {ranges(days)}" for why, days in gap.why.items())
            for gap in gaps
        ],
        "the shorter ones",
    )
    listed(
        "Not accepted",
        [plain(f"{day} {verdict}: {reasons}") for day, verdict, reasons in found.not_accepted],
    )
    if found.restated:
        table = table_of("Changed after it was reported", ("day", "figure", "reported", "now"))
        for line in found.restated[:MOST_LINES]:
            values = (line.reported, line.restated)
            shown = ("none" if value is None else f"{value:,}" for value in values)
            # The column holds all who were added; above, only first-timers are new.
            figure = "added students" if line.metric == "new_students" else line.metric
            table.add_row(str(line.date), figure.replace("_", " "), *shown)
        console.print(table)
    more = max(len(found.restated) - MOST_LINES, 0) + found.restated_segments
    if more:
        console.print(
            f"{more:,} more figures, {found.restated_segments:,} of them of segments, were restated: "
            "enrollment.metric_restatements."
        )
