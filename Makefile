# Two commands do everything: `make compare` runs the main job, `make test` runs every check. Both set up .venv first.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin

# The tests start hundreds of processes; each would compile all our source again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help compare test test-long setup tools format-check format lint types imports tests clean

help:
	@echo "make compare   set up and compare all transports (ARGS='--duration 10s' passes options to glass compare)"
	@echo "make test      set up and run all checks: format, lint, types, import rules, tests"
	@echo "make test-long run the tests that make test leaves out because they take long"
	@echo "make format    rewrite the code in the project's format"
	@echo "make clean     remove the virtual environment and all caches; results/ is kept"

compare: $(VENV)/.ready
	$(BIN)/glass compare $(ARGS)

test: setup format-check lint types imports tests

# Packages of Python and programs of others come side by side.
setup: $(BIN)/python
	@$(MAKE) --no-print-directory -j2 $(VENV)/.ready-dev tools

format-check: $(VENV)/.ready-dev
	$(BIN)/ruff format --check .

format: $(VENV)/.ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .

types: $(VENV)/.ready-dev
	$(BIN)/mypy

imports: $(VENV)/.ready-dev
	$(BIN)/lint-imports

# Tests that send and wait in real time come on their own: beside others that compute they would wait too long.
REAL_TIME := tests/live tests/between tests/peers
tests: $(VENV)/.ready-dev
	$(BIN)/pytest -m 'not long' -n 3 --dist worksteal $(REAL_TIME:%=--ignore=%) $(ARGS)
	$(BIN)/pytest -m 'not long' -n 3 --dist worksteal $(REAL_TIME) $(ARGS)

test-long: setup
	$(BIN)/pytest -m long -n 3 --dist worksteal $(REAL_TIME:%=--ignore=%) $(ARGS)
	$(BIN)/pytest -m long -n 2 --dist worksteal $(REAL_TIME) $(ARGS)

$(VENV)/.ready: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Programs of others that tests use if they are there: Wireshark reads our captures, Chromium our report; libsrt, FFmpeg
# and GStreamer talk to our transports. Where they may not be installed, those tests are skipped, and say so.
# A line is a command, a colon, and the packages that it needs, with commas between them.
GSTREAMER := gstreamer1.0-tools,gstreamer1.0-plugins-base,gstreamer1.0-plugins-good,gstreamer1.0-plugins-bad,gstreamer1.0-libav
TOOLS := tshark:tshark chromium:chromium srt-live-transmit:srt-tools ffmpeg:ffmpeg gst-launch-1.0:$(GSTREAMER)
tools:
	@for tool in $(TOOLS); do \
	  command -v $${tool%%:*} >/dev/null || missing="$$missing $$(echo $${tool#*:} | tr , ' ')"; \
	done; \
	test -z "$$missing" && exit 0; \
	if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null && exit 0; \
	fi; \
	echo "note: tests with$$missing are skipped; to run them: sudo apt install$$missing"

# Debian ships venv as a package of its own; install it where that is allowed, else say what is missing.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "error: no Python found; Glassbench needs Python 3.11 or newer (apt install python3)"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: $(PYTHON) is older than 3.11; name another one: make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq python3-venv; } \
	  || { echo "error: $(PYTHON) cannot make virtual environments; run: sudo apt install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
