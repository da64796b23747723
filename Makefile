# What there is to do: `make help`. Needs git, make, Python 3.11+ and its pip; the rest is set up in .uv and .venv.

PYTHON ?= python3
# Seeds of `make chaos` that end on a host of another name, which takes root: ELSEWHERE=4
ELSEWHERE ?= 0
# How often `make bench-routing` divides the rows anew; each takes minutes.
SEEDS ?= 1
# What follows the command of `make run`, such as ARGS="--port 9000".
ARGS ?=

UV := .uv/bin/uv
BIN := .venv/bin
LOCK := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header
# `make lock UPGRADE=--upgrade` takes the newest versions; without it only what pyproject.toml asks for changes.
UPGRADE ?=
# Typer asks for Rich (7 MB with its colours for code) and does without it; emonk's help is plain.
LEAVE_OUT := $(addprefix --no-emit-package ,rich pygments markdown-it-py mdurl)

# Paths and interpreters from an active environment must not leak into ours.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH UV_PROJECT_ENVIRONMENT UV_SYSTEM_PYTHON

.DEFAULT_GOAL := help
.PHONY: help python uv setup run test test-live check sim chaos bench bench-routing lock clean

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

python:
	@command -v "$(PYTHON)" >/dev/null || { echo "no $(PYTHON) here: install Python 3.11 or newer, or name yours: make PYTHON=..." >&2; exit 1; }

setup: python ## set up .venv for development: every extra, and the tools
	@"$(PYTHON)" scripts/setup.py dev

run: python ## serve both agents on http://127.0.0.1:8080 (sets up only what that needs)
	@"$(PYTHON)" scripts/setup.py run
	@exec $(BIN)/emonk serve $(ARGS)

test: setup ## run the tests
	$(BIN)/pytest -n auto -rs --ignore=tests/docs

test-live: setup ## ask the real providers whose keys are in the environment, and say which were skipped
	@$(BIN)/python scripts/live.py

check: setup ## format, lint, types, layers, and every block of the documentation, as CI does
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/basedpyright --warnings
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -n auto tests/docs

sim: setup ## run 10,000 turns in a world that fails: seeds, turns and seconds, 1 where a promise broke
	$(BIN)/python benchmarks/simulator.py

chaos: setup ## kill real processes at 200 step boundaries, and crowd 8 of them on 20 sessions, on each store: half an hour
	@broken=0; for store in sqlite postgres; do \
		$(BIN)/python -m chaos.kill --store $$store --elsewhere $(ELSEWHERE) || broken=1; \
		$(BIN)/python -m chaos.crowd --store $$store || broken=1; done; exit $$broken

bench: setup ## print the measures, each as a ratio within one run
	@over=0; for benchmark in $(filter-out benchmarks/routing.py,$(wildcard benchmarks/*.py)); do echo "== $$benchmark"; $(BIN)/python "$$benchmark" || over=1; done; exit $$over

bench-routing: setup ## print how much quality routing keeps for how much less money (SEEDS=5 divides the rows anew as often)
	$(BIN)/python benchmarks/routing.py --seeds $(SEEDS)

lock: setup ## write the lock files anew from pyproject.toml
	$(LOCK) $(UPGRADE) --all-extras --group dev -o requirements.lock pyproject.toml
	$(LOCK) --group build -c requirements.lock $(LEAVE_OUT) -o requirements-run.lock pyproject.toml
	$(LOCK) $(UPGRADE) --group bootstrap -o requirements-uv.lock

clean: ## remove what setup and the tools made
	rm -rf .uv .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find src tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
