"""The charts of one day as PNG files, with a text for those who cannot see them."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from enrollment_assets.config import Anchor, Settings, Term
from enrollment_assets.reporting import canvas
from enrollment_assets.reporting.canvas import LABEL, MUTED, TICK, drawn
from enrollment_assets.reporting.colors import INK, SHAPE_CONTRAST, TEXT_CONTRAST, readable
from enrollment_assets.reporting.figures import DayFigures
from enrollment_assets.reporting.summary import by_contribution
from enrollment_assets.reporting.words import (
    count,
    days,
    label,
    label_of,
    percent,
    plain,
    signed,
    signed_percent,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL import Image

# Days of adds and drops to show: six weeks make the rhythm of the week visible.
_RECENT_DAYS = 42
_MOST_SEGMENTS = 12
_LONG_NAME = 30
# So many days without a snapshot get a large cross each.
_FEW_GAPS = 5
# A gap longer than this is no weekend: the line stops, and begins again.
_LONG_GAP = 10
# Readable in Dagster's UI, and small enough for an event.
_PREVIEW_WIDTH = 720
# Earlier terms in grey: told apart by their dashes.
_EARLIER = ((0, (6, 2)), (0, (2, 1.5)), (0, (5, 2, 1, 2)))
_GREYS = ("#6b7785", "#7b8794", "#8d98a4")
_OTHERS = ("--", "-.", ":")
# Vermilion of Okabe and Ito (2008), darkened: apart from blues and greens for every colour vision.
_DOWN = "#b3541e"


@dataclass(frozen=True)
class Chart:
    """A picture and what it says."""

    name: str
    title: str
    png: bytes
    alt: str
    preview: bytes = b""


def draw_charts(figures: DayFigures, settings: Settings) -> list[Chart]:
    """The trend, daily changes, continuation, segments and, last, the dashboard with a preview."""
    artist = _Artist(figures, settings)
    panels: Sequence[tuple[str, str, Callable[[Any], str]]] = (
        ("trend", "Pace", artist.trend),
        ("daily_changes", "Added and dropped", artist.daily_changes),
        ("continuation", "Continuation", artist.continuation),
        ("segments", "What the change is made of", artist.segments),
    )
    charts, pictures = [], []
    for name, title, draw in panels:
        sheet = canvas.sheet()
        alt = draw(sheet.add_subplot())
        pictures.append(canvas.picture(sheet))
        charts.append(Chart(name, title, canvas.png(pictures[-1]), alt))
    whole = canvas.together(artist.header(), pictures)
    preview = canvas.png(canvas.scaled(whole, _PREVIEW_WIDTH))
    alt = " ".join(chart.alt for chart in charts)
    return [*charts, Chart("dashboard", "Dashboard", canvas.png(whole), alt, preview)]


class _Artist:
    def __init__(self, figures: DayFigures, settings: Settings) -> None:
        self._figures = figures
        self._settings = settings
        self._main = figures.main
        self._primary = readable(settings.reports.primary_color, least=SHAPE_CONTRAST)
        self._up = readable(settings.reports.accent_color, least=SHAPE_CONTRAST)
        self._name = drawn(figures.main.label)
        self._said = label(figures.main)

    def header(self) -> "Image.Image":
        """The dashboard's title: whose figures, and of which day."""
        sheet = canvas.sheet(2 * canvas.WIDTH, 0.62)
        color = readable(self._settings.reports.primary_color, least=TEXT_CONTRAST)
        name = drawn(self._settings.institution.name, 70)
        sheet.text(0.008, 0.4, name, fontsize=17, fontweight="bold", color=color, va="center")
        when = f"{drawn(self._settings.vocabulary.enrollment.capitalize())} as of {self._figures.day}"
        sheet.text(0.992, 0.4, when, fontsize=13, color=INK, va="center", ha="right")
        return canvas.picture(sheet)

    # Pace

    def _x(self, term: Term, dates: "pd.Series[pd.Timestamp]") -> "pd.Series[int]":
        """Days from the anchor: negative before it."""
        anchor = pd.Timestamp(getattr(term, self._settings.point_in_time.anchor.value))
        found: pd.Series[int] = (dates - anchor).dt.days
        return found

    def trend(self, axes: "Axes") -> str:
        """The main term's curve beside those of earlier terms, and where it is expected to go."""
        rows = self._figures.of(self._main)
        words = [self._main_curve(axes, rows)]
        words += self._earlier_curves(axes)
        words += self._fan(axes, rows)
        self._marks(axes, rows)
        title = f"Pace of {self._name}"
        canvas.dress(axes, title)
        self._pace_axes(axes)
        self._headcount(axes, rows)
        axes.legend(
            frameon=False, fontsize=TICK, loc="best", labelcolor=INK, handlelength=2.8
        )
        return f"Line chart of the headcount of {self._said} by {self._axis_words()}. " + " ".join(words)

    def _main_curve(self, axes: "Axes", rows: pd.DataFrame) -> str:
        x, totals = _with_gaps(self._x(self._main, rows["date"]), rows["total_enrollment"])
        single = len(rows) == 1
        axes.plot(
            *(x, totals, "-"),
            color=self._primary,
            linewidth=2.8,
            marker="o" if single else None,
            label=self._name,
            zorder=5,
        )
        last = rows.iloc[-1]
        axes.plot(
            [x[-1]], [last["total_enrollment"]], "o", color=self._primary, markersize=6, zorder=6
        )
        first = rows.iloc[0]
        if single:
            return f"It has {count(last['total_enrollment'])} on {last['date'].date()}, its first snapshot."
        return (
            f"It went from {count(first['total_enrollment'])} on {first['date'].date()} to "
            f"{count(last['total_enrollment'])} on {last['date'].date()}."
        )

    def _headcount(self, axes: "Axes", rows: pd.DataFrame) -> None:
        """Today's figure beside its point, on the side where there is room."""
        last = rows.iloc[-1]
        x = self._x(self._main, pd.Series([last["date"]])).iloc[0]
        low, high = axes.get_xlim()
        is_left = x - low < (high - low) / 6
        axes.annotate(
            count(last["total_enrollment"]),
            (x, last["total_enrollment"]),
            xytext=(8, -14) if is_left else (-7, 6),
            textcoords="offset points",
            ha="left" if is_left else "right",
            color=readable(self._primary),
            fontsize=LABEL + 1,
            fontweight="bold",
            zorder=7,
        )

    def _earlier_curves(self, axes: "Axes") -> list[str]:
        words = []
        styles = zip(self._figures.earlier, _EARLIER, _GREYS, strict=False)
        for term, dash, grey in styles:
            rows = self._figures.of(term)
            if rows.empty:
                continue
            x, totals = _with_gaps(self._x(term, rows["date"]), rows["total_enrollment"])
            axes.plot(
                *(x, totals),
                linestyle=dash,
                color=grey,
                linewidth=1.7,
                marker="o" if len(rows) == 1 else None,
                markersize=4,
                label=drawn(term.label),
                zorder=3,
            )
            words.append(self._earlier_words(term, rows))
        return words

    def _earlier_words(self, term: Term, rows: pd.DataFrame) -> str:
        now = self._x(self._main, pd.Series([pd.Timestamp(self._figures.day)])).iloc[0]
        before = rows[self._x(term, rows["date"]) <= now]
        if before.empty:
            return f"{label(term)} had no snapshot so early."
        last = before.iloc[-1]
        return f"{label(term)} had {count(last['total_enrollment'])} on {last['date'].date()}."

    def _fan(self, axes: "Axes", rows: pd.DataFrame) -> list[str]:
        """The forecast, from today's point on, with its intervals."""
        found = self._figures.forecast_of(self._main).sort_values("target_date")
        if found.empty:
            return ["There is no forecast."]
        last = rows.iloc[-1]
        today = self._x(self._main, pd.Series([last["date"]])).iloc[0]
        x = [today, *self._x(self._main, found["target_date"])]

        def from_today(column: str) -> list[float]:
            return [float(last["total_enrollment"]), *found[column].astype(float)]

        levels = sorted(self._settings.forecast.intervals, reverse=True)
        # The widest one and the 80 % that is told of; more of them would only be a blur.
        for level, shade in ((levels[0], 0.16), (80, 0.26)):
            if level == 80 and shade < 0.2:  # noqa: PLR2004 - 80 is the only interval
                continue
            axes.fill_between(
                x,
                from_today(f"lower_{level}"),
                from_today(f"upper_{level}"),
                color=self._primary,
                alpha=shade,
                linewidth=0,
                label=f"{level} % range",
                zorder=2,
            )
        axes.plot(
            *(x, from_today("forecast")),
            linestyle=(0, (1, 1.2)),
            color=self._primary,
            linewidth=2,
            label="expected",
            zorder=4,
        )
        return [self._fan_words(found)]

    def _fan_words(self, found: pd.DataFrame) -> str:
        at_census = found[found["target_date"] == pd.Timestamp(self._main.census)]
        row = found.iloc[-1] if at_census.empty else at_census.iloc[0]
        what = "" if at_census.empty else ", its census"
        return (
            f"On {row['target_date'].date()}{what}, {count(row['forecast'])} are expected, with an 80 % "
            f"range from {count(row['lower_80'])} to {count(row['upper_80'])}."
        )

    def _marks(self, axes: "Axes", rows: pd.DataFrame) -> None:
        """The census and the start as upright lines."""
        marks = [("census", self._main.census, "--"), ("start", self._main.starts, "-")]
        low, high = axes.get_xlim()
        for words, date, dash in marks:
            place = self._x(self._main, pd.Series([pd.Timestamp(date)])).iloc[0]
            # A mark that is far away would press the curve into a corner.
            if not low - (high - low) * 0.5 <= place <= high + (high - low) * 0.5:
                continue
            axes.axvline(place, color=MUTED, linewidth=1, linestyle=dash, zorder=1)
            axes.annotate(
                words,
                (place, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3 if words == "census" else -3, -2),
                textcoords="offset points",
                ha="left" if words == "census" else "right",
                va="top",
                color=MUTED,
                fontsize=TICK - 0.5,
            )

    def _axis_words(self) -> str:
        return {
            Anchor.starts: "days to the start",
            Anchor.census: "days to the census",
            Anchor.registration_opens: "days since registration opened",
        }[self._settings.point_in_time.anchor]

    def _pace_axes(self, axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        counts_down = self._settings.point_in_time.anchor is not Anchor.registration_opens

        def tick(value: float, _: object) -> str:
            if value == 0:
                return "0"
            if counts_down:
                return f"{-value:,.0f}" if value < 0 else f"+{value:,.0f}"
            return count(value)

        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1, steps=[1, 2, 3, 5, 6, 10]))
        axes.xaxis.set_major_formatter(tick)
        after = " (+ after it)" if counts_down else ""
        axes.set_xlabel(self._axis_words() + after, color=MUTED, fontsize=LABEL)
        _whole_numbers(axes)
        axes.set_ylim(0, max(axes.get_ylim()[1], 1) * 1.04)
        axes.margins(x=0.02)
        low, high = axes.get_xlim()
        if high - low < 6:  # noqa: PLR2004 - fewer days than a week look like more than they are
            axes.set_xlim(low - 3, high + 3)

    # Added and dropped

    def daily_changes(self, axes: "Axes") -> str:
        """Added students upwards, dropped ones downwards, the net change, and days that lack."""
        title = f"Added and dropped, {self._name}"
        said = f"Added and dropped, {self._said}"
        since = pd.Timestamp(self._figures.day) - pd.Timedelta(days=_RECENT_DAYS)
        rows = self._figures.of(self._main)
        rows = rows[(rows["date"] > since) & rows["baseline_date"].notna()]
        if rows.empty:
            canvas.nothing(axes, title, "no two snapshots to compare yet")
            return f"{said}: no two snapshots to compare yet."
        dates = rows["date"].to_numpy()
        added, dropped = rows["new_students"].to_numpy(), rows["dropped_students"].to_numpy()
        axes.bar(dates, added, color=self._up, width=0.8, label="added")
        axes.bar(
            *(dates, -dropped),
            color=_DOWN,
            width=0.8,
            label="dropped",
            hatch="///",
            edgecolor="white",
            linewidth=0,
        )
        net = rows["net_change"].to_numpy()
        axes.plot(dates, net, color=INK, linewidth=1.1, marker=".", markersize=4, label="net")
        axes.axhline(0, color=MUTED, linewidth=0.8)
        lacking = self._lacking(rows, since)
        self._mark_gaps(axes, rows, lacking)
        canvas.dress(axes, title)
        self._changes_axes(axes, rows)
        return self._changes_words(rows, lacking)

    def _lacking(self, rows: pd.DataFrame, since: pd.Timestamp) -> list[pd.Timestamp]:
        """Days that are shown, and on which a snapshot was expected and is not there."""
        first = max(rows["baseline_date"].iloc[0], since)
        there = {*rows["date"], rows["baseline_date"].iloc[0]}
        return [
            date
            for date in pd.date_range(first, self._figures.day)
            if date not in there and self._settings.why_no_snapshot(date.date()) is None
        ]

    def _mark_gaps(
        self, axes: "Axes", rows: pd.DataFrame, lacking: Sequence[pd.Timestamp]
    ) -> None:
        """A cross where a snapshot lacks, and over a bar that covers more days how many."""
        if lacking:
            axes.plot(
                *(list(lacking), [0] * len(lacking)),
                linestyle="none",
                marker="x",
                color=_DOWN,
                markersize=7 if len(lacking) <= _FEW_GAPS else 3,
                markeredgewidth=2 if len(lacking) <= _FEW_GAPS else 1,
                label="no snapshot",
                zorder=5,
            )
        for _, row in rows.iterrows():
            inside = [date for date in lacking if row["baseline_date"] < date < row["date"]]
            if inside:
                axes.annotate(
                    days(int(row["days_since_baseline"])),
                    (row["date"], max(row["new_students"], 0)),
                    xytext=(0, 4),
                    textcoords="offset points",
                    ha="center",
                    color=MUTED,
                    fontsize=TICK - 1.5,
                )

    def _changes_axes(self, axes: "Axes", rows: pd.DataFrame) -> None:
        _whole_numbers(axes, lambda value: f"{abs(value):,.0f}")
        # Bars stick to zero; a line of zeros must not lie on the frame.
        high, low = rows["new_students"].max(), -rows["dropped_students"].max()
        room = max(0.08 * (high - low), 0.5)
        axes.set_ylim(low - room, high + room)
        last = pd.Timestamp(self._figures.day)
        first = max(rows["baseline_date"].iloc[0], last - pd.Timedelta(days=_RECENT_DAYS))
        # A bar of a day is a day wide, however few there are.
        shown = max((last - first).days, 8)
        canvas.date_axis(axes, last.date() - dt.timedelta(shown), last.date())
        axes.legend(
            frameon=False,
            fontsize=TICK,
            ncols=4,
            loc="lower right",
            bbox_to_anchor=(1, 1),
            borderpad=0,
            handlelength=1.4,
            columnspacing=1.2,
        )

    def _changes_words(self, rows: pd.DataFrame, lacking: Sequence[pd.Timestamp]) -> str:
        first, last = rows["date"].iloc[0].date(), rows["date"].iloc[-1].date()
        span = f"on {first}" if first == last else f"from {first} to {last}"
        text = (
            f"Bar chart of {self._said} {span}: {count(rows['new_students'].sum())} added and "
            f"{count(rows['dropped_students'].sum())} dropped, {signed(rows['net_change'].sum())} in all"
        )
        if rows["dropped_students"].max() > 0:
            worst = rows.loc[rows["dropped_students"].idxmax()]
            text += (
                f"; most dropped on {worst['date'].date()} ({count(worst['dropped_students'])})"
            )
        if lacking:
            text += f"; {days(len(lacking))} without a snapshot"
        return text + "."

    # Continuation

    def continuation(self, axes: "Axes") -> str:
        """Share of the census cohort still enrolled, beside its target; day over day before."""
        followed = [
            term
            for term in self._figures.terms
            if len(self._figures.continuation_of(term.code)) > 0
        ]
        if followed:
            return self._since_census(axes, followed)
        return self._day_over_day(axes)

    def _since_census(self, axes: "Axes", followed: Sequence[Term]) -> str:
        from matplotlib.ticker import MaxNLocator

        leading = self._main if self._main in followed else max(followed, key=lambda t: t.starts)
        others = [term for term in followed if term is not leading]
        words = []
        low = float(self._settings.reports.continuation_target)
        longest = 1
        curves: list[tuple[str, str, dict[str, Any]]] = [
            (leading.code, drawn(leading.label), {"color": self._primary, "linewidth": 2.8, "zorder": 5})
        ]
        curves += [
            (term.code, drawn(term.label), {"color": self._primary, "linewidth": 1.5, "linestyle": dash})
            for term, dash in zip(others, _OTHERS, strict=False)
        ]
        past = leading.comparison
        if past and past not in [term.code for term in followed]:
            style = {"color": _GREYS[0], "linewidth": 1.7, "linestyle": _EARLIER[0]}
            curves.append((past, drawn(label_of(past, self._settings)), style))
        for code, name, style in curves:
            rows = self._figures.continuation_of(code)
            if rows.empty:
                continue
            x, values = _with_gaps(rows["days_since_census"], rows["continuation_pct"])
            marker = "o" if len(rows) == 1 else None
            axes.plot(x, values, label=name, marker=marker, **style)
            low = min(low, float(rows["continuation_pct"].min()))
            longest = max(longest, int(rows["days_since_census"].max()))
            last = rows.iloc[-1]
            words.append(
                f"{label_of(code, self._settings)} stands at {percent(last['continuation_pct'])} after "
                f"{days(int(last['days_since_census']))}."
            )
        canvas.dress(axes, "Continuation since census")
        axes.set_xlabel("days since the census", color=MUTED, fontsize=LABEL)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
        axes.set_xlim(0, max(longest * 1.03, 7))
        self._target(axes, low)
        return f"Line chart of the share of the census cohort still enrolled: {' '.join(words)} {self._target_words()}"

    def _day_over_day(self, axes: "Axes") -> str:
        title = "Continuation, day over day (before the census)"
        since = pd.Timestamp(self._figures.day) - pd.Timedelta(days=_RECENT_DAYS)
        rows = self._figures.of(self._main)
        rows = rows[rows["baseline_date"].notna() & (rows["date"] > since)]
        if rows.empty:
            return canvas.nothing(axes, "Continuation", "no two snapshots to compare yet")
        dates, rates = rows["date"], rows["retention_rate"]
        axes.plot(
            *(dates.to_numpy(), rates.to_numpy()),
            color=self._primary,
            linewidth=2,
            marker=".",
            markersize=9 if len(rows) == 1 else 5,
            label=self._name,
        )
        canvas.dress(axes, title)
        last = dates.iloc[-1].date()
        shown = max((last - dates.iloc[0].date()).days, 8)
        canvas.date_axis(axes, last - dt.timedelta(shown), last)
        self._target(axes, min(float(rates.min()), self._settings.reports.continuation_target))
        lowest = rows.loc[rates.idxmin()]
        return (
            f"Line chart of the day-over-day continuation of {self._said}, whose census is still to come: "
            f"{percent(rates.iloc[-1], 2)} on {dates.iloc[-1].date()}, at the lowest "
            f"{percent(lowest['retention_rate'], 2)} on {lowest['date'].date()}. {self._target_words()}"
        )

    def _target_words(self) -> str:
        return f"The target is {self._settings.reports.continuation_target:g} %."

    def _target(self, axes: "Axes", low: float) -> None:
        target = self._settings.reports.continuation_target
        axes.axhline(target, color=_DOWN, linewidth=1.5, linestyle=(0, (5, 3)), zorder=4)
        axes.annotate(
            f"target {target:g} %",
            (0.01, target),
            xycoords=("axes fraction", "data"),
            xytext=(0, 4),
            textcoords="offset points",
            color=_DOWN,
            fontsize=LABEL,
        )
        axes.set_ylim(low - max(0.6, (100 - low) * 0.15), 100 + max(0.3, (100 - low) * 0.08))
        axes.yaxis.set_major_formatter("{x:.4g} %")
        axes.legend(frameon=False, fontsize=TICK, loc="best", labelcolor=INK, handlelength=2.8)

    # Segments

    def segments(self, axes: "Axes") -> str:
        """The main term's segments by what they contribute to the change."""
        dimension, rows = self._telling_dimension()
        if dimension is None:
            why = (
                "no dimension is configured"
                if not self._settings.dimensions
                else "segments were not compared on this day"
            )
            return canvas.nothing(axes, "Segments", why)
        withheld = int(rows["suppression"].notna().sum())
        changed = rows[rows["change"].notna()]
        if len(changed):
            hidden = int(rows["change"].isna().sum())
            return self._contributions(axes, dimension, by_contribution(changed), hidden)
        sized = rows[rows["suppression"].isna() & (rows["total_enrollment"] > 0)]
        if sized.empty:
            return canvas.nothing(axes, f"Segments by {dimension}", "all of them are withheld")
        sized = sized.sort_values(["total_enrollment", "segment"], ascending=[False, True])
        return self._sizes(axes, dimension, sized, withheld)

    def _telling_dimension(self) -> tuple[str | None, pd.DataFrame]:
        """The dimension with the most segments that can be drawn; programs where they can."""
        segments = self._figures.segments
        segments = segments[segments["term"] == self._main.code]
        best: tuple[str | None, pd.DataFrame] = (None, segments.head(0))
        most = -1
        for dimension in self._settings.dimensions:
            rows = segments[segments["dimension"] == dimension]
            drawable = int(rows["total_enrollment"].notna().sum())
            if len(rows) and (drawable > most or (dimension == "program" and drawable > 0)):
                best, most = (dimension, rows), drawable
                if dimension == "program" and drawable:
                    break
        return best

    def _contributions(
        self, axes: "Axes", dimension: str, rows: pd.DataFrame, withheld: int
    ) -> str:
        past = label_of(rows["comparison_term"].iloc[0], self._settings)
        shown = rows.head(_MOST_SEGMENTS)
        values = shown["change"].astype(float).to_numpy()[::-1]
        texts = [
            signed(change) + (f" ({signed_percent(pct)})" if pd.notna(pct) else "")
            for change, pct in shown[["change", "change_pct"]].to_numpy()[::-1]
        ]
        self._bars(axes, shown["segment"].tolist()[::-1], values, texts)
        canvas.dress(axes, f"Change against {drawn(past)}, by {drawn(dimension)}")
        self._bar_axes(axes, len(shown), _note(len(rows) - len(shown), withheld))
        first = shown.iloc[0]
        return (
            f"Bar chart of what each {dimension} of {self._said} adds to the change against {past} at the same "
            f"point, led by {plain(first['segment'])} with {signed(first['change'])}. "
            f"{_note(len(rows) - len(shown), withheld)}"
        ).strip()

    def _sizes(self, axes: "Axes", dimension: str, rows: pd.DataFrame, withheld: int) -> str:
        shown = rows.head(_MOST_SEGMENTS)
        values = shown["total_enrollment"].astype(float).to_numpy()[::-1]
        self._bars(axes, shown["segment"].tolist()[::-1], values, [count(v) for v in values])
        canvas.dress(axes, f"{self._name} by {drawn(dimension)} (no same point yet)")
        self._bar_axes(axes, len(shown), _note(len(rows) - len(shown), withheld))
        first = shown.iloc[0]
        return (
            f"Bar chart of the headcount of {self._said} by {dimension}, led by {plain(first['segment'])} with "
            f"{count(first['total_enrollment'])}; there is no same point to compare with. "
            f"{_note(len(rows) - len(shown), withheld)}"
        ).strip()

    def _bars(
        self, axes: "Axes", names: Sequence[str], values: Any, texts: Sequence[str]
    ) -> None:
        places = range(len(names))
        bars = axes.barh(
            places,
            values,
            color=[self._primary if value >= 0 else _DOWN for value in values],
            height=0.72,
        )
        for bar, value in zip(bars, values, strict=True):
            if value < 0:  # told apart without colour too
                bar.set(hatch="///", edgecolor="white", linewidth=0)
        axes.bar_label(bars, labels=texts, padding=4, fontsize=TICK - 1, color=INK)
        axes.set_yticks(places, [drawn(_middle_out(plain(name))) or "(blank)" for name in names])
        reach = max(abs(values).max(), 1)
        has_down = bool((values < 0).any())
        has_up = bool((values >= 0).any())
        axes.set_xlim(-reach * 1.45 if has_down else 0, reach * 1.45 if has_up else 0)

    def _bar_axes(self, axes: "Axes", bars: int, note: str) -> None:
        axes.grid(visible=False)
        axes.set_xticks([])
        axes.spines[["bottom", "left"]].set_visible(False)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.tick_params(axis="y", length=0, labelsize=TICK - (1 if bars > 9 else 0))  # noqa: PLR2004
        for name in axes.get_yticklabels():
            name.set_color(INK)
        axes.set_ylim(-0.7, max(bars, 5) - 0.3)
        if note:
            axes.set_xlabel(note, color=MUTED, fontsize=TICK - 1, loc="left")


def _note(more: int, withheld: int) -> str:
    parts = []
    if more > 0:
        parts.append(f"{more} more with smaller parts are not drawn")
    if withheld:
        parts.append(f"{withheld} withheld, since small numbers would be told")
    text = "; ".join(parts)
    return f"{text}." if text else ""


def _middle_out(name: str) -> str:
    """A long name without its middle: many differ at the end only."""
    half = _LONG_NAME // 2
    return name if len(name) <= _LONG_NAME else f"{name[:half].rstrip()}…{name[1 - half :].lstrip()}"


def _with_gaps(x: Any, y: Any) -> tuple[list[float], list[float]]:
    """The points of a line that stops where days lack, and begins again after them."""
    places, values = [float(v) for v in x], [float(v) for v in y]
    found_x: list[float] = []
    found_y: list[float] = []
    for place, value in zip(places, values, strict=True):
        if found_x and place - found_x[-1] > _LONG_GAP:
            found_x.append(place)
            found_y.append(float("nan"))
        found_x.append(place)
        found_y.append(value)
    return found_x, found_y


def _whole_numbers(axes: "Axes", show: Callable[[float], str] = count) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(lambda value, _: show(value))
