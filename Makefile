# Everything a contributor or a CI runs. Needs Python 3.11 or newer, make and git; the rest is pinned in requirements/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make pins"

.DEFAULT_GOAL := help
.PHONY: help venv test check format openapi bench mutants ddl-time pins clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/penstock ## Make .venv with the pinned tools (PYTHON=python3.13 chooses another Python)

# Two stamps: a changed pin makes the environment anew, a changed pyproject.toml only installs the package again.
$(VENV)/pins: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=...")'
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --require-hashes -r $<
	@touch $@

$(VENV)/penstock: $(VENV)/pins pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

test: check ## Check, then run every test (ARGS="-k claim" for some)
	@$(BIN)/pytest $(ARGS)

check: venv ## Lint, formatting, types, import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy $(wildcard shared functions migrations/env.py tests)
	@$(BIN)/lint-imports --no-logo

format: venv ## Format the code and mend what lint can mend
	@$(BIN)/ruff check --fix-only -q
	@$(BIN)/ruff format

openapi: venv ## Write docs/openapi.json anew, from the routes of the api
	@PYTHONPATH=functions $(BIN)/python -m penstock.http.openapi > docs/openapi.json.new
	@mv docs/openapi.json.new docs/openapi.json

bench: venv ## Measure the verbs against raw SQL
	@$(BIN)/python -m tests.bench $(ARGS)

mutants: venv ## Break the code on purpose; each break must turn the suite red
	@$(BIN)/python -m tests.mutants $(ARGS)

ddl-time: venv ## Print the DDL time of each migration
	@$(BIN)/python -m tests.ddl_time $(ARGS)

pins: venv ## Resolve requirements/ anew (ARGS=--upgrade for newer versions)
	@$(COMPILE) $(ARGS) pyproject.toml -o requirements/runtime.txt
	@$(COMPILE) $(ARGS) --all-extras pyproject.toml requirements/dev.in -o requirements/dev.txt

clean: ## Remove what was made
	rm -rf $(VENV) dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
