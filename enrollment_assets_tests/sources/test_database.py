import datetime as dt
import importlib.util
import sys
import threading
import time
from decimal import Decimal

import pytest
import sqlalchemy as sa

from enrollment_assets.cli.doctor import diagnose
from enrollment_assets.errors import (
    SourceError,
    SourceUnavailableError,
)
from enrollment_assets.sources.columns import as_text
from enrollment_assets.sources.configured import source_for
from enrollment_assets.sources.database_errors import Trouble, what_is_wrong
from enrollment_assets.sources.query import Query
from enrollment_assets_tests.conftest import CHECKOUT, HEADER, require
from enrollment_assets_tests.support.databases import (
    Database,
    OwnMariaDb,
    OwnPostgres,
    has_mariadb,
    mariadb_database,
)

DATE = dt.date(2024, 9, 3)
NAMES = HEADER.replace("level", "student_level")
SECRET = "Jane Q. Marker"
QUERY = f"SELECT {NAMES} FROM students WHERE since <= :snapshot_date"
TABLE = (
    "CREATE TABLE students (student_id CHAR(10), student_name VARCHAR(80), term VARCHAR(40), "
    "division VARCHAR(40), program VARCHAR(40), student_level VARCHAR(20), status VARCHAR(20), "
    "since DATE)"
)
# More than what fits into the buffers between a server and its client.
MANY = 300_000
KINDS = ("postgresql", "pymysql", "mysqldb", "sqlite")


@pytest.fixture
def database(request, tmp_path):
    """An empty database of the kind that the test is parametrized with."""
    kind = request.param
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_database")
        yield Database(kind, url, url.replace("postgresql://", "postgresql+psycopg://"))
    elif kind == "sqlite":
        url = f"sqlite:///{tmp_path}/students.db"
        yield Database(kind, url, url)
    else:
        module = {"pymysql": "pymysql", "mysqldb": "MySQLdb"}[kind]
        require(importlib.util.find_spec(module) is not None, f"{module} is not installed")
        require(has_mariadb(), "no MariaDB runs on 127.0.0.1:3306")
        with mariadb_database(kind) as found:
            yield found


def every(*kinds):
    return pytest.mark.parametrize("database", kinds or KINDS, indirect=True)


def configure(university, monkeypatch, url, query=QUERY, **keys):
    monkeypatch.setenv("STUDENT_DB_URL", url)
    (university.folder / "query.sql").write_text(query)
    columns = {name: name for name in HEADER.split(",")} | {"level": "student_level"}
    source = {
        "kind": "database",
        "url": "${STUDENT_DB_URL}",
        "query": "query.sql",
        "retries": 0,
        "retry_seconds": 0.05,
        **keys,
    }
    university.change(source=source, columns=columns)
    return source_for(university.settings)


def fill(database, count=3, since="2024-04-01"):
    database.run(
        TABLE,
        *(
            f"INSERT INTO students VALUES ('{number:05d}', 'Name {number}', '2024FA', 'Arts', "
            f"'History', 'Junior', 'enrolled', '{since}')"
            for number in range(count)
        ),
    )


def fill_many(database, count):
    fill(database, 1)
    doubled = 1
    while doubled < count:
        database.run(
            "INSERT INTO students SELECT CAST(CAST(student_id AS DECIMAL(10)) + "
            f"{doubled} AS CHAR(10)), student_name, term, division, program, student_level, status, "
            f"since FROM students"
        )
        doubled *= 2
    database.run(f"DELETE FROM students WHERE CAST(student_id AS DECIMAL(10)) >= {count}")


def read(source, date=DATE):
    with source.read(date) as extract:
        return [tuple(row.values()) for batch in extract.rows for row in batch.to_pylist()]


