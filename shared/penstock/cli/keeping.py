"""`penstock retention`: deletes what has ended long enough ago, in bounded steps, and says how far it has come."""

from dataclasses import asdict
from datetime import datetime, timedelta

from penstock import wiring
from penstock.cli.session import Session
from penstock.cli.words import Commands, age, command
from penstock.dal import idempotency, retention
from penstock.dal.store import Store

KEYS = 1_000


def add(commands: Commands) -> None:
    """The command."""
    made = command(
        commands, "retention", run, "Deletes whole histories of what ended long enough ago; never live work."
    )
    made.add_argument("--older-than", type=age, metavar="AGE", help="12h, 90d, 4w; RETENTION_DAYS unless it is said")
    made.add_argument("--dry-run", action="store_true", help="only count")


def run(session: Session) -> None:
    """Counts, and then deletes unless it is only to count."""
    store = session.store()
    older_than = session.args.older_than or timedelta(days=wiring.settings().retention_days)
    with store.read() as tx:
        cutoff = tx.now - older_than
        there = retention.count_older_than(tx, cutoff)
    gone = 0 if session.args.dry_run else _purge(session, store, cutoff, there.task_executions)
    answer = {
        "cutoff": cutoff.isoformat(),
        "dry_run": session.args.dry_run,
        "found": asdict(there),
        "task_executions_deleted": gone,
    }
    found = f"{there.task_executions} executions, {there.pipeline_executions} pipelines, {there.events} events"
    done = "would be deleted" if session.args.dry_run else f"were to go; {gone} executions are deleted"
    session.show(answer, [f"ended before {cutoff:%Y-%m-%d %H:%M:%S}Z: {found} {done}"])


def _purge(session: Session, store: Store, cutoff: datetime, expected: int) -> int:
    gone = 0
    batch = wiring.settings().retention_batch
    while (purged := store.alone(retention.delete_older_than, cutoff, batch)).histories:
        gone += purged.task_executions
        session.note(f"{gone} of {expected} executions deleted")
    while store.alone(idempotency.forget_expired, KEYS):
        pass
    return gone
