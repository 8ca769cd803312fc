"""The query templates for student systems: each withstands what its system is known for.

The vendors' databases cannot run here. Their templates are parsed in their own dialect and then run,
translated, on DuckDB over tables with the vendors' names; the student's id names the trap.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
import sqlglot
from sqlalchemy.dialects import mssql, oracle, postgresql
from sqlglot import exp

from enrollment_assets_tests.conftest import CHECKOUT, day

TEMPLATES = CHECKOUT / "sql" / "extract"
COLUMNS = ["student_id", "student_name", "term", "division", "program", "level", "status"]
WEIRD = "x'; DROP TABLE students; --"

Row = tuple[Any, ...]
Tables = Mapping[str, tuple[str, Sequence[Row]]]  # name -> columns, rows


def at(moment: str) -> dt.datetime:
    return dt.datetime.fromisoformat(moment)


@dataclass(frozen=True)
class Example:
    """Tables with traps; who comes out of them on which day, as differences from `usual`."""

    file: str
    tables: Tables
    usual: Mapping[str, Any]
    days: Mapping[str, Sequence[Mapping[str, Any]]]

    def expected(self, date: str) -> list[Row]:
        rows = [{**self.usual, **row} for row in self.days[date]]
        return in_order(tuple(row[name] for name in COLUMNS) for row in rows)


def in_order(rows: Iterator[Row]) -> list[Row]:
    return sorted((tuple(row) for row in rows), key=repr)


def students(*ids: str) -> list[dict[str, Any]]:
    return [{"student_id": identifier} for identifier in ids]


# --- tables of one's own -----------------------------------------------------------------------

OWN = Example(
    file="enrollment_query.sql",
    tables={
        "enrollment_history": (
            "student_id term program level status valid_from valid_to",
            [
                ("stays", "2024FA", "HIST", "Junior", "enrolled", day("2024-04-01"), None),
                ("added that day", "2024FA", "HIST", "Junior", "enrolled", day("2024-05-02"), None),
                ("added next day", "2024FA", "HIST", "Junior", "enrolled", day("2024-05-03"), None),
                ("dropped that day", "2024FA", "HIST", "Junior", "enrolled", day("2024-04-01"), day("2024-05-02")),
                ("dropped later", "2024FA", "HIST", "Junior", "enrolled", day("2024-04-01"), day("2024-06-01")),
                ("moved", "2024FA", "HIST", "Junior", "enrolled", day("2024-04-01"), day("2024-06-01")),
                ("moved", "2024FA", "MATH", "Junior", "enrolled", day("2024-06-01"), None),
                ("two programs", "2024FA", "HIST", "Junior", "enrolled", day("2024-04-01"), None),
                ("two programs", "2024FA", "MATH", "Junior", "enrolled", day("2024-04-01"), None),
                ("no program row", "2024FA", "NEW", None, "enrolled", day("2024-04-01"), None),
                ("no name", "2024FA", "HIST", "Junior", "enrolled", day("2024-04-01"), None),
                ("one name", "2024FA", "HIST", "Junior", "enrolled", day("2024-04-01"), None),
                ("00042", "2024FA", "HIST", "Junior", "enrolled", day("2024-04-01"), None),
                ("waits", "2024FA", "HIST", "Junior", "waitlisted", day("2024-04-01"), None),
                ("weird term", WEIRD, "HIST", "Junior", "enrolled", day("2024-04-01"), None),
            ],
        ),
        "students": (
            "student_id last_name first_name",
            [
                *((name, "Last", "First") for name in (
                    "stays", "added that day", "added next day", "dropped that day", "dropped later",
                    "moved", "two programs", "no program row", "00042", "waits", "weird term",
                )),
                ("one name", "Sukarno", None),
            ],
        ),
        "programs": ("program title division", [("HIST", "History", "Arts"), ("MATH", "Mathematics", "Science")]),
    },
    usual={
        "student_name": "Last, First", "term": "2024FA", "division": "Arts", "program": "History",
        "level": "Junior", "status": "enrolled",
    },
    days={
        "2024-05-02": [
            *students("stays", "added that day", "dropped later", "moved", "two programs", "00042"),
            {"student_id": "two programs", "division": "Science", "program": "Mathematics"},
            {"student_id": "no program row", "division": None, "program": "NEW", "level": None},
            {"student_id": "no name", "student_name": None},
            {"student_id": "one name", "student_name": "Sukarno"},
            {"student_id": "waits", "status": "waitlisted"},
            {"student_id": "weird term", "term": WEIRD},
        ],
        "2024-06-01": [
            *students("stays", "added that day", "added next day", "two programs", "00042"),
            {"student_id": "moved", "division": "Science", "program": "Mathematics"},
            {"student_id": "two programs", "division": "Science", "program": "Mathematics"},
            {"student_id": "no program row", "division": None, "program": "NEW", "level": None},
            {"student_id": "no name", "student_name": None},
            {"student_id": "one name", "student_name": "Sukarno"},
            {"student_id": "waits", "status": "waitlisted"},
            {"student_id": "weird term", "term": WEIRD},
        ],
        "2024-03-31": [],
    },
)  # fmt: skip


# --- Banner ------------------------------------------------------------------------------------

# each section's audit: student, term, section, sequence, status, source, error flag, when
AUDIT = [
    ("many sections", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("many sections", "202480", "2", 2, "RW", "BASE", None, "2024-08-01 09:00"),
    ("many sections", "202480", "2", 3, "DD", "BASE", None, "2024-08-02 09:00"),
    ("many sections", "202480", "1", 4, "DD", "TEMP", None, "2024-08-03 09:00"),
    ("that evening", "202480", "1", 1, "RE", "BASE", None, "2024-08-15 23:59"),
    ("next midnight", "202480", "1", 1, "RE", "BASE", None, "2024-08-16 00:00"),
    ("dropped", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("dropped", "202480", "1", 2, "DD", "BASE", None, "2024-08-20 09:00"),
    ("added again", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("added again", "202480", "1", 2, "DD", "BASE", None, "2024-08-01 09:00"),
    ("added again", "202480", "1", 3, "RE", "BASE", None, "2024-08-01 09:00"),
    ("dropped at once", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("dropped at once", "202480", "1", 2, "DD", "BASE", None, "2024-08-01 09:00"),
    ("withdrawn", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("withdrawn", "202480", "1", 2, "WD", "BASE", None, "2024-08-20 09:00"),
    ("waits", "202480", "1", 1, "WL", "BASE", None, "2024-08-01 09:00"),
    ("fatal error", "202480", "1", 1, "RE", "BASE", "F", "2024-08-01 09:00"),
    ("waits by flag", "202480", "1", 1, "RE", "BASE", "L", "2024-08-01 09:00"),
    ("do not count", "202480", "1", 1, "RE", "BASE", "D", "2024-08-01 09:00"),
    ("overridden", "202480", "1", 1, "RE", "BASE", "O", "2024-08-01 09:00"),
    ("only tried", "202480", "1", 1, "RE", "TEMP", None, "2024-08-01 09:00"),
    ("ended term", "202420", "1", 1, "RE", "BASE", None, "2024-01-10 09:00"),
    ("two terms", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("two terms", "202520", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("new id and name", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("nameless", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("one name", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("no record", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("unknown codes", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("moves next term", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("TEST01", "202480", "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
    ("weird term", WEIRD, "1", 1, "RE", "BASE", None, "2024-08-01 09:00"),
]  # fmt: skip
PIDMS = {name: number for number, name in enumerate(dict.fromkeys(row[0] for row in AUDIT), 1)}
OTHER_NAMES = ("new id and name", "nameless", "one name")
OTHER_RECORDS = ("no record", "unknown codes", "moves next term")

BANNER = Example(
    file="banner_oracle.sql",
    tables={
        "SFRSTCA": (
            (
                "SFRSTCA_PIDM SFRSTCA_TERM_CODE SFRSTCA_CRN SFRSTCA_SEQ_NUMBER SFRSTCA_RSTS_CODE"
                " SFRSTCA_SOURCE_CDE SFRSTCA_ERROR_FLAG SFRSTCA_ACTIVITY_DATE"
            ),
            [(PIDMS[name], *values, at(moment)) for name, *values, moment in AUDIT],
        ),
        "STVRSTS": (
            "STVRSTS_CODE STVRSTS_INCL_SECT_ENRL STVRSTS_WITHDRAW_IND",
            [("RE", "Y", "N"), ("RW", "Y", "N"), ("DD", "N", "N"), ("WL", "N", "N"), ("WD", "Y", "Y")],
        ),
        "STVTERM": (
            "STVTERM_CODE STVTERM_END_DATE",
            [("202420", at("2024-05-10")), ("202480", at("2024-12-20")), ("202520", at("2025-05-09"))],
        ),
        "SPRIDEN": (
            "SPRIDEN_PIDM SPRIDEN_ID SPRIDEN_LAST_NAME SPRIDEN_FIRST_NAME SPRIDEN_CHANGE_IND",
            [
                *((pidm, name, "Last", "First", None) for name, pidm in PIDMS.items() if name not in OTHER_NAMES),
                (PIDMS["new id and name"], "old id", "Last", "First", "I"),
                (PIDMS["new id and name"], "new id and name", "Maiden", "First", "N"),
                (PIDMS["new id and name"], "new id and name", "Married", "First", None),
                (PIDMS["one name"], "one name", "Sukarno", None, None),
            ],
        ),
        "SGBSTDN": (
            "SGBSTDN_PIDM SGBSTDN_TERM_CODE_EFF SGBSTDN_COLL_CODE_1 SGBSTDN_MAJR_CODE_1 SGBSTDN_LEVL_CODE",
            [
                *((pidm, "202380", "AR", "HIST", "UG") for name, pidm in PIDMS.items() if name not in OTHER_RECORDS),
                (PIDMS["unknown codes"], "202380", "XX", "NEW", "ZZ"),
                (PIDMS["moves next term"], "202280", "SC", "MATH", "UG"),
                (PIDMS["moves next term"], "202480", "AR", "HIST", "UG"),
                (PIDMS["moves next term"], "202520", "SC", "MATH", "UG"),
            ],
        ),
        "STVCOLL": ("STVCOLL_CODE STVCOLL_DESC", [("AR", "Arts"), ("SC", "Science")]),
        "STVMAJR": ("STVMAJR_CODE STVMAJR_DESC", [("HIST", "History"), ("MATH", "Mathematics")]),
        "STVLEVL": ("STVLEVL_CODE STVLEVL_DESC", [("UG", "Undergraduate")]),
    },
    usual={
        "student_name": "Last, First", "term": "202480", "division": "Arts", "program": "History",
        "level": "Undergraduate", "status": "enrolled",
    },
    days={
        "2024-08-15": (
            august := [
                *students(
                    "many sections", "that evening", "dropped", "added again", "withdrawn", "overridden",
                    "two terms", "moves next term", "TEST01",
                ),
                {"student_id": "two terms", "term": "202520"},
                {"student_id": "new id and name", "student_name": "Married, First"},
                {"student_id": None, "student_name": None},
                {"student_id": "one name", "student_name": "Sukarno"},
                {"student_id": "no record", "division": None, "program": None, "level": None},
                {"student_id": "unknown codes", "division": "XX", "program": "NEW", "level": "ZZ"},
                {"student_id": "weird term", "term": WEIRD},
            ]
        ),
        "2024-09-10": [
            *(row for row in august if row["student_id"] not in {"dropped", "withdrawn"}),
            *students("next midnight"),
        ],
        # the last day of the ended term, and the day after it
        "2024-05-10": [{"student_id": "ended term", "term": "202420"}],
        "2024-05-11": [],
    },
)  # fmt: skip


# --- PeopleSoft --------------------------------------------------------------------------------

# student, career, term, class, status, reason, added, dropped
CLASSES = [
    ("many classes", "UGRD", "2248", 1, "E", "ENRL", "2024-08-01", None),
    ("many classes", "UGRD", "2248", 2, "E", "EWAT", "2024-08-02", None),
    ("many classes", "UGRD", "2248", 3, "D", "DROP", "2024-08-01", "2024-08-03"),
    ("that day", "UGRD", "2248", 1, "E", "ENRL", "2024-08-15", None),
    ("next day", "UGRD", "2248", 1, "E", "ENRL", "2024-08-16", None),
    ("dropped", "UGRD", "2248", 1, "D", "DROP", "2024-08-01", "2024-08-20"),
    ("dropped that day", "UGRD", "2248", 1, "D", "DROP", "2024-08-01", "2024-08-15"),
    ("withdrawn class", "UGRD", "2248", 1, "E", "WDRW", "2024-08-01", "2024-08-20"),
    ("withdrawn term", "UGRD", "2248", 1, "E", "ENRL", "2024-08-01", None),
    ("waits", "UGRD", "2248", 1, "W", "WAIT", "2024-08-01", None),
    ("waited", "UGRD", "2248", 1, "D", "DRWL", "2024-08-01", "2024-12-01"),
    ("added again", "UGRD", "2248", 1, "E", "ENRL", "2024-08-10", "2024-08-05"),
    ("two careers", "GRAD", "2248", 1, "E", "ENRL", "2024-08-01", None),
    ("two careers", "UGRD", "2248", 2, "E", "ENRL", "2024-08-01", None),
    ("two careers", "UGRD", "2248", 3, "E", "ENRL", "2024-08-01", None),
    ("equal careers", "UGRD", "2248", 1, "E", "ENRL", "2024-08-01", None),
    ("equal careers", "GRAD", "2248", 2, "E", "ENRL", "2024-08-01", None),
    ("two terms", "UGRD", "2248", 1, "E", "ENRL", "2024-08-01", None),
    ("two terms", "UGRD", "2252", 1, "E", "ENRL", "2024-08-01", None),
    ("ended term", "UGRD", "2242", 1, "E", "ENRL", "2024-01-10", None),
    ("changes program", "UGRD", "2248", 1, "E", "ENRL", "2024-08-01", None),
    ("changes name", "UGRD", "2248", 1, "E", "ENRL", "2024-08-01", None),
    ("one name", "UGRD", "2248", 1, "E", "ENRL", "2024-08-01", None),
    ("no level", "UGRD", "2248", 1, "E", "ENRL", "2024-08-01", None),
    ("nothing else", "UGRD", "2248", 1, "E", "ENRL", "2024-08-01", None),
    ("weird term", "UGRD", WEIRD, 1, "E", "ENRL", "2024-08-01", None),
]  # fmt: skip
CAREERS = list(
    dict.fromkeys(
        (name, career, term) for name, career, term, *_ in CLASSES if name != "nothing else"
    )
)
PEOPLE = [name for name in dict.fromkeys(row[0] for row in CLASSES) if name != "nothing else"]
OLD = at("1901-01-01")


def peoplesoft(file: str) -> Example:
    graduate = {"division": "Graduate School", "program": "Public Law", "level": "50"}
    summer = [
        *students(
            "many classes", "that day", "dropped", "withdrawn class", "withdrawn term", "added again",
            "two careers", "two terms", "changes program",
        ),
        {"student_id": "equal careers", **graduate},
        {"student_id": "no level", "level": None},
        {"student_id": "two terms", "term": "2252"},
        {"student_id": "changes name", "student_name": "Maiden, First"},
        {"student_id": "one name", "student_name": "Sukarno"},
        {
            "student_id": "nothing else", "student_name": None, "division": None, "program": None,
            "level": None, "status": None,
        },
        {"student_id": "weird term", "term": WEIRD},
    ]  # fmt: skip
    gone = {"dropped", "withdrawn class", "withdrawn term", "changes program", "changes name"}
    return Example(
        file=file,
        tables={
            "PS_STDNT_ENRL": (
                (
                    "EMPLID ACAD_CAREER STRM CLASS_NBR STDNT_ENRL_STATUS ENRL_STATUS_REASON ENRL_ADD_DT"
                    " ENRL_DROP_DT INSTITUTION"
                ),
                [(*row[:6], at(row[6]), row[7] and at(row[7]), "MAIN") for row in CLASSES],
            ),
            "PS_STDNT_CAR_TERM": (
                "EMPLID ACAD_CAREER INSTITUTION STRM STDNT_CAR_NBR ACAD_LEVEL_BOT WITHDRAW_CODE WITHDRAW_DATE",
                [
                    (
                        name, career, "MAIN", term, 0,
                        " " if name == "no level" else "50" if career == "GRAD" else "20",
                        *(("WDR", at("2024-08-20")) if name == "withdrawn term" else ("NWD", None)),
                    )
                    for name, career, term in CAREERS
                ],
            ),
            "PS_TERM_TBL": (
                "INSTITUTION ACAD_CAREER STRM TERM_END_DT",
                [
                    ("MAIN", career, *term)
                    for career in ("UGRD", "GRAD")
                    for term in (
                        ("2242", at("2024-05-10")), ("2248", at("2024-12-20")), ("2252", at("2025-05-09")),
                    )
                ],
            ),
            "PS_NAMES": (
                "EMPLID NAME_TYPE EFFDT EFF_STATUS LAST_NAME FIRST_NAME",
                [
                    *((name, "PRI", OLD, "A", "Last", "First") for name in PEOPLE if name not in {"changes name", "one name"}),
                    ("changes name", "PRI", OLD, "A", "Birth", "First"),
                    ("changes name", "PRI", at("2020-01-01"), "A", "Maiden", "First"),
                    ("changes name", "PRI", at("2024-08-20"), "A", "Married", "First"),
                    ("changes name", "PRI", at("2024-08-25"), "I", "Wrong", "First"),
                    ("changes name", "PRF", at("2024-08-01"), "A", "Preferred", "First"),
                    ("one name", "PRI", OLD, "A", "Sukarno", " "),
                ],
            ),
            "PS_ACAD_PROG": (
                "EMPLID ACAD_CAREER STDNT_CAR_NBR EFFDT EFFSEQ ACAD_PROG PROG_STATUS",
                [
                    *(
                        (name, career, 0, OLD, 0, "LAW" if career == "GRAD" else "BA", "AC")
                        for name, career in dict.fromkeys(row[:2] for row in CAREERS)
                    ),
                    # another career number: not the one that is active in the term
                    ("many classes", "UGRD", 1, at("2024-08-01"), 0, "BSC", "DC"),
                    # two actions on one day, and one that lies in the future on the first date
                    ("changes program", "UGRD", 0, at("2024-08-01"), 1, "BSC", "LA"),
                    ("changes program", "UGRD", 0, at("2024-08-01"), 2, "BA", "AC"),
                    ("changes program", "UGRD", 0, at("2024-08-20"), 0, "BSC", "LA"),
                ],
            ),
            "PS_ACAD_PLAN": (
                "EMPLID ACAD_CAREER STDNT_CAR_NBR EFFDT EFFSEQ ACAD_PLAN PLAN_SEQUENCE",
                [
                    *(
                        (name, career, 0, OLD, 0, "LAW-LLM" if career == "GRAD" else "HIST", 10)
                        for name, career in dict.fromkeys(row[:2] for row in CAREERS)
                    ),
                    ("many classes", "UGRD", 0, OLD, 0, "ART-MIN", 20),
                    ("many classes", "UGRD", 1, OLD, 0, "MATH", 10),
                    ("changes program", "UGRD", 0, at("2024-08-01"), 1, "MATH", 10),
                    ("changes program", "UGRD", 0, at("2024-08-01"), 2, "HIST", 10),
                    ("changes program", "UGRD", 0, at("2024-08-20"), 0, "MATH", 10),
                ],
            ),
            "PS_ACAD_PROG_TBL": (
                "INSTITUTION ACAD_PROG EFFDT ACAD_GROUP",
                [
                    ("MAIN", "BA", OLD, "SCI"), ("MAIN", "BA", at("2010-01-01"), "ART"),
                    ("MAIN", "BA", at("2030-01-01"), "SCI"), ("MAIN", "BSC", OLD, "SCI"),
                    ("MAIN", "LAW", OLD, "GRD"), ("ELSE", "BA", at("2011-01-01"), "SCI"),
                ],
            ),
            "PS_ACAD_GROUP_TBL": (
                "INSTITUTION ACAD_GROUP EFFDT DESCR",
                [
                    ("MAIN", "ART", OLD, "Old Arts"), ("MAIN", "ART", at("2010-01-01"), "Arts"),
                    ("MAIN", "ART", at("2030-01-01"), "New Arts"), ("MAIN", "GRD", OLD, "Graduate School"),
                    ("ELSE", "ART", at("2011-01-01"), "Other Arts"),
                ],
            ),
            "PS_ACAD_PLAN_TBL": (
                "INSTITUTION ACAD_PLAN EFFDT DESCR",
                [
                    ("MAIN", "HIST", OLD, "Old History"), ("MAIN", "HIST", at("2010-01-01"), "History"),
                    ("MAIN", "HIST", at("2030-01-01"), "New History"), ("MAIN", "LAW-LLM", OLD, "Public Law"),
                    ("ELSE", "HIST", at("2011-01-01"), "Other History"),
                ],
            ),
        },
        usual={
            "student_name": "Last, First", "term": "2248", "division": "Arts", "program": "History",
            "level": "20", "status": "AC",
        },
        days={
            "2024-08-15": summer,
            "2024-09-10": [
                *(row for row in summer if row["student_id"] not in gone),
                *students("next day"),
                {"student_id": "changes program", "division": "SCI", "program": "MATH", "status": "LA"},
                {"student_id": "changes name", "student_name": "Married, First"},
            ],
            "2024-05-10": [{"student_id": "ended term", "term": "2242"}],
            "2024-05-11": [],
        },
    )  # fmt: skip


# --- Colleague ---------------------------------------------------------------------------------

# student, credit, term, level, statuses as (status, date) from the newest (POS 1)
CREDITS = [
    ("many sections", "1", "2024FA", "UG", [("A", "2024-08-02"), ("N", "2024-08-01")]),
    ("many sections", "2", "2024FA", "UG", [("N", "2024-08-01")]),
    ("many sections", "3", "2024FA", "UG", [("D", "2024-08-03"), ("N", "2024-08-01")]),
    ("that day", "4", "2024FA", "UG", [("N", "2024-08-15")]),
    ("next day", "5", "2024FA", "UG", [("N", "2024-08-16")]),
    ("added", "23", "2024FA", "UG", [("A", "2024-08-02"), ("D", "2024-08-01"), ("N", "2024-08-01")]),
    ("dropped", "6", "2024FA", "UG", [("D", "2024-08-20"), ("N", "2024-08-01")]),
    ("dropped same day", "7", "2024FA", "UG", [("D", "2024-08-01"), ("N", "2024-08-01")]),
    ("drop dated back", "8", "2024FA", "UG", [("D", "2024-08-05"), ("N", "2024-08-10")]),
    ("withdrawn", "9", "2024FA", "UG", [("W", "2024-08-20"), ("N", "2024-08-01")]),
    ("transfer credit", "10", "2024FA", "UG", [("TR", "2024-08-01")]),
    ("no term", "11", None, "UG", [("N", "2024-08-01")]),
    ("two terms", "12", "2024FA", "UG", [("N", "2024-08-01")]),
    ("two terms", "13", "2025SP", "UG", [("N", "2024-08-01")]),
    ("ended term", "14", "2024SP", "UG", [("N", "2024-01-10")]),
    ("changes program", "15", "2024FA", "UG", [("N", "2024-08-01")]),
    ("two programs", "16", "2024FA", "GR", [("N", "2024-08-01")]),
    ("graduated", "17", "2024FA", "UG", [("N", "2024-08-01")]),
    ("one name", "18", "2024FA", "UG", [("N", "2024-08-01")]),
    ("nothing else", "19", "2024FA", "UG", [("N", "2024-08-01")]),
    ("nothing else", "20", "2024FA", "GR", [("N", "2024-08-01")]),
    ("unknown codes", "21", "2024FA", "UG", [("N", "2024-08-01")]),
    ("left a program", "24", "2024FA", "UG", [("N", "2024-08-01")]),
    ("ended that day", "25", "2024FA", "UG", [("N", "2024-08-01")]),
    ("begins next day", "26", "2024FA", "UG", [("N", "2024-08-01")]),
    ("weird term", "22", WEIRD, "UG", [("N", "2024-08-01")]),
]  # fmt: skip
ENROLLED_IN = [
    # student, program, department, start, end, statuses from the newest
    *(
        (name, "HIST.BA", "HIS", "2023-08-01", None, [("A", "2023-08-01")])
        for name in dict.fromkeys(row[0] for row in CREDITS)
        if name not in {"changes program", "two programs", "graduated", "nothing else", "unknown codes"}
    ),
    ("changes program", "HIST.BA", "HIS", "2023-08-01", "2024-08-20", [("C", "2024-08-20"), ("A", "2023-08-01")]),
    ("changes program", "MATH.BS", "MAT", "2024-08-20", None, [("A", "2024-08-20")]),
    ("two programs", "HIST.BA", "HIS", "2023-08-01", None, [("A", "2023-08-01")]),
    ("two programs", "ART.BA", "HIS", "2023-08-01", None, [("A", "2023-08-01")]),
    ("two programs", "MATH.BS", "MAT", "2022-08-01", None, [("A", "2022-08-01")]),
    ("graduated", "MATH.BS", "MAT", "2020-08-01", "2024-05-10", [("G", "2024-05-10"), ("A", "2020-08-01")]),
    ("graduated", "HIST.BA", "HIS", "2024-08-01", None, [("A", "2024-08-01")]),
    ("graduated", "ART.BA", "MAT", "2024-08-10", None, [("P", "2024-08-10")]),
    ("left a program", "MATH.BS", "MAT", "2024-08-05", None, [("W", "2024-08-10"), ("A", "2024-08-05")]),
    ("ended that day", "MATH.BS", "MAT", "2024-08-05", "2024-08-15", [("A", "2024-08-05")]),
    ("begins next day", "MATH.BS", "MAT", "2024-08-16", None, [("A", "2024-08-01")]),
    ("unknown codes", "NEW.BA", "NEW", "2024-08-01", None, [("A", "2024-08-01")]),
]  # fmt: skip


def positions(entries: Sequence[tuple[str, list[tuple[str, str]]]]) -> list[Row]:
    """Multi-valued statuses as rows: key, position, status, date."""
    return [
        (key, position, status, at(date))
        for key, statuses in entries
        for position, (status, date) in enumerate(statuses, 1)
    ]


COLLEAGUE = Example(
    file="colleague_sqlserver.sql",
    tables={
        "STUDENT_ACAD_CRED": (
            "STC_PERSON_ID STUDENT_ACAD_CRED_ID STC_TERM STC_ACAD_LEVEL",
            [row[:4] for row in CREDITS],
        ),
        "STC_STATUSES": (
            "STUDENT_ACAD_CRED_ID POS STC_STATUS STC_STATUS_DATE",
            positions([(row[1], row[4]) for row in CREDITS]),
        ),
        "TERMS": (
            "TERMS_ID TERM_END_DATE",
            [("2024SP", at("2024-05-10")), ("2024FA", at("2024-12-20")), ("2025SP", at("2025-05-09"))],
        ),
        "PERSON": (
            "ID LAST_NAME FIRST_NAME",
            [
                *((name, "Last", "First") for name in dict.fromkeys(row[0] for row in CREDITS)
                  if name not in {"one name", "nothing else"}),
                ("one name", "Sukarno", ""),
            ],
        ),
        "STUDENT_PROGRAMS": (
            "STUDENT_PROGRAMS_ID STPR_DEPT",
            [(f"{name}*{program}", department) for name, program, department, *_ in ENROLLED_IN],
        ),
        "STPR_DATES": (
            "STUDENT_PROGRAMS_ID POS STPR_START_DATE STPR_END_DATE",
            [
                (f"{name}*{program}", 1, at(start), end and at(end))
                for name, program, _, start, end, _ in ENROLLED_IN
            ],
        ),
        "STPR_STATUSES": (
            "STUDENT_PROGRAMS_ID POS STPR_STATUS STPR_STATUS_DATE",
            positions([(f"{row[0]}*{row[1]}", row[5]) for row in ENROLLED_IN]),
        ),
        "ACAD_PROGRAMS": (
            "ACAD_PROGRAMS_ID ACPG_TITLE ACPG_ACAD_LEVEL",
            [("HIST.BA", "History", "UG"), ("MATH.BS", "Mathematics", "UG"), ("ART.BA", "Art", "UG")],
        ),
        "DEPTS": (
            "DEPTS_ID DEPTS_DESC DEPTS_DIVISION",
            [("HIS", "History Dept", "ART"), ("MAT", "Mathematics Dept", "SCI")],
        ),
        "DIVISIONS": ("DIVISIONS_ID DIV_DESC", [("ART", "Arts")]),
    },
    usual={
        "student_name": "Last, First", "term": "2024FA", "division": "Arts", "program": "History",
        "level": "UG", "status": "enrolled",
    },
    days={
        "2024-08-15": (
            fall := [
                *students(
                    "many sections", "that day", "added", "dropped", "withdrawn", "two terms", "changes program",
                    "graduated", "left a program", "ended that day", "begins next day",
                ),
                {"student_id": "two programs", "program": "Art"},
                {"student_id": "two terms", "term": "2025SP"},
                {"student_id": "one name", "student_name": "Sukarno"},
                {
                    "student_id": "nothing else", "student_name": None, "division": None, "program": None,
                    "level": "GR",
                },
                {"student_id": "unknown codes", "division": "NEW", "program": "NEW.BA"},
                {"student_id": "weird term", "term": WEIRD},
            ]
        ),
        "2024-09-10": [
            *(
                row
                for row in fall
                if row["student_id"] not in {"dropped", "withdrawn", "changes program", "begins next day"}
            ),
            *students("next day"),
            {"student_id": "changes program", "division": "SCI", "program": "Mathematics"},
            {"student_id": "begins next day", "division": "SCI", "program": "Mathematics"},
        ],
        "2024-05-10": [{"student_id": "ended term", "term": "2024SP"}],
        "2024-05-11": [],
    },
)  # fmt: skip


# --- Jenzabar ----------------------------------------------------------------------------------

# what stands in the student's courses of a term: id, year, term, status, withdrawn, drop flag
COURSES = [
    (1, "2999", "FA", "P", None, None),  # several courses, the current one names the status
    (1, "2999", "FA", "C", None, None),
    (1, "2999", "FA", "D", None, "D"),
    (2, "2999", "FA", "C", at("2024-09-20"), None),  # withdrew, and stays current
    (3, "2999", "FA", "C", None, "D"),  # dropped by its flag only
    (4, "2999", "FA", "W", None, None),  # wait-listed
    (5, "2999", "FA", "R", None, None),  # reserved
    (6, "2999", "FA", "H", None, ""),  # graded already, the flag blank
    (7, "2001", "FA", "H", None, None),  # a term that has ended
    (8, "2999", "FA", "P", None, None),  # two divisions
    (9, "2999", "FA", "P", None, None),  # no term summary yet: the degree speaks
    (10, "2999", "FA", "P", None, None),  # nothing else at all
    (11, "2999", "FA", "P", None, None),  # no first name
    (12, "2999", "FA", "P", None, None),  # two terms
    (12, "2999", "SP", "P", None, None),
    (13, WEIRD, "FA", "P", None, None),
    (14, "2999", "FA", "D", None, None),  # dropped
]
NAMED = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14]

JENZABAR = Example(
    file="jenzabar_sqlserver.sql",
    tables={
        "STUDENT_CRS_HIST": ("ID_NUM YR_CDE TRM_CDE TRANSACTION_STS WITHDRAWAL_DTE DROP_FLAG", COURSES),
        "YEAR_TERM_TABLE": (
            "YR_CDE TRM_CDE TRM_END_DTE",
            [("2999", "FA", at("2999-12-20")), ("2999", "SP", at("2999-05-09")), ("2001", "FA", at("2001-12-20"))],
        ),
        "NAME_MASTER": (
            "ID_NUM LAST_NAME FIRST_NAME",
            [*((number, "Last  ", "First ") for number in NAMED), (11, "Sukarno", "")],
        ),
        "STUDENT_MASTER": ("ID_NUM CURRENT_CLASS_CDE", [(number, "SO") for number in NAMED]),
        "STUD_TERM_SUM_DIV": (
            "ID_NUM YR_CDE TRM_CDE DIV_CDE MAJOR_1 CLASS_CDE HRS_ENROLLED",
            [
                *(
                    (number, year, term, "UG", "HIS", "JR", 12)
                    for number, year, term in dict.fromkeys(row[:3] for row in COURSES)
                    if number not in {9, 10}
                ),
                (8, "2999", "FA", "GR", "MAT", "GR", 15),
                (1, "2001", "FA", "GR", "MAT", "GR", 15),
            ],
        ),
        "DEGREE_HISTORY": (
            "ID_NUM DIV_CDE MAJOR_1 CUR_DEGREE ENTRY_DTE",
            [
                (1, "GR", "MAT", "Y", at("2024-01-10")),
                (9, "UG", "HIS", "Y", at("2020-08-20")),
                (9, "GR", "LAW", "Y", at("2024-08-20")),
                (9, "UG", "MAT", "N", at("2025-08-20")),
            ],
        ),
        "DIVISION_DEF": ("DIV_CDE DIV_DESC", [("UG", "Undergraduate"), ("GR", "Graduate"), ("GR", "Graduate too")]),
        "MAJOR_MINOR_DEF": (
            "MAJOR_CDE MAJOR_MINOR_DESC",
            [("HIS", "History"), ("HIS", "History minor"), ("MAT", "Mathematics")],
        ),
    },
    usual={
        "student_name": "Last, First", "term": "2999FA", "division": "Undergraduate", "program": "History",
        "level": "JR", "status": "P",
    },
    days={
        "2024-08-15": [
            {"student_id": "1", "status": "C"},
            {"student_id": "6", "status": "H"},
            {"student_id": "8", "division": "Graduate", "program": "Mathematics", "level": "GR"},
            {"student_id": "9", "division": "Graduate", "program": "LAW", "level": "SO"},
            {"student_id": "10", "student_name": None, "division": None, "program": None, "level": None},
            {"student_id": "11", "student_name": "Sukarno"},
            {"student_id": "12"},
            {"student_id": "12", "term": "2999SP"},
            {"student_id": "13", "term": f"{WEIRD}FA"},
        ],
    },
)  # fmt: skip


# --- PowerSchool -------------------------------------------------------------------------------

# the current enrollment: id, number, school, grade, entry, exit
CURRENT = [
    (1, 101, 10, 4, "2024-08-26", "2025-06-14"),  # stays
    (2, 102, 10, 4, "2024-09-10", "2025-06-14"),  # enters on the second day
    (3, 103, 10, 4, "2024-08-26", "2024-09-10"),  # the second day is the first not there
    (4, 104, 10, 4, "2024-09-10", "2024-09-10"),  # a no-show
    (5, 105, 999999, 12, "2024-08-26", "2025-06-14"),  # graduated
    (6, 106, 20, 0, "2024-09-01", "2025-06-14"),  # came from another school, and is in kindergarten
    (7, 107, 10, 4, "2024-08-26", "2025-06-14"),  # two enrollments overlap
    (8, 108, 20, 7, "2024-08-26", None),  # no exit date yet
    (9, 109, 77, 10, "2024-08-26", "2025-06-14"),  # a school without a name and a year
    (10, 110, 10, -1, "2024-08-26", "2025-06-14"),  # one name
    (11, 111, 10, 13, "2024-08-26", "2025-06-14"),  # beyond grade 12
    (12, 112, 10, 5, "2025-08-25", "2026-06-13"),  # rolled over to the next year
]
EARLIER = [
    (6, 10, 4, "2024-08-26", "2024-09-01"),
    (7, 20, 4, "2024-08-27", "2025-06-14"),
    (1, 10, 3, "2023-08-28", "2024-06-15"),
    (12, 10, 4, "2024-08-26", "2025-06-14"),
    (3, 999999, 12, "2024-09-01", "2025-06-14"),
]


def between(rows: Sequence[Row]) -> list[Row]:
    return [(*row[:-2], at(row[-2]), row[-1] and at(row[-1])) for row in rows]


POWERSCHOOL = Example(
    file="powerschool_oracle.sql",
    tables={
        "STUDENTS": (
            ("ID STUDENT_NUMBER SCHOOLID GRADE_LEVEL ENTRYDATE EXITDATE LAST_NAME FIRST_NAME "
            "ENROLL_STATUS"),
            [
                (*row, "Sukarno", None, 0) if row[0] == 10 else (*row, "Last", "First", 0)
                for row in between(CURRENT)
            ]
            # Inactive, pre-registered, imported: with dates as if they were enrolled.
            + [
                (900 + place, 9000 + place, *between(CURRENT)[0][2:], "No", "One", status)
                for place, status in enumerate((1, -1, 4))
            ],
        ),
        "REENROLLMENTS": ("STUDENTID SCHOOLID GRADE_LEVEL ENTRYDATE EXITDATE", between(EARLIER)),
        "SCHOOLS": ("SCHOOL_NUMBER NAME", [(10, "North"), (20, "South"), (999999, "Graduated Students")]),
        "TERMS": (
            "SCHOOLID YEARID ISYEARREC FIRSTDAY LASTDAY",
            [
                (school, *year)
                for school in (10, 20)
                for year in (
                    (33, 1, at("2023-08-28"), at("2024-06-14")),
                    (34, 1, at("2024-08-26"), at("2025-06-13")),
                    (35, 1, at("2025-08-25"), at("2026-06-12")),
                    (30, 0, at("2024-08-26"), at("2025-01-24")),
                )
            ],
        ),
    },
    usual={
        "student_name": "Last, First", "term": "2024-2025", "division": "Elementary", "program": "North",
        "level": "4", "status": "enrolled",
    },
    days={
        "2024-08-31": (
            always := [
                *students("101", "112"),
                {"student_id": "107", "program": "South"},
                {"student_id": "108", "program": "South", "division": "Middle", "level": "7"},
                {"student_id": "109", "program": "77", "division": "High", "level": "10", "term": None},
                {"student_id": "110", "student_name": "Sukarno", "level": "Pre-K"},
                {"student_id": "111", "division": None, "level": "13"},
            ]
        ) + students("103", "106"),
        "2024-09-10": [
            *always,
            *students("102"),
            {"student_id": "106", "program": "South", "level": "K"},
        ],
        # last year's last day, and the holidays after it
        "2024-06-14": [{"student_id": "101", "term": "2023-2024", "level": "3"}],
        "2024-06-15": [],
    },
)  # fmt: skip


VENDORS = [
    BANNER,
    peoplesoft("peoplesoft_oracle.sql"),
    peoplesoft("peoplesoft_sqlserver.sql"),
    COLLEAGUE,
    JENZABAR,
    POWERSCHOOL,
]
FILES = [example.file for example in (OWN, *VENDORS)]


# --- running them ------------------------------------------------------------------------------


def query_of(file: str) -> str:
    return (TEMPLATES / file).read_text(encoding="utf-8")


def dialect_of(file: str) -> str:
    return "oracle" if "oracle" in file else "tsql" if "sqlserver" in file else "postgres"


def parsed(file: str) -> exp.Expression:
    statements = sqlglot.parse(
        query_of(file), read=dialect_of(file), error_level=sqlglot.ErrorLevel.RAISE
    )
    assert len(statements) == 1
    assert isinstance(statements[0], exp.Select)
    return statements[0]


def binds_of(file: str) -> set[str]:
    return {placeholder.name for placeholder in parsed(file).find_all(exp.Placeholder)}


def header(file: str, entry: str) -> str:
    """The text of an entry of the header ("Binds", "Reads", …), its lines joined."""
    comments = [line[3:] for line in query_of(file).splitlines() if line.startswith("-- ")]
    found = re.search(
        rf"(?:^|\n){entry}: (.*?)(?=\n[A-Z][a-z]+: |$)", "\n".join(comments), re.DOTALL
    )
    assert found, f"{file} has no {entry}"
    return found[1].replace("\n", " ").rstrip(".")


def create(name: str, columns: str, rows: Sequence[Row], types: Mapping[type, str]) -> str:
    """CREATE TABLE with a type for each column, taken from its first value."""
    definitions = []
    for index, column in enumerate(columns.split()):
        values = [row[index] for row in rows if row[index] is not None]
        definitions.append(f"{column} {types.get(type(values[0]), 'VARCHAR(60)')}")
    return f"CREATE TABLE {name} ({', '.join(definitions)})"


def run_on_duckdb(example: Example, date: str) -> list[Row]:
    with duckdb.connect() as connection:
        for name, (columns, rows) in example.tables.items():
            types = {int: "INTEGER", dt.datetime: "TIMESTAMP"}
            connection.execute(create(name, columns, rows, types))
            marks = ", ".join("?" * len(columns.split()))
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
        query = parsed(example.file).sql("duckdb", comments=False)
        binds = {"snapshot_date": day(date)} if binds_of(example.file) else {}
        return in_order(connection.execute(query, binds).fetchall())


def run_on_engine(engine: sa.Engine, example: Example, date: Any) -> list[Row]:
    with engine.begin() as connection:
        for name, (columns, rows) in example.tables.items():
            connection.exec_driver_sql(create(name, columns, rows, {dt.date: "DATE"}))
            names = columns.split()
            statement = sa.text(
                f"INSERT INTO {name} VALUES ({', '.join(':' + name for name in names)})"
            )
            connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])
        result = connection.execute(sa.text(query_of(example.file)), {"snapshot_date": date})
        assert list(result.keys()) == COLUMNS
        return in_order(result.fetchall())


@pytest.mark.parametrize(
    ("example", "date"),
    [
        pytest.param(example, date, id=f"{example.file} {date}")
        for example in VENDORS
        for date in example.days
    ],
)
def test_a_vendor_template_gives_exactly_the_students_of_the_day(
    example: Example, date: str
) -> None:
    assert run_on_duckdb(example, date) == example.expected(date)


@pytest.mark.parametrize("date", OWN.days)
def test_the_generic_template_gives_exactly_the_students_of_the_day_on_sqlite(date: str) -> None:
    assert run_on_engine(sa.create_engine("sqlite://"), OWN, day(date)) == OWN.expected(date)


@pytest.mark.parametrize("date", OWN.days)
def test_the_generic_template_gives_exactly_the_students_of_the_day_on_postgresql(
    date: str, postgres_database: str
) -> None:
    engine = sa.create_engine(postgres_database)
    try:
        assert run_on_engine(engine, OWN, day(date)) == OWN.expected(date)
    finally:
        engine.dispose()


def test_a_bound_value_is_only_a_value() -> None:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    run_on_engine(engine, OWN, "'; DROP TABLE students; --")
    assert sa.inspect(engine).has_table("students")


# --- what a template must be -------------------------------------------------------------------


def test_every_template_is_tested() -> None:
    assert sorted(FILES) == sorted(path.name for path in TEMPLATES.glob("*.sql"))


@pytest.mark.parametrize("file", FILES)
def test_a_template_gives_the_columns_of_the_default_mapping(file: str) -> None:
    assert parsed(file).named_selects == COLUMNS


@pytest.mark.parametrize("file", FILES)
def test_a_template_can_be_wrapped_to_learn_its_columns(file: str) -> None:
    tree = parsed(file)
    assert tree.find(exp.With) is None
    assert tree.args.get("order") is None
    wrapped = f"SELECT * FROM (\n{query_of(file)}\n) q WHERE 1 = 0"
    sqlglot.parse_one(wrapped, read=dialect_of(file), error_level=sqlglot.ErrorLevel.RAISE)


@pytest.mark.parametrize("file", FILES)
def test_the_header_names_the_binds_truthfully(file: str) -> None:
    stated = header(file, "Binds")
    assert {"none": set(), "snapshot_date (date)": {"snapshot_date"}}[stated] == binds_of(file)
    assert (binds_of(file) == set()) == (header(file, "Dated").startswith("nothing"))


@pytest.mark.parametrize("file", FILES)
def test_sqlalchemy_finds_the_same_binds_and_none_in_comments(file: str) -> None:
    dialects = {"oracle": oracle, "tsql": mssql, "postgres": postgresql}
    compiled = sa.text(query_of(file)).compile(dialect=dialects[dialect_of(file)].dialect())
    assert set(compiled.params) == binds_of(file)


@pytest.mark.parametrize("file", FILES)
def test_the_header_names_the_tables_truthfully(file: str) -> None:
    stated = re.findall(r"\w+", header(file, "Reads"))
    assert sorted(stated) == sorted({table.name for table in parsed(file).find_all(exp.Table)})


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("entry", ["For", "Grain", "Dated", "Terms", "Adapt"])
def test_the_header_says_what_a_user_must_know(file: str, entry: str) -> None:
    assert header(file, entry)


@pytest.mark.parametrize("file", FILES)
def test_a_template_reads_no_contact_data(file: str) -> None:
    columns = {column.name.lower() for column in parsed(file).find_all(exp.Column)}
    assert not [
        name for name in columns if re.search("mail|birth|ssn|addr|phone|gender|ethn", name)
    ]