@every()
def test_values_come_out_as_the_text_that_people_see(database, university, monkeypatch):
    database.run(
        "CREATE TABLE odd (a CHAR(8), b DECIMAL(10,0), c DECIMAL(10,2), d DATE, e TIMESTAMP NULL, "
        "f VARCHAR(40), g VARCHAR(40), h VARCHAR(40), i DOUBLE PRECISION, n INTEGER)"
    )
    database.run(
        "INSERT INTO odd VALUES ('00042', 42, 42.00, '2024-09-03', '2024-09-03 00:00:00', "
        ":f, NULL, :h, 7, 1), ('7', 43, 3.50, NULL, '2024-09-03 08:30:00', 'NULL', 'NA', 'a\tb', "
        "2.5, 2)",
        f='Zoë "Ö" 名前,\nline',
        h="50% :done",
    )
    columns = dict(zip("abcdefghi", "abcdefghi", strict=True))
    names = [f"x{name}" for name in columns]
    source = configure(
        university,
        monkeypatch,
        database.url,
        f"SELECT {', '.join(f'{c} AS x{c}' for c in columns)} FROM odd ORDER BY n",
    )
    university.change(
        columns={"student_id": "xa", **{name: name for name in names}}, dimensions=names
    )
    source = source_for(university.settings)
    with source.read(university.settings.today()) as extract:
        rows = [row for batch in extract.rows for row in batch.to_pylist()]
    found = [[row[name] and row[name].rstrip(" ") for name in names] for row in rows]
    first = [
        "00042",
        "42",
        "42",
        "2024-09-03",
        "2024-09-03",
        'Zoë "Ö" 名前,\nline',
        None,
        "50% :done",
    ]
    second = ["7", "43", "3.50", None, "2024-09-03 08:30:00", "NULL", "NA", "a\tb", "2.5"]
    if database.kind == "sqlite":  # it has neither decimals nor times
        first[4], second[2] = "2024-09-03 00:00:00", "3.5"
    assert found == [[*first, "7"], second]


@every()
@pytest.mark.usefixtures("dagster_home")
def test_the_date_is_bound_and_a_day_goes_through_the_pipeline(database, university, monkeypatch):
    fill(database)
    database.run("UPDATE students SET since = '2024-09-04' WHERE student_id = '00002'")
    configure(university, monkeypatch, database.url)
    assert university.run("2024-09-03", "2024-09-04").success
    assert university.query(
        "SELECT snapshot_date::VARCHAR, list(student_id ORDER BY student_id) "
        "FROM enrollment.enrollment_snapshots GROUP BY 1 ORDER BY 1"
    ) == [("2024-09-03", ["00000", "00001"]), ("2024-09-04", ["00000", "00001", "00002"])]


@every()
def test_a_term_is_bound_and_never_part_of_the_statement(database, university, monkeypatch):
    fill(database)
    nasty = "x'; DROP TABLE students; --"
    database.run("UPDATE students SET term = :nasty WHERE student_id = '00001'", nasty=nasty)
    terms = [{**university.settings.terms[0].model_dump(mode="json"), "code": nasty}]
    university.change(terms=terms)
    configure(
        university,
        monkeypatch,
        database.url,
        "SELECT student_id -- of :nobody and ':nothing'\nFROM students WHERE term = :term "
        "AND since <= :snapshot_date AND 'at :noon' <> ''",
    )
    university.change(columns={"student_id": "STUDENT_ID"}, dimensions=[])
    source = source_for(university.settings)
    assert [row[0].strip() for row in read(source)] == ["00001"]
    assert [row[1] for row in read(source)] == [nasty]
    assert len(read(source)) == 1


@pytest.mark.usefixtures("dagster_home")
def test_a_term_that_is_bound_names_the_term_of_its_rows(university, monkeypatch, tmp_path):
    database = Database("sqlite", f"sqlite:///{tmp_path}/s.db", f"sqlite:///{tmp_path}/s.db")
    fill(database, 1, since="2024-11-01")
    database.run(
        "INSERT INTO students SELECT '7', '', '2025SP', '', '', '', '', since FROM students"
    )
    query = "SELECT student_id FROM students WHERE term = :term AND since <= :snapshot_date"
    configure(university, monkeypatch, database.url, query)
    university.change(columns={"student_id": "student_id"}, dimensions=[])
    assert university.run("2024-11-05").success  # both terms are open
    assert university.query(
        "SELECT term, student_id FROM enrollment.enrollment_snapshots ORDER BY term"
    ) == [("2024FA", "00000"), ("2025SP", "7")]


