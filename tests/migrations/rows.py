"""A row for every table, as plain SQL that both engines take, in the order of the foreign keys."""

from collections.abc import Iterable

T1, T2 = "'00000000-0000-7000-8000-000000000001'", "'00000000-0000-7000-8000-000000000002'"
NOW = "'2026-01-02T03:04:05.000006Z'"

ROWS = {
    "tasks": f"(id, name, title, task_type) VALUES ({T1}, 'report', 'Report', 'sql.run')",
    "workflows": f"(id, name, definition) VALUES ({T1}, 'nightly', '{{}}')",
    "workflow_tasks": f"(workflow_id, task_id, step) VALUES ({T1}, {T1}, 'report')",
    "pipeline_executions": f"(id, workflow_id, name, created_by) VALUES ({T1}, {T1}, 'nightly', 'ann')",
    "task_executions": f"(id, pipeline_execution_id, task_id, name, task_type, created_by)"
    f" VALUES ({T1}, {T1}, {T1}, 'report', 'sql.run', 'ann'), ({T2}, {T1}, {T1}, 'again', 'sql.run', 'ann')",
    "task_dependencies": f"(parent_id, child_id) VALUES ({T1}, {T2})",
    "execution_events": f"(pipeline_execution_id, task_execution_id, event_type, version, actor)"
    f" VALUES ({T1}, {T1}, 'TaskCreated', 1, 'ann')",
    "task_outbox": f"(task_execution_id, queue, available_at, ring_at) VALUES ({T1}, 'default', {NOW}, {NOW})",
    "pause_queue": f"(task_execution_id, reason) VALUES ({T2}, 'manual_pause')",
    "tool_executions": f"(id, task_execution_id, tool_name) VALUES ({T1}, {T1}, 'grep')",
    "sessions": f"(id, client_id) VALUES ({T1}, 'laptop')",
    "configurations": "(key, value) VALUES ('colour', 'blue')",
    "schedules": f"(id, name, task_id, expression) VALUES ({T1}, 'daily', {T1}, '0 3 * * *')",
    "schedule_runs": f"(schedule_id, scheduled_for, task_execution_id) VALUES ({T1}, {NOW}, {T1})",
    "idempotency_keys": f"(scope, key, fingerprint, expires_at) VALUES ('ann', 'k1', 'f', {NOW})",
    "slots": f"(limit_name, key, number, holder, taken_at) VALUES ('exports', '', 1, {T1}, {NOW})",
    "annotations": f"(id, task_execution_id, actor) VALUES ({T1}, {T1}, 'ann')",
    "holds": f"(id, pipeline_execution_id, reason, actor) VALUES ({T1}, {T1}, 'audit', 'ann')",
    "purge_log": f"(id, actor, cutoff) VALUES ({T1}, 'ann', {NOW})",
    "relay_cursors": "(name, position) VALUES ('search', 7)",
}


def inserts(tables: Iterable[str]) -> list[str]:
    """The rows of these tables, parents first."""
    wanted = set(tables)
    return [f"INSERT INTO {table} {row}" for table, row in ROWS.items() if table in wanted]
