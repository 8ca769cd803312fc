"""Prints what changed a headcount between two days, for `enrollment explain`."""

import datetime as dt

from enrollment_assets.cli.printing import MOST_LINES, console, listed, plain, signed, table_of
from enrollment_assets.config import Grain, Settings
from enrollment_assets.publishing.explanation import Bridge, Explanation
from enrollment_assets.support.ranges import ranges


def show(
    settings: Settings, explanation: Explanation, asked: tuple[dt.date, dt.date], top: int
) -> None:
    """Print an explanation; `asked` are the requested days, `top` the number of segments to show."""
    for date, used in zip(asked, (explanation.first, explanation.last), strict=True):
        if date != used:
            console.print(
                f"{date} has no accepted snapshot, so the latest earlier one is used: {used}."
            )
    _explain_total(settings, explanation)
    _explain_people(settings, explanation)
    for name, segments in explanation.segments.items():
        _explain_segments(settings, explanation, name, segments, top)
    if explanation.segments:
        if settings.grain is Grain.registration:
            key = "added: new or returning; a student with several values counts in each"
        else:
            key = "back: returning"
        console.print(
            f"{key}; in, out: moved from and to other segments; %: net change as a share of the "
            f"headcount on {explanation.first}."
        )
    for name in explanation.unknown_dimensions:
        console.print(
            f"By {name}: no figures, because not every snapshot from {explanation.first} to "
            f"{explanation.last} was read with it."
        )
    _explain_days(explanation)


def _explain_total(settings: Settings, explanation: Explanation) -> None:
    total = explanation.total
    title = f"{explanation.term.label}: from {explanation.first} to {explanation.last}"
    table = table_of(plain(title), ("headcount", settings.vocabulary.students))
    table.add_row(f"on {explanation.first}", f"{total.before:,}")
    table.add_row("new to the term", signed(total.new))
    table.add_row("returning", signed(total.returning))
    table.add_row("dropped", signed(-total.dropped))
    table.add_row(f"on {explanation.last}", f"{total.after:,}", style="bold")
    console.print(table)
    console.print(
        f"Net change {signed(total.change)}, the sum of the daily changes. {explanation.moved:,} "
        "moves to another segment do not change the headcount."
    )


def _explain_people(settings: Settings, explanation: Explanation) -> None:
    people = explanation.people
    if people is None:
        days = " and ".join(map(str, explanation.not_kept))
        console.print(
            f"The snapshot of {days} was pruned, so students on both days can no longer be counted."
        )
        return
    table = table_of("Comparing the two days", ("headcount", settings.vocabulary.students))
    table.add_row(f"on {explanation.first}", f"{people.before:,}")
    table.add_row(f"left: not enrolled on {explanation.last}", signed(-people.gone))
    table.add_row("still enrolled", f"{people.stayed:,}")
    table.add_row(f"joined: not enrolled on {explanation.first}", signed(people.joined))
    table.add_row(f"on {explanation.last}", f"{people.after:,}", style="bold")
    console.print(table)
    if people.cancelled:
        console.print(
            f"The daily sums above hold {people.cancelled:,} more additions and as many drops: "
            f"{settings.vocabulary.students} who joined and left, or left and came back, between "
            f"the two days; {people.passed_through:,} of them are enrolled on neither day."
        )


def _explain_segments(
    settings: Settings, explanation: Explanation, name: str, segments: dict[str, Bridge], top: int
) -> None:
    """A dimension's segments, the largest change first; those not shown are summed up in one row."""
    by_program = settings.grain is Grain.registration
    flows = ("added",) if by_program else ("new", "back")
    columns = (name, "before", *flows, "drops", "in", "out", "after", "net", "%")
    table = table_of(f"By {name}", columns)
    table.collapse_padding = True

    def add(label: str, bridge: Bridge, style: str | None = None) -> None:
        added = (bridge.new,) if by_program else (bridge.new, bridge.returning)
        moves = (*added, -bridge.dropped, bridge.moved_in, -bridge.moved_out)
        share = (
            f"{100 * bridge.change / explanation.total.before:+.2f}"
            if explanation.total.before
            else ""
        )
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


def _explain_days(explanation: Explanation) -> None:
    gaps = sorted(explanation.gaps, key=lambda gap: (gap.baseline - gap.date, gap.date))
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
        [
            plain(f"{day} {verdict}: {reasons}")
            for day, verdict, reasons in explanation.not_accepted
        ],
    )
    if explanation.restated:
        table = table_of("Changed after it was reported", ("day", "figure", "reported", "now"))
        for line in explanation.restated[:MOST_LINES]:
            values = (line.reported, line.restated)
            shown = ("none" if value is None else f"{value:,}" for value in values)
            # The column counts all added students; in the tables above, "new" are first-timers only.
            figure = "added students" if line.metric == "new_students" else line.metric
            table.add_row(str(line.date), figure.replace("_", " "), *shown)
        console.print(table)
    more = max(len(explanation.restated) - MOST_LINES, 0) + explanation.restated_segments
    if more:
        console.print(
            f"{more:,} more figures were restated, {explanation.restated_segments:,} of them for "
            "segments; see enrollment.metric_restatements."
        )