@pytest.mark.usefixtures("dagster_home")
def test_a_query_without_a_date_serves_today_and_refuses_the_past(
    university, monkeypatch, tmp_path
):
    database = Database("sqlite", f"sqlite:///{tmp_path}/s.db", f"sqlite:///{tmp_path}/s.db")
    fill(database)
    # A comment that speaks of :snapshot_date binds nothing.
    query = f"-- binds no :snapshot_date\nSELECT {NAMES} FROM students;\n"
    source = configure(university, monkeypatch, database.url, query)
    assert source.dates() == [university.settings.today()]
    assert len(read(source, university.settings.today())) == 3
    outcome = university.run("2024-09-03", "2024-09-04")
    assert not outcome.success
    assert "has no :snapshot_date, so it gives today's enrollment" in outcome.failures[0]
    assert university.query("SELECT count(*) FROM enrollment.snapshot_log") == [(0,)]


def test_a_number_without_end_is_text_and_one_that_is_none_is_nothing():
    values = [float("inf"), float("nan"), 1e20, Decimal("Infinity"), Decimal("1.50"), True, b"x"]
    expected = ["inf", None, "100000000000000000000", "Infinity", "1.50", "true", "x"]
    assert as_text(values).to_pylist() == expected


@pytest.mark.usefixtures("dagster_home")
def test_a_live_source_is_not_asked_about_closures(university, monkeypatch, tmp_path):
    database = Database("sqlite", f"sqlite:///{tmp_path}/s.db", f"sqlite:///{tmp_path}/s.db")
    fill(database)
    configure(university, monkeypatch, database.url)
    assert university.run("2024-07-03", "2024-07-05").success  # the 4th is a closure
    assert university.query(
        "SELECT DISTINCT day(snapshot_date) FROM enrollment.snapshot_log ORDER BY 1"
    ) == [(3,), (5,)]


@every("postgresql", "pymysql", "mysqldb")
def test_a_read_sees_one_moment_and_leaves_the_rows_with_the_server(
    database, university, monkeypatch
):
    fill_many(database, 90_000)
    source = configure(university, monkeypatch, database.url)
    with source.read(DATE) as extract:
        count = next(extract.rows).num_rows
        assert count < 45_000
        database.run("UPDATE students SET program = 'Changed'")
        database.run("DELETE FROM students WHERE student_id LIKE '%3'")
        for batch in extract.rows:
            count += batch.num_rows
            assert set(batch.column("program").to_pylist()) == {"History"}
    assert count == 90_000


@every("postgresql", "pymysql")
def test_nothing_can_be_written(database, university, monkeypatch):
    fill(database)
    if database.kind == "postgresql":
        body = "LANGUAGE sql AS 'DELETE FROM students; SELECT 1'"
        database.run(f"CREATE FUNCTION wipe() RETURNS integer {body}")
    else:
        database.run(
            "CREATE FUNCTION wipe() RETURNS INTEGER MODIFIES SQL DATA "
            "BEGIN DELETE FROM students; RETURN 1; END"
        )
    source = configure(
        university, monkeypatch, database.url, f"SELECT {NAMES}, wipe() FROM students"
    )
    with pytest.raises(SourceError, match=r"(?i)read.?only"):
        read(source, university.settings.today())
    with database.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM students")).scalar() == 3


@every()
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT nickname FROM students", "nickname"),
        (f"SELECT {NAMES} FROM pupils", "pupils"),
        (f"SELECT {NAMES} FROM students WHERE (", "rejected"),
        ("SELECT student_id, term FROM students", "has no column student_name"),
        (f"SELECT {NAMES}, term FROM students", "the column term 2 times"),
    ],
)
def test_a_wrong_query_is_told_with_what_is_wrong_in_it(
    database, university, monkeypatch, query, expected
):
    fill(database)
    source = configure(university, monkeypatch, database.url, query)
    # A probe around a query with one name twice is refused by some in words of their own.
    asks = [read] if "2 times" in expected else [read, lambda source, day: source.probe(day)]
    for ask in asks:
        with pytest.raises(SourceError, match=expected) as error:
            ask(source, university.settings.today())
        assert not error.value.transient
        assert "Name 1" not in str(error.value)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (None, "does not exist"),
        ("DELETE FROM students", "must be a single SELECT"),
        ("SELECT 1; DROP TABLE students", "must be a single SELECT"),
        ("SELECT 1 WHERE :today = 1", "binds :today; it may only bind"),
    ],
)
def test_a_file_that_is_no_query_is_refused_before_anybody_is_asked(
    university, monkeypatch, query, expected
):
    source = configure(university, monkeypatch, "postgresql://nowhere.invalid/x", query or "")
    if query is None:
        (university.folder / "query.sql").unlink()
    with pytest.raises(SourceError, match=expected):
        source.check()


