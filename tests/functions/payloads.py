"""The events in events/*.json: those that `sam local invoke` takes, and those of the tests, are the same files."""

import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).parents[2] / "events"


def event(name: str, **changes: Any) -> dict[str, Any]:
    """An event by the name of its file, with some things otherwise."""
    loaded: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return loaded | changes
