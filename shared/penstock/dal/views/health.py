"""Questions about the database itself: which revision its schema has, and whether history is safe in it."""

import sqlalchemy as sa

from penstock.dal import guards
from penstock.dal.dialect import (
    Query,
    armed_triggers,
    engine_name,
    has_table,
    installed_functions,
    may_alter,
    noted_revision,
    version_table,
    writers,
)
from penstock.dal.ledger import functions
from penstock.dal.store import Tx
from penstock.dal.views.pages import literal

MIGRATED = Query(sa.select(has_table(version_table()).label("migrated")))
REVISION = Query(sa.select(noted_revision().label("revision")))
PROTECTION = Query(
    sa.select(
        engine_name().label("engine"),
        armed_triggers().label("armed"),
        writers().label("writers"),
        installed_functions().label("functions"),
        sa.or_(*(sa.func.coalesce(may_alter(literal(table)), sa.false()) for table in guards.NEVER_TRUNCATED)).label(
            "may_disarm"
        ),
    )
)


def schema_revision(tx: Tx) -> str | None:
    """The revision of the schema; None in a database that has never been migrated."""
    (found,) = tx.run(MIGRATED)
    if not found.migrated:
        return None
    (noted,) = tx.run(REVISION)
    return noted.revision and str(noted.revision)


def history_protected(tx: Tx) -> bool:
    """Whether nobody but the owner of the tables can change history, and the caller is not the owner."""
    return not weaknesses(tx)


def weaknesses(tx: Tx) -> list[str]:
    """What would let somebody change history, each in a few words; none where it is protected."""
    (found,) = tx.run(PROTECTION)
    missing = guards.of_history(found.engine) - set(found.armed or ())
    return [
        *(f"the trigger {name} is missing or does not fire" for name in sorted(missing)),
        *(found.writers or ()),
        *(["this login owns the tables, or may become their owner"] if found.may_disarm else []),
        *_changed(found.functions),
    ]


def _changed(installed: dict[str, list[object]] | None) -> list[str]:
    if installed is None:  # an engine without functions
        return []
    found = {name: functions.Function(*properties) for name, properties in installed.items()}  # type: ignore[arg-type]  # as the query makes them
    return [
        f"the function {name} is not the one of this version"
        for name, function in functions.expected().items()
        if found.get(name) != function
    ]
