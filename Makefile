# Two commands for everyone: `make demo` and `make test`. Both set up what they need.
#
#   make demo    JupyterLab on the tour, with the local services up
#   make test    format, lint, types, and every test there is
#   make lint    the first three of those
#   make bench   pilothouse against its peers in one run; prints ratios, writes bench.json
#   make soak    all views live for MINUTES=20: memory, threads, messages; not in make test
#   make pictures   takes anew the pictures that views are held against
#   make clean   stop the local services, remove what the others have made

PYTHON ?= python3
MINUTES ?= 20
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# JupyterLab asks for its news at the first start, and would call out for them.
QUIET_LAB = @$(BIN)/jupyter labextension disable @jupyterlab/apputils-extension:announcements 2>/dev/null

.PHONY: demo test tests bench lint clean system peers
.DELETE_ON_ERROR:

demo: $(VENV)/.installed-demo
	$(BIN)/pilothouse lab notebooks/01_tour.ipynb

# What has to be installed is, side by side; then lint and tests, whatever the other says.
# Two cores are not busy with two workers: tests wait a lot.
test:
	@$(MAKE) -j 3 $(STAMP) system peers
	@$(MAKE) -j 2 -k lint tests

tests: $(STAMP)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python tests/bench/run.py

soak: $(STAMP) system
	$(BIN)/python tests/soak/run.py $(MINUTES)

pictures: $(STAMP) system
	PILOTHOUSE_RENEW_PICTURES=1 $(BIN)/python -m pytest -q tests/browser/test_pictures.py

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

# Environments of the peers that the tests run against; a test says what is wrong here.
peers:
	-@$(PYTHON) tests/interop/environments.py >/dev/null

# What no Python package brings along: a browser, the tools of the probes, and the
# languages of other model types.
system:
	@has() { command -v "$$1" >/dev/null; }; want=; \
	has chromium || has chromium-browser || has google-chrome || want="$$want chromium"; \
	has openssl || want="$$want openssl"; \
	has ping || want="$$want iputils-ping"; \
	has traceroute || want="$$want traceroute"; \
	has ip || want="$$want iproute2"; \
	has npm || want="$$want npm"; \
	[ "$$(uname)" != Linux ] || [ -e /usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf ] || want="$$want fonts-dejavu-core"; \
	has gcc || want="$$want gcc libc6-dev"; \
	has javac || want="$$want default-jdk-headless"; \
	has Rscript || want="$$want r-base-core"; \
	has octave-cli || has octave || want="$$want octave"; \
	if [ -z "$$want" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && has apt-get; then \
	  apt-get update -q >/dev/null && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$want >/dev/null; \
	else \
	  echo "make test: not found here:$$want"; \
	  echo "  Without Chromium the browser tests fail; tests of a language that is missing are skipped."; \
	  echo "  Install them first, for instance: sudo apt-get install$$want"; \
	fi
