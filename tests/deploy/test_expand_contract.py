"""A revision that the release before would not survive is refused, unless it says `contract`, with the reason."""

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import Script, ScriptDirectory

from tests.deploy.expand_contract import refused
from tests.migrations.revisions import ROOT, revisions

# Nothing ran before the first release, so nothing could break.
FIRST_RELEASE = "0023"
HEAD = revisions()[-1].revision

REVISION = '''
"""An example."""
{contract}
revision = "9999"
down_revision = "{head}"


def upgrade(run):
    run({{"postgresql": {postgresql!r}, "sqlite": {sqlite!r}}})
'''
BY_OPERATIONS = '''
"""An example that is written in Alembic's own words."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade(run):
    {operation}
'''


def with_one_more(directory: Path, text: str) -> tuple[Config, Script]:
    """The revisions of the project, and one that follows them."""
    (directory / "example.py").write_text(text)
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("version_locations", f"{ROOT / 'migrations' / 'versions'}:{directory}")
    return config, ScriptDirectory.from_config(config).get_revision("9999")


def verdict(directory: Path, *statements: str, sqlite: tuple[str, ...] = (), contract: str = "") -> list[str]:
    text = REVISION.format(head=HEAD, postgresql=statements, sqlite=sqlite, contract=contract)
    return [each.what for each in refused(*with_one_more(directory, text))]


def test_no_revision_since_the_first_release_breaks_the_one_before() -> None:
    config = Config(toml_file=ROOT / "pyproject.toml")
    later = [revision for revision in revisions() if revision.revision > FIRST_RELEASE]
    assert {} == {each.revision: found for each in later if (found := [*map(str, refused(config, each))])}


def test_the_gate_reads_the_revisions_that_there_are() -> None:
    """Before the first release it is no gate, but it would see the guards as what they are, and new tables as new."""
    config = Config(toml_file=ROOT / "pyproject.toml")
    (guards,) = [revision for revision in revisions() if revision.path.endswith("_guards.py")]
    assert {"adds a trigger", "changes a function that refuses"} == {each.what for each in refused(config, guards)}
    first = revisions()[0]
    assert [] == refused(config, first)
    (functions,) = [revision for revision in revisions() if revision.path.endswith("_functions.py")]
    assert [] == refused(config, functions)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DROP TABLE penstock.sessions", "takes a table away"),
        ("DROP TABLE IF EXISTS sessions CASCADE", "takes a table away"),
        ("DROP VIEW task_overview", "takes a view away"),
        ("ALTER TABLE penstock.tasks DROP COLUMN title", "takes a column away"),
        ("ALTER TABLE IF EXISTS ONLY tasks DROP title", "takes a column away"),
        ("alter table tasks\n  drop column if exists title", "takes a column away"),
        ("ALTER TABLE tasks ADD COLUMN a text, DROP COLUMN b", "takes a column away"),
        ("ALTER TABLE tasks ALTER COLUMN priority DROP DEFAULT", "takes a default away"),
        ("ALTER TABLE tasks DROP CONSTRAINT uq_tasks_name", "takes a constraint away that ON CONFLICT may name"),
        ("ALTER TABLE tasks RENAME TO jobs", "renames"),
        ("ALTER TABLE tasks RENAME COLUMN title TO heading", "renames"),
        ("ALTER VIEW task_overview RENAME TO overview", "renames"),
        ("ALTER TABLE tasks ALTER COLUMN title TYPE varchar(10)", "changes a type"),
        ("ALTER TABLE tasks ALTER title SET DATA TYPE varchar(10)", "changes a type"),
        ("ALTER TABLE tasks ALTER COLUMN description SET NOT NULL", "forbids NULL"),
        ("ALTER TABLE tasks ADD COLUMN owner text NOT NULL", "asks for a value in a new column"),
        ("ALTER TABLE tasks ADD owner text NOT NULL", "asks for a value in a new column"),
        ("ALTER TABLE tasks ADD CONSTRAINT ck CHECK (length(name) < 50)", "adds a constraint"),
        ("ALTER TABLE tasks ADD CONSTRAINT ck CHECK (length(name) < 50) NOT VALID", "adds a constraint"),
        ("ALTER TABLE tasks ADD COLUMN owner text CHECK (owner <> '')", "adds a constraint"),
        ("ALTER TABLE tasks ADD COLUMN parent uuid REFERENCES tasks (id)", "adds a constraint"),
        ("CREATE UNIQUE INDEX CONCURRENTLY ix ON penstock.tasks (title)", "adds a constraint"),
        ("ALTER TABLE tasks ENABLE ROW LEVEL SECURITY", "hides rows"),
        ("CREATE TRIGGER t BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION penstock.touch()", "adds a trigger"),
        (
            "CREATE OR REPLACE FUNCTION f() RETURNS trigger AS $a$ BEGIN\n  x := 1;\n  RAISE EXCEPTION 'no; never'; END $a$",
            "changes a function that refuses",
        ),
        ("DROP FUNCTION penstock.keep()", "takes a function away"),
        ("ALTER TYPE penstock.effect ADD ATTRIBUTE lease uuid", "changes an answer"),
        ("DROP ROLE penstock_purger", "takes a type away"),
        ("REVOKE INSERT ON tasks FROM PUBLIC", "takes a right away"),
        ("DELETE FROM penstock.configurations", "deletes rows"),
        ("TRUNCATE sessions", "deletes rows"),
        ("DO $a$ BEGIN EXECUTE 'ALTER TABLE tasks DROP COLUMN title'; END $a$", "takes a column away"),
    ],
)
def test_what_takes_away_renames_or_forbids_is_refused(tmp_path: Path, statement: str, what: str) -> None:
    assert [what] == verdict(tmp_path, statement)


