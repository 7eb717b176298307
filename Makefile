# Everything a contributor or a CI runs. Needs Python 3.11 or newer, make and git; the rest is pinned in requirements/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
RESOLVE := $(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --custom-compile-command "make pins"
COMPILE := $(RESOLVE) --python-version 3.11
# For Lambda's Python, and nothing that the tests do not run with.
LAYER = $(RESOLVE) $(ARGS) --python-version 3.13 -c requirements/dev.txt pyproject.toml

# For what deploys, environments of their own: what they pin need not suit the code.
SAM := .venv-sam
CHECKOV := .venv-checkov
ARCHITECTURE ?= arm64
export ARCHITECTURE
export SAM_CLI_TELEMETRY := 0

.DEFAULT_GOAL := help
.PHONY: help venv run test check format openapi sql-page cli-page bench mutants test-pgbouncer ddl-time import-time build sam-test lint-template pins clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

# The runtime interface emulator is a program inside the SAM CLI; what that needs besides, the emulator does not.
$(VENV)/emulator: requirements/emulator.txt $(VENV)/pins
	@$(PIP) install --no-deps --no-compile --require-hashes --upgrade --target $@ -r $<
	@touch $@

run: venv ## Serve everything on this machine (PORT=8000, DB=postgres or DATABASE_URL=..., LOG=debug)
	@PORT="$(PORT)" DB="$(DB)" DATABASE_URL="$(DATABASE_URL)" LOG="$(LOG)" $(BIN)/python -m penstock.cli run $(ARGS)

test: check $(VENV)/emulator ## Check, then run every test (ARGS="-k claim" for some)
	@$(BIN)/pytest $(ARGS)

test-pgbouncer: venv $(VENV)/emulator ## Test verbs and functions once more behind a pooler, as behind RDS Proxy
	@command -v pgbouncer >/dev/null || { echo "PgBouncer is needed; on Debian: apt-get install pgbouncer" >&2; exit 1; }
	@PENSTOCK_TEST_ENGINES=pgbouncer $(BIN)/pytest $(or $(ARGS),tests/dal tests/functions)

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

sql-page: venv ## Write docs/sql.md anew, from the functions of PostgreSQL and their comments
	@$(BIN)/python -m penstock.dal.ledger.reference > docs/sql.md.new
	@mv docs/sql.md.new docs/sql.md

cli-page: venv ## Write docs/cli.md anew, from the commands
	@$(BIN)/python -m penstock.cli.pages > docs/cli.md.new
	@mv docs/cli.md.new docs/cli.md

bench: venv ## Measure the verbs against raw SQL (ARGS=--peers: Penstock beside other libraries)
	@$(BIN)/python -m tests.bench $(ARGS)

mutants: venv ## Break the code on purpose; each break must turn the suite red
	@$(BIN)/python -m tests.mutants $(ARGS)

ddl-time: venv ## Print the DDL time of each migration
	@$(BIN)/python -m tests.ddl_time $(ARGS)

import-time: venv ## Print how long the import of each function takes, and of what it imports
	@$(BIN)/python -m tests.import_time $(ARGS)

build: $(SAM)/pins ## Build what is deployed, into .aws-sam (ARCHITECTURE=x86_64 for the other one)
	@$(SAM)/bin/sam build --parameter-overrides Architecture=$(ARCHITECTURE)

# Explicitly named: what needs containers is no part of `make test`.
sam-test: venv $(SAM)/pins ## Build, then run every function in containers (SAM_ARGS=--skip-pull-image for `sam local`)
	@SAM_ARGS="$(SAM_ARGS)" $(BIN)/pytest -n0 -p no:randomly $(or $(ARGS),tests/sam/life.py tests/sam/each_event.py)

lint-template: venv $(SAM)/pins $(CHECKOV)/pins ## What cfn-lint, SAM and checkov say about template.yaml
	@$(BIN)/cfn-lint --regions eu-west-1 us-east-1 ap-southeast-2 -- template.yaml
	@$(SAM)/bin/sam validate --lint --region eu-west-1
	@mkdir -p .aws-sam && PYTHONPATH=shared $(SAM)/bin/python -m tests.deploy.transform > .aws-sam/transformed.json
	@$(CHECKOV)/bin/checkov --skip-download --quiet --compact --framework cloudformation -f .aws-sam/transformed.json

# Every package is listed, with what it needs: pip need not resolve, and could not with hashes, what has extras.
.venv-%/pins: requirements/%.txt
	@$(PYTHON) -m venv --clear .venv-$*
	@.venv-$*/bin/python -m pip --disable-pip-version-check -qq install --no-deps --require-hashes -r $<
	@touch $@

pins: venv ## Resolve requirements/ anew (ARGS=--upgrade for newer versions)
	@$(COMPILE) $(ARGS) pyproject.toml -o requirements/runtime.txt
	@$(COMPILE) $(ARGS) --all-extras pyproject.toml requirements/dev.in -o requirements/dev.txt
	@$(LAYER) --extra lambda -o requirements/layer.txt
	@$(LAYER) --extra migrate $$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements/layer.txt) \
		-o requirements/migrations.txt # what SharedLayer has, MigrationsLayer does without
	@$(COMPILE) $(ARGS) requirements/sam.in -o requirements/sam.txt
	@sed -n '/^#/p;/^aws-sam-cli==/,/[^\]$$/p' requirements/sam.txt > requirements/emulator.txt
	@$(COMPILE) $(ARGS) requirements/checkov.in -o requirements/checkov.txt

clean: ## Remove what was made
	rm -rf $(VENV) $(SAM) $(CHECKOV) .aws-sam dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
