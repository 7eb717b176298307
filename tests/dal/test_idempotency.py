"""A key has its effect once: asked again, asked at once by a rival, asked after a rollback, asked after it expired."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from penstock.dal import executions, idempotency, schema
from penstock.dal.store import NeedsTransaction, Store, Tx
from penstock.domain.errors import InvalidInput, KeyReused
from tests.acting import MINUTE, Clock, job, rows
from tests.databases import POSTGRES, Databases
from tests.racing import PATIENCE_SECONDS, arena, overlapping, until_waiting

DAY = timedelta(days=1)
KEYS, EXECUTIONS = schema.idempotency_keys, schema.task_executions


@pytest.fixture
def busy(databases: Databases, clock: Clock) -> Iterator[Store]:
    """A store where who waits too long fails."""
    with arena(databases, POSTGRES, clock) as store:
        yield store


class Undo(Exception):
    """Rolls a transaction back."""


def once(tx: Tx, answer: Any, *, scope: str = "ann", key: str = "k", fingerprint: str = "f") -> Any:
    """A job, unless this request has had its effect already; the answer that belongs to it."""
    kept = idempotency.recall(tx, scope, key, fingerprint, tx.now + DAY)
    if kept is not None:
        return kept
    executions.create(tx, job())
    idempotency.keep(tx, scope, key, answer)
    return answer


def test_the_second_time_the_first_answer_comes_back_and_nothing_happens(store: Store) -> None:
    assert {"id": 1} == store.alone(once, {"id": 1})
    assert {"id": 1} == store.alone(once, {"id": 2})
    assert 1 == len(rows(store, EXECUTIONS))


@pytest.mark.parametrize("answer", [{"a": [1, None, "ä"]}, [], {}, "text", 0, False])
def test_any_json_is_an_answer(store: Store, answer: Any) -> None:
    store.alone(once, answer)
    assert answer == store.alone(once, "another")


def test_a_key_is_its_scope_s_own(store: Store) -> None:
    assert ["ann", "bob"] == [store.alone(once, scope, scope=scope) for scope in ("ann", "bob")]
    assert 2 == len(rows(store, EXECUTIONS))


def test_a_key_with_another_request_is_refused(store: Store) -> None:
    store.alone(once, "first")
    with pytest.raises(KeyReused, match="the idempotency key 'k' was used for another request"):
        store.alone(once, "second", fingerprint="other")
    assert 1 == len(rows(store, EXECUTIONS))


def test_an_effect_that_was_rolled_back_leaves_its_key_free(store: Store) -> None:
    def fail(tx: Tx) -> None:
        once(tx, "first")
        raise Undo

    with suppress(Undo):
        store.alone(fail)
    assert "second" == store.alone(once, "second", fingerprint="other")


def test_a_key_whose_transaction_kept_no_answer_is_free(store: Store, clock: Clock) -> None:
    assert store.alone(idempotency.recall, "ann", "k", "f", clock.now + DAY) is None
    assert "second" == store.alone(once, "second", fingerprint="other")


def test_an_expired_key_is_new_again(store: Store, clock: Clock) -> None:
    store.alone(once, "first")
    clock.pass_(DAY - timedelta(microseconds=1))
    assert "first" == store.alone(once, "second")
    clock.pass_(timedelta(microseconds=1))
    assert "second" == store.alone(once, "second", fingerprint="other")
    (key,) = rows(store, KEYS)
    assert ("other", clock.now, clock.now + DAY) == (key.fingerprint, key.created_at, key.expires_at)


def test_a_key_that_was_taken_over_does_not_answer_for_the_one_before(store: Store, clock: Clock) -> None:
    store.alone(once, "first")
    clock.pass_(DAY)
    store.alone(idempotency.recall, "ann", "k", "f", clock.now + DAY)
    assert [None] == [key.response for key in rows(store, KEYS)]


def test_a_rival_waits_and_gets_the_answer_of_the_winner(postgres: Store) -> None:
    answers = overlapping(postgres, lambda tx: once(tx, "winner"), lambda: postgres.alone(once, "rival"))
    assert ("winner", "winner") == answers
    assert 1 == len(rows(postgres, EXECUTIONS))


def test_a_rival_with_another_request_waits_and_is_refused(postgres: Store) -> None:
    def rival() -> bool:
        with pytest.raises(KeyReused):
            postgres.alone(once, "rival", fingerprint="other")
        return True

    assert ("winner", True) == overlapping(postgres, lambda tx: once(tx, "winner"), rival)


def test_a_rival_goes_on_when_the_winner_is_rolled_back(postgres: Store) -> None:
    with ThreadPoolExecutor(1) as threads:
        with suppress(Undo), postgres.begin() as tx:
            once(tx, "winner")
            rival = threads.submit(postgres.alone, once, "rival")
            until_waiting(postgres, 1, rival)
            raise Undo
        assert "rival" == rival.result(PATIENCE_SECONDS)
    assert 1 == len(rows(postgres, EXECUTIONS))


def test_of_two_who_find_a_key_expired_one_takes_it_over(postgres: Store, clock: Clock) -> None:
    postgres.alone(once, "old")
    clock.pass_(DAY)
    answers = overlapping(postgres, lambda tx: once(tx, "winner"), lambda: postgres.alone(once, "rival"))
    assert ("winner", "winner") == answers
    assert 2 == len(rows(postgres, EXECUTIONS))


def test_another_key_waits_for_nobody(busy: Store) -> None:
    with busy.begin() as tx:
        once(tx, "first")
        assert "second" == busy.alone(once, "second", key="another")


def test_expired_keys_are_forgotten_in_bounded_steps_the_oldest_first(store: Store, clock: Clock) -> None:
    for key in "abcde":
        store.alone(once, key, key=key)
        clock.pass_(MINUTE)
    clock.pass_(DAY - 2 * MINUTE)
    assert 2 == store.alone(idempotency.forget_expired, 2)
    assert ["c", "d", "e"] == [key.key for key in sorted(rows(store, KEYS), key=lambda row: str(row.key))]
    assert [2, 0] == [store.alone(idempotency.forget_expired, 2) for _ in range(2)]
    assert ["e"] == [key.key for key in rows(store, KEYS)]


def test_a_key_that_is_being_taken_over_is_not_forgotten_and_not_waited_for(busy: Store, clock: Clock) -> None:
    busy.alone(once, "old")
    clock.pass_(DAY)
    with busy.begin() as tx:
        once(tx, "new")
        assert 0 == busy.alone(idempotency.forget_expired, 10)
    assert "new" == busy.alone(once, "newer")


def test_a_key_belongs_to_a_transaction(postgres: Store, clock: Clock) -> None:
    with postgres.read() as tx, pytest.raises(NeedsTransaction):
        idempotency.recall(tx, "ann", "k", "f", clock.now + DAY)


WRONG: list[tuple[str, Callable[[Tx, datetime], object]]] = [
    ("^key: must be a text that is not blank", lambda tx, day: idempotency.recall(tx, "ann", "", "f", day)),
    ("^key: is 201 characters long", lambda tx, day: idempotency.recall(tx, "ann", "k" * 201, "f", day)),
    ("^scope: must be a text", lambda tx, day: idempotency.recall(tx, "", "k", "f", day)),
    ("^expires_at: .* time zone", lambda tx, day: idempotency.recall(tx, "ann", "k", "f", day.replace(tzinfo=None))),
    ("^response: is nothing", lambda tx, _: idempotency.keep(tx, "ann", "k", None)),
    ("^key: is 'k', which nobody has recalled", lambda tx, _: idempotency.keep(tx, "ann", "k", "answer")),
    ("^limit: is 0", lambda tx, _: idempotency.forget_expired(tx, 0)),
]


@pytest.mark.parametrize(("problem", "verb"), WRONG)
def test_what_breaks_a_limit_is_refused(
    store: Store, clock: Clock, problem: str, verb: Callable[[Tx, datetime], object]
) -> None:
    with pytest.raises(InvalidInput, match=problem):
        store.alone(verb, clock.now + DAY)