def test_binds_are_found_in_code_and_in_nothing_else(tmp_path):
    path = tmp_path / "q.sql"
    path.write_text(
        "SELECT a::date, '12:30', \"x:y\", 'it''s :no' -- it's :no\n/* ':no */ FROM t "
        "WHERE d = :snapshot_date::date AND t=:term"
    )
    query = Query.read(path)
    assert query.binds == {"snapshot_date", "term"}
    assert query.with_binds(lambda name: f"<{name}>").count("<") == 2
    compiled = str(query.clause().compile(dialect=sa.dialects.postgresql.dialect()))
    assert ":no" in compiled
    assert "a::date" in compiled


@every()
@pytest.mark.usefixtures("dagster_home")
def test_an_empty_answer_is_a_snapshot_of_nobody_and_is_refused(database, university, monkeypatch):
    fill(database, 80)
    configure(university, monkeypatch, database.url)
    assert university.run("2024-09-03").success
    database.run("DELETE FROM students")
    outcome = university.run("2024-09-04")
    assert "has no rows for it" in " ".join(outcome.failures)
    assert university.query("SELECT count(*) FROM enrollment.enrollment_snapshots") == [(80,)]


ODD_PASSWORD = "p@ss/w:rd#%41"


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory):
    server = OwnPostgres(tmp_path_factory.mktemp("pg"))
    fill_many(server.database, MANY)
    server.database.run(
        "CREATE ROLE reporter LOGIN PASSWORD 'right'", "GRANT SELECT ON students TO reporter"
    )
    server.database.run(
        f"CREATE ROLE odd LOGIN PASSWORD '{ODD_PASSWORD}'", "GRANT SELECT ON students TO odd"
    )
    server.demand_passwords("reporter,odd")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def own_mariadb(tmp_path_factory):
    require(OwnMariaDb.is_there(), "mariadbd is not installed")
    server = OwnMariaDb(tmp_path_factory.mktemp("maria") / "data")
    fill_many(server.database, MANY)
    server.database.run(
        "CREATE USER reporter@'%' IDENTIFIED BY 'right'",
        "GRANT SELECT ON mysql.students TO reporter@'%'",
        f"CREATE USER odd@'%' IDENTIFIED BY '{ODD_PASSWORD}'",
        "GRANT SELECT ON mysql.students TO odd@'%'",
    )
    yield server
    server.kill()


@pytest.fixture(params=["own_postgres", "own_mariadb"])
def own_server(request):
    return request.getfixturevalue(request.param)


def as_reporter(server, password="right", database=None):
    if isinstance(server, OwnPostgres):
        address = server.address.replace("/postgres?", f"/{database or 'postgres'}?")
        return f"postgresql://reporter:{password}@{address}"
    return f"mysql+pymysql://reporter:{password}@127.0.0.1:{server.port}/{database or 'mysql'}"


@pytest.mark.parametrize(
    ("password", "database", "query", "expected"),
    [
        ("geheim-7", None, QUERY, "refused the login of reporter"),
        ("right", "nowhere", QUERY, "there is no such database, or reporter may not open it"),
        ("right", None, "SELECT * FROM hidden", "grant reporter SELECT"),
    ],
)
def test_a_login_that_fails_says_so_once_and_shows_no_password(
    own_server, university, monkeypatch, password, database, query, expected
):
    own_server.database.run(
        "DROP TABLE IF EXISTS hidden", "CREATE TABLE hidden (student_id INTEGER)"
    )
    source = configure(
        university, monkeypatch, as_reporter(own_server, password, database), query, retries=3
    )
    with pytest.raises(SourceError, match=expected) as error:
        source.probe(university.settings.today())
    assert not error.value.transient
    assert "geheim" not in str(error.value)
    assert "right@" not in str(error.value)


