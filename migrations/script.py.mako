"""${message}."""

from collections.abc import Callable, Mapping, Sequence

Statements = Mapping[str, Sequence[str]]

revision: str = ${repr(up_revision).replace("'", '"')}
down_revision: str | None = ${repr(down_revision).replace("'", '"')}

UP: Statements = {
    "postgresql": (),
    "sqlite": (),
}

DOWN: Statements = {
    "postgresql": (),
    "sqlite": (),
}


def upgrade(run: Callable[[Statements], None]) -> None:
    run(UP)


def downgrade(run: Callable[[Statements], None]) -> None:
    run(DOWN)
