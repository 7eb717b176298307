"""The verbs of a task execution.

They take any number of executions and move those for which the move is legal; what they return says which. Why
another did not move is a question of its own: `refusals`.
"""

from penstock.dal.effects import Bell, Effects, Moved
from penstock.dal.executions.create import create, create_many, row
from penstock.dal.executions.decisions import approve, cancel, pause, reject, reset, resume, skip
from penstock.dal.executions.heartbeat import heartbeat
from penstock.dal.executions.leases import begin, begin_next, claim, claim_these, release, start
from penstock.dal.executions.refusals import expect, must_move, refusals
from penstock.dal.executions.retry import retry
from penstock.dal.executions.settle import complete, defer, fail, given_up, schedule_retry, settle
from penstock.dal.executions.sweep import expire, recover, resume_deferred, resume_paused
from penstock.domain.settlements import Settlement

__all__ = [
    "Bell",
    "Effects",
    "Moved",
    "Settlement",
    "approve",
    "begin",
    "begin_next",
    "cancel",
    "claim",
    "claim_these",
    "complete",
    "create",
    "create_many",
    "defer",
    "expect",
    "expire",
    "fail",
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
    "retry",
    "row",
    "schedule_retry",
    "settle",
    "skip",
    "start",
]
