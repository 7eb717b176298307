"""Who may log in to a migrated database: the functions and retention, each with what it needs and no more.

Neither owns a table, so neither can disarm a guard, and neither may write one: what they may do comes with the roles of
the schema. A login that is not there is made, without a password: on RDS it logs in with tokens of IAM. One that is
there keeps what it has.
"""

from collections.abc import Iterator
from typing import Any

from penstock.settings import Logins

# Two that admit at once would change the same rows of the catalogue. Not the lock of migrations: see migrations/env.py.
LOCK = "SELECT pg_advisory_xact_lock(hashtext('penstock.logins'))"

# A statement ends before its function does: the longest of the api, and a step of retention.
SECONDS = {"functions": 25, "retention": 60}

CREATE = """
DO $penstock$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{login}') THEN RETURN; END IF;
    CREATE ROLE {login} LOGIN;
    ALTER ROLE {login} SET statement_timeout = '{seconds}s';
    ALTER ROLE {login} SET idle_in_transaction_session_timeout = '15s';
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
        GRANT rds_iam TO {login};
    END IF;
END
$penstock$
"""

# Only roles that are there: the schema may not be at head.
GRANT = """
DO $penstock$
DECLARE
    found text;
BEGIN
    FOR found IN SELECT rolname FROM pg_roles WHERE rolname IN ({roles})
        AND NOT pg_has_role('{login}', oid, 'MEMBER') ORDER BY rolname LOOP
        EXECUTE format('GRANT %I TO {login}', found);
    END LOOP;
END
$penstock$
"""

ROLES = {
    "functions": ("penstock_reader", "penstock_client", "penstock_worker", "penstock_operator"),
    "retention": ("penstock_reader", "penstock_purger"),
}


def admit(connection: Any, logins: Logins) -> None:
    """Lets them in, where there are logins at all."""
    if connection.dialect.name != "postgresql":
        return
    with connection.begin():
        for statement in statements(logins):
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def statements(logins: Logins) -> Iterator[str]:
    """What is to be run, each of it as often as one likes."""
    named = {"functions": logins.functions, "retention": logins.retention}
    yield LOCK
    for who, login in named.items():
        if login is not None:
            roles = ", ".join(f"'{role}'" for role in ROLES[who])
            yield CREATE.format(login=login, seconds=SECONDS[who])
            yield GRANT.format(login=login, roles=roles)