@pytest.mark.parametrize(
    "statements",
    [
        ("CREATE TABLE owners (id uuid PRIMARY KEY, name text NOT NULL UNIQUE CHECK (name <> ''))",),
        ("ALTER TABLE tasks ADD COLUMN owner text",),
        ("ALTER TABLE tasks ADD COLUMN owner text NOT NULL DEFAULT ''",),
        ("ALTER TABLE tasks ADD COLUMN number bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY",),
        ("CREATE INDEX ix_tasks_owner ON tasks (title)",),
        ("ALTER TABLE tasks VALIDATE CONSTRAINT ck",),
        ("ALTER TABLE tasks ALTER COLUMN title DROP NOT NULL",),
        ("ALTER TABLE tasks ALTER COLUMN title SET DEFAULT ''",),
        ("GRANT SELECT ON penstock.tasks TO penstock_reader",),
        ("DROP TRIGGER tasks_touch ON tasks",),
        ("COMMENT ON TABLE tasks IS 'never DROP TABLE it; not even on Sundays'",),
        (
            "CREATE TABLE owners (id uuid PRIMARY KEY)",
            "ALTER TABLE owners ADD CONSTRAINT ck CHECK (id IS NOT NULL)",
            "CREATE UNIQUE INDEX ix_owners ON owners (id)",
            "CREATE TRIGGER t BEFORE INSERT ON owners FOR EACH ROW EXECUTE FUNCTION penstock.touch()",
        ),
    ],
    ids=lambda statements: statements[-1][:60],
)
def test_what_only_adds_passes(tmp_path: Path, statements: tuple[str, ...]) -> None:
    assert [] == verdict(tmp_path, *statements)


# --- functions of the ledger -------------------------------------------------------------------------------------

RING = "penstock.ring(queue text, capacity integer)"
RINGS = (
    "RETURNS TABLE (task_execution_id uuid, bell_queue text, priority integer, rings integer, traceparent text,"
    " task_type text)"
)
BODY = "LANGUAGE plpgsql AS $a$ BEGIN DELETE FROM penstock.task_outbox; RAISE EXCEPTION 'no'; END $a$"


def anew(parameters: str, answer: str = RINGS) -> tuple[str, str, str]:
    """How a revision gives ring other parameters."""
    return (
        "DROP FUNCTION penstock.ring(text, integer)",
        f"CREATE FUNCTION penstock.ring({parameters}) {answer} {BODY}",
        "GRANT EXECUTE ON FUNCTION penstock.ring TO penstock_worker",
    )


