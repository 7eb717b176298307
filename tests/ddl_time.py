"""How long each migration's DDL takes on SQLite in memory, beside the seven migrations that Penstock grew out of.

    python -m tests.ddl_time [rounds]

What is timed is the DDL alone, since everything around it (Alembic, a disk) is the same for both. One round builds
both schemas from nothing, one after the other, in one process; the figure of a migration is its median.
"""

import sqlite3
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.migrations.revisions import revisions, up

Migrations = dict[str, list[str]]
Times = dict[str, list[float]]

CLOCK = "TEXT NOT NULL DEFAULT (datetime('now'))"
TOUCH = (
    "CREATE TRIGGER IF NOT EXISTS trigger_{table}_updated_at AFTER UPDATE ON {table} FOR EACH ROW "
    "BEGIN UPDATE {table} SET updated_at = datetime('now') WHERE {key} = NEW.{key}; END"
)


def index(name: str, table: str, columns: str) -> str:
    return f"CREATE INDEX IF NOT EXISTS idx_{name} ON {table}({columns})"


SEEDS: Migrations = {
    "001 tasks": [
        f"""CREATE TABLE IF NOT EXISTS tasks (
            id TEXT PRIMARY KEY NOT NULL,
            title TEXT NOT NULL,
            description TEXT,
            task_type TEXT NOT NULL,
            status TEXT NOT NULL DEFAULT 'pending'
                CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
            config TEXT NOT NULL,
            metadata TEXT,
            workspace_path TEXT,
            created_at {CLOCK},
            updated_at {CLOCK},
            started_at TEXT,
            completed_at TEXT,
            error TEXT
        )""",
        index("tasks_status", "tasks", "status"),
        index("tasks_type", "tasks", "task_type"),
        index("tasks_created", "tasks", "created_at"),
        index("tasks_workspace", "tasks", "workspace_path"),
    ],
    "002 workflows": [
        f"""CREATE TABLE IF NOT EXISTS workflows (
            id TEXT PRIMARY KEY NOT NULL,
            name TEXT NOT NULL,
            description TEXT,
            definition TEXT NOT NULL,
            status TEXT NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'active', 'archived', 'paused')),
            created_at {CLOCK},
            updated_at {CLOCK}
        )""",
        index("workflows_status", "workflows", "status"),
        index("workflows_created", "workflows", "created_at"),
        index("workflows_name", "workflows", "name"),
    ],
    "003 workflow_tasks": [
        f"""CREATE TABLE IF NOT EXISTS workflow_tasks (
            workflow_id TEXT NOT NULL,
            task_id TEXT NOT NULL,
            sequence INTEGER NOT NULL DEFAULT 0,
            created_at {CLOCK},
            PRIMARY KEY (workflow_id, task_id),
            FOREIGN KEY (workflow_id) REFERENCES workflows(id) ON DELETE CASCADE,
            FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE
        )""",
        index("workflow_tasks_workflow", "workflow_tasks", "workflow_id"),
        index("workflow_tasks_task", "workflow_tasks", "task_id"),
        index("workflow_tasks_sequence", "workflow_tasks", "workflow_id, sequence"),
    ],
    "004 tool_executions": [
        f"""CREATE TABLE IF NOT EXISTS tool_executions (
            id TEXT PRIMARY KEY NOT NULL,
            task_id TEXT NOT NULL,
            tool_name TEXT NOT NULL,
            arguments TEXT NOT NULL,
            output TEXT,
            status TEXT NOT NULL DEFAULT 'pending'
                CHECK (status IN ('pending', 'running', 'completed', 'failed', 'timeout')),
            error TEXT,
            created_at {CLOCK},
            completed_at TEXT,
            duration_ms INTEGER
        )""",
        index("tool_executions_task", "tool_executions", "task_id"),
        index("tool_executions_tool", "tool_executions", "tool_name"),
        index("tool_executions_status", "tool_executions", "status"),
        index("tool_executions_created", "tool_executions", "created_at"),
        index("tool_executions_task_fk", "tool_executions", "task_id"),
    ],
    "005 sessions": [
        f"""CREATE TABLE IF NOT EXISTS sessions (
            id TEXT PRIMARY KEY NOT NULL,
            client_id TEXT NOT NULL,
            user_id TEXT,
            connection_type TEXT NOT NULL DEFAULT 'websocket'
                CHECK (connection_type IN ('websocket', 'http', 'grpc')),
            is_active INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
            metadata TEXT,
            created_at {CLOCK},
            updated_at {CLOCK},
            last_heartbeat {CLOCK}
        )""",
        index("sessions_client", "sessions", "client_id"),
        index("sessions_user", "sessions", "user_id"),
        index("sessions_active", "sessions", "is_active"),
        index("sessions_heartbeat", "sessions", "last_heartbeat"),
        index("sessions_created", "sessions", "created_at"),
    ],
    "006 configurations": [
        f"""CREATE TABLE IF NOT EXISTS configurations (
            key TEXT PRIMARY KEY NOT NULL,
            value TEXT NOT NULL,
            value_type TEXT NOT NULL DEFAULT 'string'
                CHECK (value_type IN ('string', 'integer', 'float', 'boolean', 'json')),
            description TEXT,
            is_secret INTEGER NOT NULL DEFAULT 0 CHECK (is_secret IN (0, 1)),
            created_at {CLOCK},
            updated_at {CLOCK}
        )""",
        index("configurations_type", "configurations", "value_type"),
        index("configurations_secret", "configurations", "is_secret"),
        index("configurations_updated", "configurations", "updated_at"),
    ],
    "007 triggers": [
        TOUCH.format(table=table, key=key)
        for table, key in (("tasks", "id"), ("workflows", "id"), ("sessions", "id"), ("configurations", "key"))
    ],
}


def build(migrations: Migrations, times: Times) -> None:
    """Runs them on an empty database and notes how long each one took."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for name, statements in migrations.items():
        began = perf_counter()
        for statement in statements:
            connection.execute(statement)
        times[name].append(perf_counter() - began)
    connection.close()


def measured(rounds: int, *schemas: Migrations) -> list[dict[str, float]]:
    """The median of each migration in microseconds, schema by schema, all of them in turns."""
    times: list[Times] = [{name: [] for name in schema} for schema in schemas]
    for _ in range(rounds):
        for schema, taken in zip(schemas, times, strict=True):
            build(schema, taken)
    return [{name: median(each) * 1e6 for name, each in taken.items()} for taken in times]


def show(title: str, schema: Migrations, medians: dict[str, float]) -> None:
    print(f"\n{title}\n{'':26} statements  microseconds")
    for name, taken in medians.items():
        print(f"  {name:24} {len(schema[name]):10} {taken:13.0f}")
    total, statements = sum(medians.values()), sum(map(len, schema.values()))
    worst = max(medians, key=medians.__getitem__)
    print(f"  {'total':24} {statements:10} {total:13.0f}")
    print(
        f"  mean {total / len(medians):.0f}, worst {medians[worst]:.0f} ({worst}), a statement {total / statements:.0f}"
    )


def main(rounds: int = 200) -> None:
    ours = {
        Path(each.path).stem.replace("_", " ", 1): statements
        for each in revisions()
        if (statements := up(each, "sqlite"))
    }
    mine, theirs = measured(rounds, ours, SEEDS)
    print(f"DDL on SQLite {sqlite3.sqlite_version} in memory, median of {rounds} rounds")
    show("Penstock", ours, mine)
    show("The seeds", SEEDS, theirs)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