def test_a_password_from_the_environment_may_hold_any_sign(own_server, university, monkeypatch):
    url = as_reporter(own_server, "PASSWORD").replace("reporter:PASSWORD", "odd:${ODD_PASSWORD}")
    monkeypatch.setenv("ODD_PASSWORD", ODD_PASSWORD)
    configure(university, monkeypatch, "")
    university.change(source={**university.settings.source.model_dump(), "url": url})
    assert source_for(university.settings).probe(DATE).columns
    monkeypatch.setenv("ODD_PASSWORD", "p@ss")
    with pytest.raises(SourceError, match="refused the login of odd"):
        source_for(university.settings).probe(DATE)


def test_an_error_that_may_hold_a_value_is_told_without_its_text(
    own_postgres, university, monkeypatch
):
    own_postgres.database.run(
        f"UPDATE students SET student_name = '{SECRET}' WHERE student_id = '7'"
    )
    query = QUERY.replace("student_name,", "CAST(student_name AS integer) AS student_name,")
    source = configure(university, monkeypatch, as_reporter(own_postgres), query)
    with pytest.raises(SourceError, match="InvalidTextRepresentation 22P02") as error:
        read(source)
    assert "Name" not in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.usefixtures("dagster_home")
def test_a_server_that_is_not_there_is_asked_again_and_then_told(university, monkeypatch):
    source = configure(university, monkeypatch, "postgresql://x:geheim@127.0.0.1:9/db", retries=2)
    with pytest.raises(SourceUnavailableError, match=r"\(Connection refused\)"):
        read(source)
    started = time.monotonic()
    outcome = university.run("2024-09-03")
    assert time.monotonic() - started > 0.05 + 0.1
    assert "Connection refused" in outcome.failures[0]
    assert "geheim" not in outcome.failures[0]


@pytest.mark.usefixtures("dagster_home")
def test_a_server_killed_in_the_middle_of_a_read_is_asked_again_and_no_row_comes_twice(
    own_server, university, monkeypatch
):
    source = configure(
        university, monkeypatch, as_reporter(own_server), retries=6, retry_seconds=0.3
    )
    with source.read(DATE) as extract:
        next(extract.rows)
        own_server.kill()
        with pytest.raises(
            SourceUnavailableError, match="did not answer, or the connection was lost"
        ):
            list(extract.rows)
    restart = threading.Timer(1.0, own_server.start)
    restart.start()
    assert university.run("2024-09-03").success
    restart.join()
    assert university.query(
        "SELECT count(*), count(DISTINCT student_id) FROM enrollment.enrollment_snapshots"
    ) == [(MANY, MANY)]


@every("postgresql", "pymysql", "mysqldb")
@pytest.mark.usefixtures("dagster_home")
def test_a_connection_that_the_server_ends_in_the_middle_is_made_anew(
    database, university, monkeypatch
):
    fill_many(database, 90_000)
    configure(university, monkeypatch, database.url, retries=5)
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'enrollment_assets' AND datname = current_database()"
        if database.kind == "postgresql"
        else None
    )
    from enrollment_assets.pipeline.ingest import staging

    original = staging._as_staged
    calls = []

    def as_staged(*arguments):
        calls.append(1)
        if len(calls) == 1:
            if kill:
                database.run(kill)
            else:
                with database.engine.connect() as connection:
                    name = connection.engine.url.database
                    ids = connection.execute(
                        sa.text(
                            "SELECT id FROM information_schema.processlist WHERE db = :name "
                            "AND id <> connection_id()"
                        ),
                        {"name": name},
                    ).scalars()
                    for found in ids.all():
                        connection.execute(sa.text(f"KILL CONNECTION {found}"))
        return original(*arguments)

    monkeypatch.setattr(staging, "_as_staged", as_staged)
    assert university.run("2024-09-03").success
    assert university.query(
        "SELECT count(*), count(DISTINCT student_id) FROM enrollment.enrollment_snapshots"
    ) == [(90_000, 90_000)]


