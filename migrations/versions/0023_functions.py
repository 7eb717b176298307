"""The verbs of the ledger as functions of PostgreSQL; SQLite runs their steps from the package.

The text of this revision is `migrations/functions/0023/`: a copy of `penstock/dal/ledger/postgresql/` as it was then.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Statements = Mapping[str, Sequence[str]]

revision: str = "0023"
down_revision: str | None = "0022"

FOLDER = Path(__file__).parents[1] / "functions" / revision
TYPES = FOLDER / "types.sql"
FUNCTIONS = sorted(path for path in FOLDER.glob("*.sql") if path != TYPES)

UP: Statements = {
    "postgresql": tuple(path.read_text() for path in (TYPES, *FUNCTIONS)),
    "sqlite": (),
}

DOWN: Statements = {
    "postgresql": (
        *(f"DROP FUNCTION IF EXISTS penstock.{path.stem}" for path in FUNCTIONS),
        "DROP TYPE IF EXISTS penstock.effect, penstock.job, penstock.settlement",
    ),
    "sqlite": (),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
