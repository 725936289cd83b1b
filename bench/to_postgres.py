#!/usr/bin/python3
"""Copies the rows of a folder that fill.py made into an empty PostgreSQL database. See README.md."""
import argparse
import io
import os
import sqlite3
import subprocess
import sys
import time

import psycopg2

from fill import FILLED
from harness import ROOT

CHUNK = 20_000  # rows of one COPY


def text(value):
    """A value in COPY's text format."""
    if value is None:
        return "\\N"
    return str(value).replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def copy(source, cursor, table, columns):
    rows = source.execute(f"SELECT {', '.join(columns)} FROM {table}")
    copied = 0
    while chunk := rows.fetchmany(CHUNK):
        data = io.StringIO("".join("\t".join(map(text, row)) + "\n" for row in chunk))
        cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN", data)
        copied += len(chunk)
    return copied


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="that fill.py made")
    parser.add_argument("database", help="URL of an empty database")
    parser.add_argument("--binary", default=os.path.join(ROOT, "build/release/app/shortvideo"))
    options = parser.parse_args()
    start = time.monotonic()
    subprocess.run([options.binary, "migrate", "--data", options.folder, "--set", f"database={options.database}"], check=True, stdout=subprocess.DEVNULL)
    source = sqlite3.connect(f"file:{os.path.join(options.folder, 'shortvideo.db')}?mode=ro", uri=True)
    db = psycopg2.connect(options.database)
    with db, db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM video_videos")
        if cursor.fetchone()[0]:
            sys.exit("the database has videos already: give an empty one")
        rows = sum(copy(source, cursor, table, columns.split()) for table, columns in FILLED.items())
    db.autocommit = True
    db.cursor().execute("VACUUM ANALYZE")
    print(f"{rows} rows in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