LOCKS = {
    "postgresql": "LOCK TABLE students IN ACCESS EXCLUSIVE MODE",
    "mariadb": "LOCK TABLES students WRITE",
    "sqlite": "BEGIN EXCLUSIVE",
}


@every("postgresql", "pymysql", "mysqldb", "sqlite")
@pytest.mark.usefixtures("dagster_home")
def test_a_lock_is_waited_for_told_and_tried_again(database, university, monkeypatch):
    fill(database)
    # A table lock waits a whole number of seconds in MariaDB, half of the time that there is.
    source = configure(university, monkeypatch, database.url, timeout_seconds=2, retries=20)
    holder = database.engine.connect()
    if database.kind == "sqlite":
        holder.connection.driver_connection.isolation_level = None
    holder.exec_driver_sql(LOCKS[database.kind])
    with pytest.raises(SourceUnavailableError, match="another session has locked"):
        read(source)
    threading.Timer(1.0, holder.invalidate).start()
    assert university.run("2024-09-03").success
    assert university.query("SELECT count(*) FROM enrollment.enrollment_snapshots") == [(3,)]


@every("postgresql", "pymysql", "mysqldb")
def test_a_query_that_takes_too_long_is_ended_by_the_server(database, university, monkeypatch):
    fill(database)
    sleep = "pg_sleep(20)" if database.kind == "postgresql" else "SLEEP(20)"
    query = f"{QUERY} AND {sleep} IS NOT NULL"
    source = configure(university, monkeypatch, database.url, query, timeout_seconds=1)
    started = time.monotonic()
    with pytest.raises(SourceUnavailableError, match=r"did not (finish|answer)"):
        read(source)
    assert time.monotonic() - started < 10


@pytest.mark.usefixtures("dagster_home")
def test_a_range_asks_once_for_each_date(own_postgres, university, monkeypatch):
    own_postgres.database.run(
        "TRUNCATE students",
        "INSERT INTO students VALUES ('00042', 'A', '2024FA', 'Arts', 'B', 'C', 'enrolled', "
        "'2024-04-01')",
        "ALTER ROLE reporter SET log_statement = 'all'",
    )
    marker = "asked_once_for_each_date"
    configure(university, monkeypatch, as_reporter(own_postgres), f"{QUERY} -- {marker}")
    assert university.run("2024-09-03", "2024-09-12").success
    log = own_postgres.log.read_text(errors="replace")
    assert log.count(marker) == 10


@every()
@pytest.mark.usefixtures("dagster_home")
def test_the_doctor_reaches_the_source_and_lists_its_columns(database, university, monkeypatch):
    fill(database, 5)
    configure(university, monkeypatch, database.url, f"SELECT {NAMES}, since FROM students")
    monkeypatch.setenv("ENROLLMENT_CONFIG", str(university.config))
    (finding,) = [found for found in diagnose() if found.subject == "source"]
    assert finding.ok, finding.message
    assert "5 rows" in finding.message
    assert "student_level as level" in finding.message
    assert "not read: since" in finding.message


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nonsense", "is not the address of a database"),
        ("db2://x/y", "db2 databases are not supported"),
        ("sqlite:///nowhere.db", "nowhere.db does not exist"),
        ("mssql+nodriver://x/y", "unknown or not installed"),
    ],
)
def test_an_address_that_cannot_be_used_is_told(university, monkeypatch, url, expected):
    source = configure(university, monkeypatch, url)
    with pytest.raises(SourceError, match=expected):
        source.check()


