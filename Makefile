# Two commands for everyone: `make demo` and `make test`. Both set up what they need.
#
#   make demo    JupyterLab on the tour, with the local services up
#   make test    format, lint, types, and every test there is
#   make lint    the first three of those
#   make bench   pilothouse against its peers in one run; prints ratios, writes bench.json
#   make clean   stop the local services, remove what the others have made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# JupyterLab asks for its news at the first start, and would call out for them.
QUIET_LAB = @$(BIN)/jupyter labextension disable @jupyterlab/apputils-extension:announcements 2>/dev/null

.PHONY: demo test bench lint clean chromium
.DELETE_ON_ERROR:

demo: $(VENV)/.installed-demo
	$(BIN)/pilothouse lab notebooks/01_tour.ipynb

test: $(STAMP) chromium lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/browser
	$(BIN)/python -m pytest tests/browser

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python tests/bench/run.py

clean:
	-[ ! -x $(BIN)/pilothouse ] || $(BIN)/pilothouse down
	rm -rf $(VENV) .venvs build dist screenshots bench.json
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis

# One environment; the demo needs a part of it, the tests all of it.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "pilothouse needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP_INSTALL) -e '.[demo]'
	$(QUIET_LAB)
	@touch $@

$(STAMP): pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP_INSTALL) -e '.[test]'
	$(QUIET_LAB)
	@touch $@ $(VENV)/.installed-demo

# The browser tests need Chromium, which no Python package brings along.
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -q >/dev/null && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	else \
	  echo "make test: no Chromium found, so the browser tests will fail. Install it first,"; \
	  echo "           for instance: sudo apt-get install chromium"; \
	fi
