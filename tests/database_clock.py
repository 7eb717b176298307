"""The clock of a PostgreSQL database, set by a test: `penstock.now()` is replaced, as only its owner can."""

import psycopg
import sqlalchemy as sa

from tests import pooler

INSTALL = """
CREATE SCHEMA IF NOT EXISTS tests;
CREATE TABLE IF NOT EXISTS tests.clock (id integer PRIMARY KEY DEFAULT 1, now timestamptz);
CREATE OR REPLACE FUNCTION penstock.now() RETURNS timestamptz LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS 'SELECT coalesce((SELECT c.now FROM tests.clock c), clock_timestamp())';
"""
SET = "INSERT INTO tests.clock (now) VALUES (%s) ON CONFLICT (id) DO UPDATE SET now = excluded.now"


def has_clock(url: str) -> bool:
    """Whether the database reads a clock of its own: SQLite takes the caller's."""
    return sa.make_url(url).get_backend_name() == "postgresql"


def install(url: str) -> None:
    """Lets the database read the clock of the test from now on."""
    with psycopg.connect(_past(url), autocommit=True) as owner:
        owner.execute(INSTALL)


def set_to(url: str, now: object) -> None:
    """What time it is there."""
    with psycopg.connect(_past(url), autocommit=True) as owner:
        owner.execute(SET, [now])


def _past(url: str) -> str:
    """The database itself, as its owner: past a pooler, and whoever logs in by the URL."""
    owner = sa.make_url(pooler.past(url)).set(drivername="postgresql", username="postgres")
    return owner.render_as_string(hide_password=False)