def test_a_driver_that_is_not_installed_is_named_with_its_extra(university, monkeypatch):
    monkeypatch.setitem(sys.modules, "oracledb", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    source = configure(university, monkeypatch, "oracle://u@h/x")
    with pytest.raises(SourceError, match=r"pip install -e '\.\[oracle\]'"):
        source.check()


class OperationalError(Exception):
    """As drivers name it."""


@pytest.mark.parametrize(
    ("backend", "arguments", "trouble"),
    [
        ("mssql", ((18456, b"Login failed for user 'x'"),), Trouble.LOGIN),
        ("mssql", (208, b"Invalid object name"), Trouble.QUERY),
        ("mssql", (1222, b"Lock request time out"), Trouble.LOCK),
        ("mssql", (20003, b"timed out"), Trouble.TIME),
        ("mssql", (20009, b"Unable to connect"), Trouble.LOST),
        ("mssql", (8115, b"Arithmetic overflow"), Trouble.OTHER),
        ("oracle", ("ORA-01017: invalid username/password",), Trouble.LOGIN),
        ("oracle", ("ORA-00942: table or view does not exist",), Trouble.QUERY),
        ("oracle", ("ORA-12514: no such service",), Trouble.DATABASE),
        ("oracle", ("ORA-03113: end-of-file",), Trouble.LOST),
        ("oracle", ("DPY-6005: cannot connect",), Trouble.LOST),
        ("oracle", ("DPY-4024: call timeout",), Trouble.TIME),
        ("oracle", ("ORA-01722: invalid number",), Trouble.OTHER),
    ],
)
def test_errors_of_databases_that_cannot_run_here_are_known_by_their_codes(
    backend, arguments, trouble
):
    assert what_is_wrong(OperationalError(*arguments), backend) is trouble


@every()
def test_the_generic_template_runs_as_it_is_on_every_database(database, university, monkeypatch):
    database.run(
        "CREATE TABLE students (student_id VARCHAR(10), last_name VARCHAR(40), first_name VARCHAR(40))",
        "CREATE TABLE programs (program VARCHAR(10), title VARCHAR(40), division VARCHAR(40))",
        "CREATE TABLE enrollment_history (student_id VARCHAR(10), term VARCHAR(10), "
        "program VARCHAR(10), level VARCHAR(10), status VARCHAR(10), valid_from DATE, valid_to DATE)",
        "INSERT INTO students VALUES ('00042', 'Lovelace', 'Ada'), ('7', 'Madonna', NULL)",
        "INSERT INTO programs VALUES ('M', 'Mathematics', 'Science')",
        "INSERT INTO enrollment_history VALUES "
        "('00042', '2024FA', 'M', '1', 'enrolled', '2024-09-01', '2024-09-04'), "
        "('7', '2024FA', 'X', '2', 'enrolled', '2024-09-03', NULL)",
    )
    template = (CHECKOUT / "sql" / "extract" / "enrollment_query.sql").read_text()
    configure(university, monkeypatch, database.url, template)
    university.change(columns={name: name for name in HEADER.split(",")})
    source = source_for(university.settings)
    ada = ("00042", "Lovelace, Ada", "2024FA", "Science", "Mathematics", "1", "enrolled")
    unnamed = ("7", "Madonna", "2024FA", None, "X", "2", "enrolled")
    assert read(source, DATE - dt.timedelta(1)) == [ada]
    assert sorted(read(source)) == [ada, unnamed]
    assert read(source, DATE + dt.timedelta(1)) == [unnamed]
    assert source.probe(DATE).rows == 2


@pytest.mark.parametrize(
    ("text", "dialect", "is_one"),
    [
        ("\ufeffSELECT 1", "postgresql", True),
        ("SELECT 1; -- nightly", "postgresql", True),
        ("SELECT 1 ;\n/* by ; the registrar */\n", "mssql", True),
        (r"SELECT 'O\'Brien; Hall'", "mysql", True),
        (r'SELECT "a\"; b"', "mariadb", True),
        (r"SELECT 'a\'; DROP TABLE t; --'", "postgresql", False),
        ("SELECT 1; SELECT 2", "mysql", False),
        ("SELECT 1; -- nightly\nDELETE FROM t", "postgresql", False),
    ],
)
def test_marks_and_comments_around_a_query_are_no_second_statement(tmp_path, text, dialect, is_one):
    path = tmp_path / "query.sql"
    path.write_text(text, encoding="utf-8")
    if not is_one:
        with pytest.raises(SourceError, match="a single SELECT"):
            Query.read(path, dialect)
        return
    query = Query.read(path, dialect)
    assert query.text.startswith("SELECT")
    assert not query.text.endswith(";")
    assert "nightly" not in query.text
