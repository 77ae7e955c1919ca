# Every target makes .venv and installs into it by itself when it is not there.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test slow lint bench

demo: .venv/.installed
	$(BIN)/python -m keras_cnns demo

test: .venv/.dev
	$(BIN)/python -m pytest

slow: .venv/.dev
	$(BIN)/python -m pytest -m slow

lint: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

bench: .venv/.installed
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.export_routes

# The stamps come last, so that an installation that was cut short is taken up again.
.venv/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed, not $$($(PYTHON) --version); try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/.dev: requirements-dev.txt .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
