"""Questions about the database itself: which revision its schema has, and whether history is safe in it."""

from typing import Any

import sqlalchemy as sa

from penstock.dal import guards
from penstock.dal.dialect import Script, Statement, armed_triggers, engine_name, has_table, may_alter
from penstock.dal.store import Tx
from penstock.dal.views import pages
from penstock.dal.views.pages import literal

VERSIONS = sa.table("alembic_version", sa.column("version_num", sa.Text()))


def schema_revision(tx: Tx) -> str | None:
    """The revision of the schema; None in a database that has never been migrated."""
    (found,) = tx.run(MIGRATED)
    revision = pages.first(tx.run(REVISION)) if found.migrated else None
    return revision and str(revision.version_num)


def history_protected(tx: Tx) -> bool:
    """Whether every guard of history is there and fires, and this login could not disarm one."""
    (found,) = tx.run(PROTECTION)
    return not found.may_disarm and guards.of_history(found.engine) <= set(found.armed or ())


def _migrated(script: Script) -> None:
    script.answer(sa.select(has_table(literal(VERSIONS.name)).label("migrated")))


def _revision(script: Script) -> None:
    script.answer(sa.select(VERSIONS.c.version_num))


def _protection(script: Script) -> None:
    owned: list[Any] = [sa.func.coalesce(may_alter(literal(table)), sa.false()) for table in guards.NEVER_TRUNCATED]
    script.answer(
        sa.select(engine_name().label("engine"), armed_triggers().label("armed"), sa.or_(*owned).label("may_disarm"))
    )


MIGRATED, REVISION, PROTECTION = (Statement(build) for build in (_migrated, _revision, _protection))
