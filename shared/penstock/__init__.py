"""Penstock: durable jobs, pipelines and scheduled maintenance out of one database, with every step on record."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.dal.executions import Effects


def ring(effects: "Effects") -> None:
    """Publishes at once the doorbells that a verb put up in a transaction that has committed since."""
    from penstock import wiring  # noqa: PLC0415 - importing penstock imports nothing else

    wiring.ring(effects)
