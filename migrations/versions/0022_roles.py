"""Who may do what: five roles that a login is given, and that cannot log in themselves.

penstock_reader may read every table. The others may write none: what they may do is to call functions. Roles belong to
the cluster, so each is made only if no other database has made it, and going down leaves it there. SQLite has no roles.
"""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = "0022"
down_revision: str | None = "0021"

UP: Statements = {
    "postgresql": (
        """
        DO $penstock$
        DECLARE
            wanted text;
        BEGIN
            FOREACH wanted IN ARRAY ARRAY['penstock_reader', 'penstock_client', 'penstock_worker',
                'penstock_operator', 'penstock_purger'] LOOP
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                    BEGIN
                        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
                    EXCEPTION
                        WHEN duplicate_object OR unique_violation THEN NULL;
                    END;
                END IF;
            END LOOP;
        END
        $penstock$
        """,
        """
        GRANT USAGE ON SCHEMA penstock
        TO penstock_reader, penstock_client, penstock_worker, penstock_operator, penstock_purger
        """,
        "GRANT SELECT ON ALL TABLES IN SCHEMA penstock TO penstock_reader",
    ),
    "sqlite": (),
}

DOWN: Statements = {
    "postgresql": (
        """
        DO $penstock$
        DECLARE
            found text;
        BEGIN
            FOR found IN SELECT rolname FROM pg_roles WHERE rolname IN ('penstock_reader', 'penstock_client',
                'penstock_worker', 'penstock_operator', 'penstock_purger') LOOP
                EXECUTE format('REVOKE USAGE ON SCHEMA penstock FROM %I', found);
                EXECUTE format('REVOKE SELECT ON ALL TABLES IN SCHEMA penstock FROM %I', found);
            END LOOP;
        END
        $penstock$
        """,
    ),
    "sqlite": (),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
