"""The limit: the same rows by hand-written SQL, one statement a step, prepared, on the driver's own connection.

No checks of input, no views of what did not move, no children, no pauses: only the writes that the verbs also make.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb

from penstock import world

RETRY = {
    "backoff": "exponential", "delay_seconds": 1.0, "factor": 2.0, "cap_seconds": 300.0, "jitter": 0.25, "on": [], "never": [],
}  # fmt: skip

ENQUEUE_ONE = """
WITH job AS (
    INSERT INTO penstock.task_executions (id, name, task_type, queue, status, config, priority, max_attempts, retry,
                                          timeout_seconds, created_by, created_at, updated_at, version)
    VALUES (%(id)s, 'job', 'noop', 'default', 'ready', %(config)s, 3, 3, %(retry)s, 300, 'bench', %(now)s, %(now)s, 2)
    RETURNING id, queue, priority
), bell AS (
    INSERT INTO penstock.task_outbox (task_execution_id, queue, priority, available_at, ring_at, created_at)
    SELECT id, queue, priority, %(now)s, %(now)s, %(now)s FROM job
)
INSERT INTO penstock.execution_events (task_execution_id, event_type, to_status, version, event_data, actor, created_at)
SELECT id, 'TaskCreated', 'pending', 1, '{}'::jsonb, 'bench', %(now)s FROM job
UNION ALL SELECT id, 'TaskMarkedReady', 'ready', 2, '{}'::jsonb, 'bench', %(now)s FROM job
"""
ENQUEUE_MANY = ENQUEUE_ONE.replace(
    """VALUES (%(id)s, 'job', 'noop', 'default', 'ready', %(config)s, 3, 3, %(retry)s, 300, 'bench', %(now)s, %(now)s, 2)""",
    """SELECT id, 'job', 'noop', 'default', 'ready', config::jsonb, 3, 3, retry::jsonb, 300, 'bench', %(now)s, %(now)s, 2
    FROM unnest(%(ids)s::uuid[], %(configs)s::text[], %(retries)s::text[]) AS given (id, config, retry)""",
)
CLAIM = """
WITH mine AS MATERIALIZED (
    SELECT e.id FROM penstock.task_executions e JOIN penstock.task_outbox o ON o.task_execution_id = e.id
    WHERE o.queue = 'default' AND o.available_at <= %(now)s AND e.status = 'ready'
    ORDER BY o.priority, o.available_at, o.id LIMIT %(limit)s FOR NO KEY UPDATE OF e, o SKIP LOCKED
), done AS (
    UPDATE penstock.task_executions e SET status = 'claimed', version = version + 1, lease = %(lease)s, worker_id = 'w',
        lease_expires_at = %(until)s, resume_at = NULL, updated_at = %(now)s
    FROM mine WHERE e.id = mine.id AND e.status = 'ready' RETURNING e.*
), gone AS (DELETE FROM penstock.task_outbox WHERE task_execution_id IN (SELECT id FROM done)
), facts AS (
    INSERT INTO penstock.execution_events (
        task_execution_id, event_type, to_status, version, event_data, worker_id, actor, created_at)
    SELECT id, 'TaskClaimed', 'claimed', version, '{}'::jsonb, 'w', 'bench', %(now)s FROM done
)
SELECT * FROM done
"""
START = """
WITH given AS (SELECT unnest(%(ids)s::uuid[]) AS id), done AS (
    UPDATE penstock.task_executions e SET status = 'running', version = version + 1, started_at = %(now)s,
        lease_expires_at = %(until)s, updated_at = %(now)s
    FROM given WHERE e.id = given.id AND e.status = 'claimed' AND e.lease = %(lease)s RETURNING e.id, e.version
)
INSERT INTO penstock.execution_events (
    task_execution_id, event_type, to_status, version, event_data, worker_id, actor, created_at)
SELECT id, 'TaskStarted', 'running', version, '{}'::jsonb, 'w', 'bench', %(now)s FROM done
"""
COMPLETE = """
WITH given AS (SELECT unnest(%(ids)s::uuid[]) AS id), done AS (
    UPDATE penstock.task_executions e SET status = 'completed', version = version + 1, lease = NULL, lease_expires_at = NULL,
        outcome = '{"success": true}', completed_at = %(now)s, updated_at = %(now)s
    FROM given WHERE e.id = given.id AND e.status = 'running' AND e.lease = %(lease)s RETURNING e.id, e.version
)
INSERT INTO penstock.execution_events (
    task_execution_id, event_type, to_status, version, event_data, worker_id, actor, created_at)
SELECT id, 'TaskCompleted', 'completed', version, '{}'::jsonb, 'w', 'bench', %(now)s FROM done
"""
MUCH_LATER = "2199-01-01T00:00:00+00:00"


class Raw:
    """The steps of a job's life as statements, each on a connection out of a pool, as an application has them."""

    def __init__(self, url: str, *, bare: bool = False) -> None:
        as_a_function = {"options": "-c row_security=off"}  # the tables are written by functions only
        self.engine = sa.create_engine(
            url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, connect_args=as_a_function
        )
        self.bare = self.engine.raw_connection().driver_connection if bare else None

    def run(self, statement: str, **values: Any) -> list[Any]:
        """The rows that a statement returns."""
        if self.bare:
            return _rows(self.bare, statement, values)
        pooled = self.engine.raw_connection()
        try:
            return _rows(pooled.driver_connection, statement, values)
        finally:
            pooled.close()

    def enqueue_one(self, config: dict[str, Any]) -> None:
        self.run(ENQUEUE_ONE, id=world.uuid7(), config=Jsonb(config), retry=Jsonb(RETRY))

    def enqueue_many(self, configs: Sequence[dict[str, Any]]) -> None:
        texts, retry = [json.dumps(config) for config in configs], json.dumps(RETRY)
        self.run(ENQUEUE_MANY, ids=[world.uuid7() for _ in texts], configs=texts, retries=[retry] * len(texts))

    def live(self, batch: int) -> int:
        """Claims, starts and completes; how many there were."""
        lease = world.uuid7()
        ids: list[UUID] = [row[0] for row in self.run(CLAIM, limit=batch, lease=lease, until=MUCH_LATER)]
        self.run(START, ids=ids, lease=lease, until=MUCH_LATER)
        self.run(COMPLETE, ids=ids, lease=lease)
        return len(ids)

    def checkpoint(self) -> None:
        """So that both sides pay for the first change of a page alike."""
        self.run("CHECKPOINT")

    def analyze(self) -> None:
        """So that both sides are planned for tables that are not empty."""
        self.run("ANALYZE")

    def version(self) -> str:
        """Which server this is."""
        ((version,),) = self.run("SELECT split_part(version(), ' on ', 1)")
        return str(version)

    def wal(self) -> int:
        """How many bytes of WAL there have been."""
        ((position,),) = self.run("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return int(position)


def _rows(connection: Any, statement: str, values: Mapping[str, Any]) -> list[Any]:
    cursor = connection.execute(statement, {"now": world.now(), **values}, prepare=True)
    return list(cursor.fetchall()) if cursor.description else []
