# Every target makes .venv and installs into it by itself when it is not there.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test slow lint bench clients docs links

demo: .venv/.installed
	$(BIN)/python -m keras_cnns demo

test: .venv/.dev
	$(BIN)/python -m pytest -n auto --dist worksteal

slow: .venv/.dev
	$(BIN)/python -m pytest -n auto --dist worksteal -m slow

lint: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

bench: .venv/.installed
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.export_routes
	$(BIN)/python -m benchmarks.train

# What runs a bundle elsewhere: MediaPipe, tflite-micro, Vela, and the page in Chromium.
clients: .venv-clients/.installed tests/clients/node_modules
	.venv-clients/bin/python -m pytest -m "" -rs -s tests/test_clients.py tests/test_page.py \
	  tests/test_snippets.py tests/test_c_array.py

# The pages, into docs/_build/html; and whether what they link to elsewhere is still there.
docs: .venv-docs/.installed
	.venv-docs/bin/python -m sphinx -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

links: .venv-docs/.installed
	.venv-docs/bin/python -m sphinx -W --keep-going -q -b linkcheck docs docs/_build/links

.venv-clients/.installed .venv-docs/.installed: .venv-%/.installed: requirements-%.txt .venv/.dev
	$(BIN)/python -m venv .venv-$*
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$(.venv-$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/venv.pth"
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

tests/clients/node_modules: tests/clients/package-lock.json
	@if command -v npm > /dev/null; then npm ci --prefix tests/clients --no-audit --no-fund; \
	  else echo "npm is not installed: the page is not tried in a browser"; fi

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
