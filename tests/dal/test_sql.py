"""The functions as people call them from SQL: by any driver, in their own transaction, with errors that they can work with."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg  # type: ignore[import-untyped]  # it has no types
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from penstock.dal import schema, tasks
from penstock.dal.ledger import functions, reference
from penstock.dal.store import Store
from penstock.domain.tasks import NewTask
from tests.acting import execution, rows
from tests.dal.places import Place

PAGE = Path(__file__).parents[2] / "docs" / "sql.md"
ENQUEUE = "SELECT penstock.enqueue('send_receipt', '{\"order\": 1}')"


@pytest.fixture
def shop(place: Place) -> Place:
    """With a task that can be enqueued."""
    place.owner.alone(tasks.create, NewTask("send_receipt", "Send a receipt", "mail", queue="mail", priority=2))
    return place


def jobs(store: Store) -> list[str]:
    return [row.name for row in rows(store, schema.task_executions) if row.name == "send_receipt"]


# --- the page ----------------------------------------------------------------------------------------------------


def test_the_page_is_that_of_the_functions() -> None:
    assert reference.page() == PAGE.read_text()


def test_the_page_tells_of_every_function_that_a_role_may_call(place: Place) -> None:
    found = set(re.findall(r"^## (\w+)$", PAGE.read_text(), re.MULTILINE))
    with place.owner.database.engine.connect() as owner:
        granted = owner.exec_driver_sql(
            "SELECT DISTINCT p.proname FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a"
            " WHERE p.pronamespace = 'penstock'::regnamespace AND a.grantee <> p.proowner"
        ).scalars()
        assert found == set(granted) - {"now"} | {"now"}


def test_the_comments_in_the_database_are_those_of_the_page(place: Place) -> None:
    with place.owner.database.engine.connect() as owner:
        comments = owner.exec_driver_sql(
            "SELECT p.proname, obj_description(p.oid) FROM pg_proc p"
            " WHERE p.pronamespace = 'penstock'::regnamespace AND obj_description(p.oid) IS NOT NULL"
        ).all()
    page = PAGE.read_text()
    assert len(comments) > 30
    for name, comment in comments:
        assert comment.splitlines()[0] in page, name


def test_what_is_installed_is_what_the_files_say(place: Place) -> None:
    texts = {path.stem: path.read_text() for path in functions.FILES.glob("*.sql")}
    with place.owner.database.engine.connect() as owner:
        installed = owner.exec_driver_sql(
            "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'penstock'::regnamespace"
        ).all()
    found = {name: source for name, source in installed if name in texts and name != "now"}
    assert set(texts) - {"types", "now"} == set(found)
    assert [] == [name for name, source in found.items() if source not in texts[name]]


def test_the_examples_of_the_page_run_in_their_order(place: Place) -> None:
    examples = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(examples) > 5
    with psycopg.connect(place.url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("CREATE ROLE shop")
        try:
            for example in examples:
                owner.execute(example.encode())
        finally:
            owner.execute("DROP OWNED BY shop; DROP ROLE shop")
    assert {"send_receipt": 4} == {name: jobs(place.owner).count(name) for name in set(jobs(place.owner))}


# --- enqueue -----------------------------------------------------------------------------------------------------


def test_a_job_has_what_its_task_says_and_what_the_call_says(shop: Place) -> None:
    with shop.connect("client") as session:
        row = session.execute(
            "SELECT penstock.enqueue('send_receipt', '{\"order\": 1}', priority => 1, traceparent => NULL)"
        ).fetchone()
    assert row
    job = execution(shop.owner, row[0])
    assert ("send_receipt", "mail", "mail", 1, {"order": 1}, "ready") == (
        job.name, job.task_type, job.queue, job.priority, job.config, job.status,
    )  # fmt: skip
    assert shop.logins["client"] == job.created_by


def test_the_same_call_again_with_the_same_id_changes_nothing(shop: Place) -> None:
    id = uuid4()
    with shop.connect("client") as session:
        for _ in range(2):
            row = session.execute("SELECT penstock.enqueue('send_receipt', id => %s)", [id]).fetchone()
            assert (id,) == row
    assert ["send_receipt"] == jobs(shop.owner)


@pytest.mark.parametrize(
    ("call", "state", "message", "hint"),
    [
        ("penstock.enqueue('nothing')", "PS002", "task: there is no task 'nothing'", "Create it first"),
        ("penstock.enqueue('send_receipt', '[1]')", "PS001", "arguments: must be a JSON object, not array", "Pass an object"),
        ("penstock.enqueue('send_receipt', priority => 9)", "PS001", "priority: is 9", "from 1 to 5"),
        (
            "penstock.enqueue('send_receipt', jsonb_build_object('text', repeat('x', 300000)))",
            "PS001", "arguments: is larger than 256 KiB", "pass a reference",
        ),
        (
            "penstock.enqueue('send_receipt', (repeat('{\"a\":', 70) || '1' || repeat('}', 70))::jsonb)",
            "PS001", "arguments: is nested more than 64 levels deep", "Flatten it",
        ),
        ("penstock.note('TaskFailed')", "PS001", "event_type: is 'TaskFailed'", "Only TaskNoted and PipelineNoted"),
        ("penstock.note('TaskNoted', gen_random_uuid())", "PS002", "task_execution_id: there is no execution", "not been purged"),
    ],
)  # fmt: skip
def test_an_error_names_the_argument_and_says_what_to_do(
    shop: Place, call: str, state: str, message: str, hint: str
) -> None:
    with shop.connect("client") as session, pytest.raises(psycopg.Error) as error:
        session.execute(f"SELECT {call}".encode())
    assert (state, True, True) == (
        error.value.sqlstate,
        message in str(error.value.diag.message_primary),
        hint in str(error.value.diag.message_hint),
    )
    assert [] == jobs(shop.owner)


# --- in the caller's transaction ---------------------------------------------------------------------------------


def libpq(shop: Place) -> str:
    return shop._as("client").replace("+psycopg", "")  # noqa: SLF001 - how this login connects


def test_with_psycopg_it_is_rolled_back_and_committed_with_the_rest(shop: Place) -> None:
    with psycopg.connect(libpq(shop)) as session:
        session.execute(ENQUEUE)
        session.rollback()
        assert [] == jobs(shop.owner)
        session.execute(ENQUEUE)
        session.commit()
    assert ["send_receipt"] == jobs(shop.owner)


def test_with_asyncpg_it_is_rolled_back_and_committed_with_the_rest(shop: Place) -> None:
    async def work() -> None:
        url = sa.make_url(libpq(shop))
        connection = await asyncpg.connect(
            user=url.username, database=url.database, host=str(url.query["host"]), statement_cache_size=0
        )
        rolled_back = connection.transaction()
        await rolled_back.start()
        await connection.fetchval(ENQUEUE)
        await rolled_back.rollback()
        assert [] == jobs(shop.owner)
        async with connection.transaction():
            await connection.fetchval("SELECT penstock.enqueue($1, $2::jsonb)", "send_receipt", '{"order": 1}')
        await connection.close()

    asyncio.run(work())
    assert ["send_receipt"] == jobs(shop.owner)


def test_with_sqlalchemy_async_it_is_rolled_back_and_committed_with_the_rest(shop: Place) -> None:
    async def work() -> None:
        engine = create_async_engine(libpq(shop).replace("postgresql://", "postgresql+psycopg://"))
        async with engine.connect() as connection:
            await connection.execute(sa.text("SELECT penstock.enqueue('send_receipt')"))
            await connection.rollback()
            await connection.execute(sa.text("SELECT penstock.enqueue('send_receipt')"))
            await connection.commit()
        await engine.dispose()

    asyncio.run(work())
    assert ["send_receipt"] == jobs(shop.owner)


TRIGGER = """
    CREATE TABLE public.orders (id integer PRIMARY KEY);
    CREATE FUNCTION public.receipt() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM penstock.enqueue('send_receipt', jsonb_build_object('order', NEW.id)); RETURN NEW; END $$;
    CREATE TRIGGER receipt AFTER INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION public.receipt();
    GRANT INSERT ON public.orders TO PUBLIC;
