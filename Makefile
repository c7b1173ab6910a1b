# Two commands do the job: `make run` and `make test`. Everything else is a part of them.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
T      ?=
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUNBUFFERED := 1
unexport VIRTUAL_ENV
# Tests start very many processes; each would compile all of our modules.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run setup setup-dev setup-sample setup-bench assets sample test lint bench lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

run: setup ## start everything on this machine: http://127.0.0.1:8000 (PORT=n for another port)
	@$(BIN)/python -m config.launching

setup: python ## the environment and the browser assets, from their locks; nothing if they are there
	@$(PYTHON) -I config/environment.py $(VENV) requirements.txt
	@$(PYTHON) -I config/environment.py --assets $(BIN)/python

setup-dev: setup
	@$(PYTHON) -I config/environment.py $(VENV) requirements.txt requirements-dev.txt

setup-sample: setup
	@$(PYTHON) -I config/environment.py .venv-sample requirements-sample.txt

setup-bench: python
	@$(PYTHON) -I config/environment.py .venv-bench requirements.txt requirements-bench.txt

sample: setup-sample ## real pictures as datasets and hash lists, in data/sample
	@$(BIN)/python -m sample build

# In two processes, each with servers of its own, unless one file is asked for or servers are named.
test: setup-dev sample ## every test with real servers and a browser; T=tests/one_file.py for one
	@$(BIN)/python -m sample.browser
	@$(BIN)/python -m pytest $(if $(T)$(DATABASE_URL)$(REDIS_URL),,-n 2 --dist worksteal) $(T)

lint: setup-dev ## format, style, types, layers, templates, missing migrations
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/djlint templates --lint --quiet
	@$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

bench: setup-bench sample ## the figures, each with its peer beside it; QUICK=1 for small sizes
	@.venv-bench/bin/python -m benchmarks $(if $(QUICK),--quick)

lock: python ## write the locks anew from the .in files and package.json (needs uv and npm)
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv" >&2; exit 1; }
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 requirements.in -o requirements.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 requirements-dev.in -o requirements-dev.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 requirements-sample.in -o requirements-sample.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 requirements-bench.in -o requirements-bench.txt
	npm install --package-lock-only --ignore-scripts

clean: ## remove what was installed and cached; data/ stays
	rm -rf $(VENV) .venv-sample .venv-bench node_modules staticfiles test-results htmlcov .coverage
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: python
python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed and $(PYTHON) is not here: install it, or name it: make run PYTHON=/path/to/python3.11" >&2; exit 1; }
