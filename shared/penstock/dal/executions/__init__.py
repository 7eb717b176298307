"""The verbs of a task execution: each a line of the table of legal moves, and what is special about it.

They take any number of executions and move those for which the move is legal; what they return says which. Why
another did not move is a question of its own: `refusals`.
"""

from penstock.dal.executions.creating import create, create_many, retry, row
from penstock.dal.executions.deciding import approve, cancel, pause, reject, reset, resume, skip
from penstock.dal.executions.holding import begin, claim, claim_these, heartbeat, release, start
from penstock.dal.executions.settling import (
    Settlement,
    complete,
    completed,
    defer,
    deferred,
    fail,
    failed,
    given_up,
    retried,
    schedule_retry,
    settle,
    started,
)
from penstock.dal.executions.standing import expect, must_move, refusals
from penstock.dal.executions.sweeping import expire, recover, resume_deferred, resume_paused
from penstock.dal.ledger import Bell, Effects, Moved

__all__ = [
    "Bell",
    "Effects",
    "Moved",
    "Settlement",
    "approve",
    "begin",
    "cancel",
    "claim",
    "claim_these",
    "complete",
    "completed",
    "create",
    "create_many",
    "defer",
    "deferred",
    "expect",
    "expire",
    "fail",
    "failed",
    "given_up",
    "heartbeat",
    "must_move",
    "pause",
    "recover",
    "refusals",
    "reject",
    "release",
    "reset",
    "resume",
    "resume_deferred",
    "resume_paused",
    "retried",
    "retry",
    "row",
    "schedule_retry",
    "settle",
    "skip",
    "start",
    "started",
]
