"""Where a scenario's tables lie: SQLite files below its data folder, or PostgreSQL with SV_TEST_DATABASE=postgres (a database of its own
on the server that SV_TEST_POSTGRES names). With SV_TEST_APART each service has a file, or a schema, that the others do not see."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import sqlite3
import time

ON_POSTGRES = os.environ.get("SV_TEST_DATABASE") == "postgres"
APART = os.environ.get("SV_TEST_APART", "") not in ("", "0")
SERVICES = "user video social interaction message live danmu recommend".split()


def settings(data):
    """Environment variables that point shortvideo at the tables that belong to the data folder, which are made if there are none."""
    if ON_POSTGRES:
        name = _name(data)
        with contextlib.closing(_connect(_server())) as db:
            if not _query(db, "SELECT 1 FROM pg_database WHERE datname = %s", (name,)):
                _query(db, f'CREATE DATABASE "{name}"')
    if not APART:
        return {"SHORTVIDEO_DATABASE": _url(data, "")} if ON_POSTGRES else {}
    return {f"SHORTVIDEO_DATABASES__{service.upper()}": _url(data, service) if ON_POSTGRES else f"sqlite:{{data}}/{service}.db" for service in SERVICES}


def copy(data, to):
    """The data folder and its tables, of a server that has ended."""
    shutil.copytree(data, to)
    (pathlib.Path(to) / ".copy-of").write_text(str(pathlib.Path(data).absolute()))
    settle(data)
    if ON_POSTGRES:
        with contextlib.closing(_connect(_server())) as db:
            _query(db, f'CREATE DATABASE "{_name(to)}" TEMPLATE "{_name(data)}"')


def original(data):
    """Whose objects the data folder's tables name, where those are in a bucket, which is not copied."""
    copied = pathlib.Path(data) / ".copy-of"
    return original(copied.read_text()) if copied.exists() else data


def settle(data):
    """Waits until nobody is connected any more: what a killed server sent is still being done for a moment."""
    if ON_POSTGRES:
        with contextlib.closing(_connect(_server())) as db:
            deadline = time.monotonic() + 20
            while _query(db, "SELECT 1 FROM pg_stat_activity WHERE datname = %s", (_name(data),)) and time.monotonic() < deadline:
                time.sleep(0.01)


def follow():
    """A status is read from the database itself. Lists in memory follow when the server's answer to the COMMIT is there: on PostgreSQL a moment
    later, which is what it promises to those who did not write (docs/consistency.md)."""
    if ON_POSTGRES:
        time.sleep(1 if os.environ.get("SV_TEST_SHAPE") == "cluster" else 0.1)


def drop(data):
    if ON_POSTGRES:
        import psycopg2.errors
        with contextlib.closing(_connect(_server())) as db:
            for _ in range(100):
                try:
                    return _query(db, f'DROP DATABASE IF EXISTS "{_name(data)}" WITH (FORCE)')
                except (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ObjectInUse):
                    time.sleep(0.05)  # the server itself looks after it just now


@contextlib.contextmanager
def tables(data, service):
    """A service's tables, to be looked at and changed: run(sql, parameters) gives the rows, or how many were changed. Committed at the end."""
    if ON_POSTGRES:
        db = _connect(_url(data, service if APART else ""))

        def run(sql, parameters=()):
            return _query(db, sql.replace("?", "%s"), parameters or None)
    else:
        own = pathlib.Path(data) / f"{service}.db"
        db = sqlite3.connect(own if own.exists() else pathlib.Path(data) / "shortvideo.db", timeout=30)

        def run(sql, parameters=()):
            done = db.execute(sql, parameters)
            return done.fetchall() if done.description else done.rowcount
    with contextlib.closing(db):
        yield run
        db.commit()


def cells(data):
    """Every value of every table below the data folder and in its database: (table, column, text)."""
    for file in pathlib.Path(data).rglob("*.db"):
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            yield from _cells(db.cursor(), names)
    if ON_POSTGRES:
        with contextlib.closing(_connect(_url(data, ""))) as db:
            names = [f'{schema}"."{table}' for schema, table in _query(db, "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information_)'")]
            yield from _cells(db.cursor(), names)


def _cells(cursor, names):
    for name in names:
        cursor.execute(f'SELECT * FROM "{name}"')
        columns = [column[0] for column in cursor.description]
        for row in cursor.fetchall():
            for column, value in zip(columns, row):
                if isinstance(value, (bytes, memoryview)):
                    value = bytes(value).decode("utf-8", "replace")
                yield name.rpartition('"."')[2], column, str(value)


def prefix(data):
    """What is the data folder's own in servers that scenarios share."""
    return _name(data)


def _name(data):
    return "sv_" + hashlib.sha256(str(pathlib.Path(data).absolute()).encode()).hexdigest()[:24]


def _server():
    return os.environ["SV_TEST_POSTGRES"]


def _url(data, schema):
    place, _, options = _server().partition("?")
    url = f"{place.rsplit('/', 1)[0]}/{_name(data)}?{options}"
    if schema:
        with contextlib.closing(_connect(url)) as db:
            _query(db, f"CREATE SCHEMA IF NOT EXISTS of_{schema}")
        url += f"{'&' if options else ''}options=-csearch_path%3Dof_{schema}"
    return url


def _connect(url):
    import psycopg2  # not needed by who tests on SQLite alone
    db = psycopg2.connect(url)
    db.autocommit = True
    return db


def _query(db, sql, parameters=None):
    with db.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else cursor.rowcount
