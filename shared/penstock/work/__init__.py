"""What a worker does, wherever it runs: task types, what each run is given, and the loop that runs and settles them."""

from penstock.domain.executions import Outcome
from penstock.work.configs import ConfigField, read_config
from penstock.work.context import Context, Parent, Tool
from penstock.work.deadline import OutOfTime
from penstock.work.registry import task_type
from penstock.work.run import Fail

__all__ = ["ConfigField", "Context", "Fail", "OutOfTime", "Outcome", "Parent", "Tool", "read_config", "task_type"]