@pytest.mark.parametrize(
    ("statements", "what"),
    [
        (("DROP FUNCTION penstock.ring(text, integer)",), "takes a function away"),
        (("DROP FUNCTION IF EXISTS penstock.uuid7, penstock.now CASCADE",), "takes a function away"),
        (("ALTER FUNCTION penstock.ring(text, integer) RENAME TO peal",), "renames"),
        (anew("queue text"), "changes a parameter"),
        (anew(""), "changes a parameter"),
        (anew("capacity integer, queue text"), "changes a parameter"),
        (anew("queue text, most integer"), "changes a parameter"),
        (anew("queue text, capacity bigint"), "changes a parameter"),
        (anew("queue text, region text DEFAULT 'a, b', capacity integer DEFAULT 1"), "changes a parameter"),
        (anew("queue text, capacity integer, region text"), "adds a parameter without a default"),
        (anew("queue text, capacity integer", "RETURNS integer"), "changes an answer"),
        (
            (f"CREATE OR REPLACE FUNCTION penstock.ring(queue text, capacity integer, a text = '') {RINGS} {BODY}",),
            "makes a function ambiguous",
        ),
        (anew("queue text, capacity integer")[:2], "takes a right away"),
        (("REVOKE EXECUTE ON FUNCTION penstock.ring(text, integer) FROM penstock_worker",), "takes a right away"),
        (
            (
                f"CREATE OR REPLACE FUNCTION penstock.uuid7(a text) RETURNS uuid {BODY}",
                "DROP FUNCTION penstock.uuid7()",
            ),
            "takes a function away",
        ),
    ],
)
def test_what_breaks_a_call_of_a_function_is_refused(tmp_path: Path, statements: tuple[str, ...], what: str) -> None:
    assert what in verdict(tmp_path, *statements)


def test_a_default_that_goes_away_is_refused(tmp_path: Path) -> None:
    begin = "penstock.begin(worker text, ids uuid[], actor text)"
    statements = (
        "DROP FUNCTION penstock.begin",
        f"CREATE FUNCTION {begin} RETURNS SETOF penstock.job {BODY}",
        "GRANT EXECUTE ON FUNCTION penstock.begin TO penstock_worker",
    )
    assert ["takes a default away"] == verdict(tmp_path, *statements)


@pytest.mark.parametrize(
    "statements",
    [
        (f"CREATE OR REPLACE FUNCTION {RING} {RINGS} {BODY}",),
        (
            f"CREATE OR REPLACE FUNCTION {RING} {RINGS} {BODY}",
            "REVOKE ALL ON FUNCTION penstock.ring(text, integer) FROM PUBLIC",
        ),
        (f"CREATE OR REPLACE FUNCTION penstock.ring(queue text, capacity integer DEFAULT 10) {RINGS} {BODY}",),
        anew("queue text, capacity integer, region text DEFAULT 'a, (b'"),
        anew("queue text, capacity integer = 10, regions text[] = ARRAY['a', 'b'], until timestamptz DEFAULT now()"),
        (
            f"CREATE FUNCTION penstock.peal(queue text) RETURNS integer {BODY}",
            "REVOKE ALL ON FUNCTION penstock.peal FROM PUBLIC",
        ),
        ("GRANT EXECUTE ON FUNCTION penstock.ring(text, integer) TO penstock_operator",),
    ],
    ids=lambda statements: "; ".join(statements).replace(f" {RINGS} {BODY}", ""),
)
def test_what_every_call_of_a_function_survives_passes(tmp_path: Path, statements: tuple[str, ...]) -> None:
    assert [] == verdict(tmp_path, *statements)


def test_the_functions_as_they_are_pass_once_more(tmp_path: Path) -> None:
    texts = [path.read_text() for path in (ROOT / "shared/penstock/dal/ledger/postgresql").glob("*.sql")]
    assert [] == verdict(tmp_path, *texts)


# --- how it is written -------------------------------------------------------------------------------------------


def test_both_engines_are_looked_at(tmp_path: Path) -> None:
    assert ["takes a column away"] == verdict(tmp_path, sqlite=("ALTER TABLE tasks DROP COLUMN title",))


@pytest.mark.parametrize(
    "operation",
    [
        'op.drop_column("tasks", "title")',
        'op.drop_table("tasks")',
        'op.add_column("tasks", sa.Column("a", sa.Text(), nullable=False))',
    ],
)
def test_what_is_written_in_alembics_words_is_looked_at_too(tmp_path: Path, operation: str) -> None:
    assert 2 == len(refused(*with_one_more(tmp_path, BY_OPERATIONS.format(head=HEAD, operation=operation))))


def test_a_revision_that_says_contract_and_why_passes(tmp_path: Path) -> None:
    reason = 'contract = "no release since 0.3 reads title"'
    assert [] == verdict(tmp_path, "ALTER TABLE tasks DROP COLUMN title", contract=reason)


@pytest.mark.parametrize("contract", ["contract = True", 'contract = ""', 'contract = "  "'])
def test_without_a_reason_it_does_not(tmp_path: Path, contract: str) -> None:
    assert ["takes a column away"] == verdict(tmp_path, "ALTER TABLE tasks DROP COLUMN title", contract=contract)