"""


def test_a_trigger_enqueues_for_each_row_and_for_none_that_is_rolled_back(shop: Place) -> None:
    with psycopg.connect(shop.url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(TRIGGER)
    with psycopg.connect(libpq(shop)) as session:
        session.execute("INSERT INTO public.orders VALUES (1)")
        session.rollback()
        session.execute("INSERT INTO public.orders VALUES (2), (3)")
        session.commit()
    assert ["send_receipt"] * 2 == jobs(shop.owner)


# --- from claim to settle ----------------------------------------------------------------------------------------


def test_a_worker_of_any_language_claims_and_settles(shop: Place) -> None:
    with shop.connect("client") as client:
        client.execute(ENQUEUE)
    with shop.connect("worker") as worker:
        job = worker.execute(
            "SELECT id, lease, status, config FROM penstock.claim('w', 'mail', starting => true)"
        ).fetchone()
        assert job
        assert ("running", {"order": 1}) == job[2:]
        settle = f'[{{"id": "{job[0]}", "lease": "{job[1]}", "verb": "complete", "outcome": {{"sent": true}}}}]'
        answers = [
            worker.execute("SELECT id, status, version FROM penstock.settle(%s::jsonb)", [settle]).fetchall()
            for _ in range(2)
        ]
    assert [[(job[0], "completed", 5)]] * 2 == answers
    assert {"sent": True} == execution(shop.owner, job[0]).outcome


DJANGO = """
import django
from django.conf import settings
from django.db import connection, transaction

settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": %(database)r, "USER": %(username)r, "HOST": %(host)r,
}})
django.setup()
try:
    with transaction.atomic():
        connection.cursor().execute("SELECT penstock.enqueue('send_receipt')")
        raise KeyError
except KeyError:
    pass
with transaction.atomic():
    connection.cursor().execute("SELECT penstock.enqueue(%%s, %%s::jsonb)", ["send_receipt", '{"order": 1}'])
"""


def test_with_django_it_is_rolled_back_and_committed_with_the_rest(shop: Place) -> None:
    """In a process of its own: Django is configured once."""
    url = sa.make_url(libpq(shop))
    names = {"database": url.database, "username": url.username, "host": str(url.query["host"])}
    subprocess.run([sys.executable, "-c", DJANGO % names], check=True)
    assert ["send_receipt"] == jobs(shop.owner)
