# Everything runs from .venv, which the targets make themselves with python3 and pip alone.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help install serve test check lint types imports format docs bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=python3.12 picks the interpreter (3.11 or newer); ARGS='...' adds arguments to serve, test and bench."

install: $(STAMP) ## Make .venv with the server, the embedded MongoDB and the development tools

# The demo population is for the server's own database: never for one that somebody names.
serve: $(STAMP) ## Run the server on http://127.0.0.1:8080/fhir with its data in .data, at first the demo population and its accounts
	@$(BIN)/fhir-server serve --data-dir .data $(if $(FHIR_MONGODB_URI),,--demo) $(ARGS)

# Much of a run is waiting for servers to start: files run side by side. Each stream has a MongoDB and servers of its own,
# so at most four.
test: $(STAMP) ## Run the tests (ARGS='-k search' picks some; '-n 0' runs them in one process)
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

check: lint types imports test ## Lint, check types and imports, then run the tests

lint: $(STAMP) ## Check style with ruff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP) ## Check types with mypy, strictly
	@$(BIN)/mypy

imports: $(STAMP) ## Check that imports go only downwards
	@$(BIN)/lint-imports --no-cache

format: $(STAMP) ## Rewrite the code in the project's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(STAMP) ## Write the generated parts of docs/ again: errors, settings, .http files, Postman collection
	@$(BIN)/python -m tools.write_docs

bench: $(STAMP) ## Measure against the floor and write docs/performance.md (needs wrk; takes about 15 minutes)
	@$(BIN)/python -m bench $(ARGS)

clean: ## Remove .venv and everything else that make made, except the data in .data
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.data/*' -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not one. Name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' lacks its venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
		--constraint constraints.txt --editable '.[embedded,otel,dev]'
	@touch $@
