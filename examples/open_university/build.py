"""One enrollment snapshot a day from real registrations: the Open University data set (OULAD).

The data is not part of this project. Get `studentRegistration.csv` and `studentInfo.csv` from the
Open University (https://analyse.kmi.open.ac.uk/open_dataset; also in the UCI repository as number
349), licence CC-BY 4.0, and cite: Kuzilek J., Hlosta M., Zdrahal Z., "Open University Learning
Analytics dataset", Scientific Data 4:170171 (2017), doi:10.1038/sdata.2017.171.

One row is one student in one module (`grain: registration`). The source counts days from the start
of a presentation and has no calendar dates: here 2013J starts on 2013-10-05 and 2014J on
2014-10-04, by convention. Students have no names: "Student 11391".

Usage: python examples/open_university/build.py FOLDER_OF_THE_DATA_SET [--to FOLDER]
"""

import argparse
import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from enrollment_assets.config import Settings, load_settings

CONFIG = Path(__file__).with_name("enrollment.yaml")
HEADER = "student_id,student_name,term,module,region,highest_education\n"
_KEY = ["code_module", "code_presentation", "id_student"]
_NEVER = 10**6


def build(
    data: Path,
    settings: Settings,
    folder: Path,
    *,
    on_day: Callable[[int], None] = lambda _: None,
) -> int:
    """Write the snapshot of every day on which one of the terms is open; their number comes back.

    A student is in a module from the day of registration to the day before unregistering.

    Raises:
        FileNotFoundError: if a file of the data set is not in `data`.
    """
    first = min(term.registration_opens for term in settings.terms)
    last = max(term.ends for term in settings.terms)
    seats = _seats(data, settings, first)
    begins, ends = seats["begins"].to_numpy(), seats["ends"].to_numpy()
    lines = seats["line"].to_numpy(dtype=object)
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for offset in range((last - first).days + 1):
        date = first + dt.timedelta(offset)
        on_day(1)
        if settings.why_no_snapshot(date):
            continue
        rows = lines[(begins <= offset) & (ends > offset)]
        text = HEADER + "".join(rows)
        (folder / settings.files.name_for(date)).write_text(text, encoding="utf-8", newline="")
        count += 1
    return count


def _seats(data: Path, settings: Settings, first: dt.date) -> pd.DataFrame:
    """One row per student and module: the line of text and the days it stands in the list."""
    seats = _read(data, "studentRegistration").merge(_read(data, "studentInfo"), on=_KEY)
    seats = seats.dropna(subset=["date_registration"])
    seats = seats[seats["code_presentation"].isin(list(settings.terms_by_code))]
    terms = seats["code_presentation"].map(settings.terms_by_code)
    starts = np.array([(term.starts - first).days for term in terms])
    closes = np.array([(term.ends - first).days + 1 for term in terms])
    left = seats["date_unregistration"].fillna(_NEVER).to_numpy(dtype=int)
    student = seats["id_student"].astype(str)
    line = student + ",Student " + student + "," + seats["code_presentation"]
    for column in ("code_module", "region", "highest_education"):
        line = line + "," + seats[column]
    return pd.DataFrame(
        {
            "line": line + "\n",
            "begins": starts + seats["date_registration"].to_numpy(dtype=int),
            "ends": np.minimum(starts + left, closes),
        }
    ).sort_values("line")


def _read(data: Path, name: str) -> pd.DataFrame:
    for ending in (".csv", ".csv.gz"):
        if (data / (name + ending)).exists():
            wanted = [
                *_KEY,
                "date_registration",
                "date_unregistration",
                "region",
                "highest_education",
            ]
            frame = pd.read_csv(data / (name + ending))
            return frame[[column for column in wanted if column in frame]]
    message = (
        f"{name}.csv is not in {data}; the head of {Path(__file__).name} says where to get it."
    )
    raise FileNotFoundError(message)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="folder with the files of the data set")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "snapshots")
    options = parser.parse_args()
    try:
        count = build(options.data, load_settings(CONFIG), options.to)
    except FileNotFoundError as error:
        parser.error(str(error))
    print(f"{count} snapshots in {options.to}")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
