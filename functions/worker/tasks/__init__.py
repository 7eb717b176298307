"""The task types of this deployment. A file in this folder with a function under `@task_type` is all that it takes.

Importing this package imports every module in it; a module that cannot be imported keeps the worker from starting,
which is better than a task type that is silently not there.
"""

import importlib
import pkgutil

for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{module.name}")
