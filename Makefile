# Two commands do everything: `make compare` runs the main job, `make test` runs every check. Both set up .venv first.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin

# The tests start hundreds of processes; each would compile all our source again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help compare quick test test-long setup tools peers players checks format-check format lint types imports warm tests quick-tests computing patient quiet docs clean

help:
	@echo "make compare   set up and compare all transports (ARGS='--duration 10s' passes options to glass compare)"
	@echo "make quick     the inner loop, about a minute: lint, types, and the tests that prove most in the least time"
	@echo "make test      set up and run all checks: format, lint, types, import rules, tests"
	@echo "make test-long run the tests that make test leaves out because they take long"
	@echo "make peers     set up and install the stacks of others that can be arms of live runs (glass peers lists them)"
	@echo "make docs      set up and make the documentation site, build/site/index.html, by running what it shows"
	@echo "make format    rewrite the code in the project's format"
	@echo "make clean     remove the virtual environment and all caches; results/ is kept"

compare: $(VENV)/.ready
	$(BIN)/glass compare $(ARGS)

SIDE_BY_SIDE := $(MAKE) --no-print-directory -j2 --output-sync=target

test: setup checks tests

# What reads the source only takes one processor, and what makes the tests ready to start the other.
checks: $(VENV)/.ready-dev
	@$(SIDE_BY_SIDE) types lint format-check imports warm

# Packages of Python and programs of others come side by side.
setup: $(BIN)/python
	@$(SIDE_BY_SIDE) $(VENV)/.ready-dev tools players

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

# Beside the verdict: which tests took longest.
PYTEST := $(BIN)/pytest --dist worksteal --durations=25

# The inner loop: what was recorded, what theory says, and the parts that both are made of.
QUICK := $(addprefix tests/,measurements closed_forms netem traces rtp srt sender receiver statistics)
quick: setup
	@$(SIDE_BY_SIDE) quick-tests lint types

quick-tests: $(VENV)/.ready-dev
	$(PYTEST) -m 'not long' -n 2 $(QUICK) $(ARGS)

# Each worker of pytest would compile what nobody has imported yet; now one does it for all.
warm: $(VENV)/.ready-dev
	@$(BIN)/pytest --collect-only -qq tests > /dev/null || true  # what cannot be collected is told by those that run it

# Tests that compute, and beside them those in real time that only wait: `nice` lets these go first. Those that measure
# how soon something comes (`quiet`) follow when nothing else runs; they are few and long, so each worker takes one at
# a time.
REAL_TIME := tests/live tests/between tests/peers tests/stacks tests/serve
WHICH := not long
# CI leaves out what is `lengthy`, to stay near twenty minutes on a slow machine (LONG='long and not lengthy').
LONG := long
# CI has the site made meanwhile (BESIDE=docs), which takes one processor.
BESIDE :=
tests: $(VENV)/.ready-dev
	@$(SIDE_BY_SIDE) computing patient $(BESIDE)
	@$(MAKE) --no-print-directory quiet

computing: $(VENV)/.ready-dev
	nice -n 19 $(PYTEST) -m '$(WHICH)' -n 3 $(REAL_TIME:%=--ignore=%) $(ARGS)

# Other programs on the machine can spoil what runs in real time, so what failed runs once more, one at a time; then it
# must pass. What has failed is kept apart from what `computing` keeps at the same time.
PATIENT = $(PYTEST) -o cache_dir=.pytest_cache/patient -m '($(WHICH)) and not quiet' $(REAL_TIME) $(ARGS)
patient: $(VENV)/.ready-dev
	$(PATIENT) -n 4 || { test $$? = 1 && $(PATIENT) --last-failed -n 1; }

QUIET = $(PYTEST) -o cache_dir=.pytest_cache/quiet -m 'quiet and ($(WHICH))' $(REAL_TIME) $(ARGS)
quiet: $(VENV)/.ready-dev
	$(QUIET) --dist load --maxschedchunk 1 -n 3 || { test $$? = 1 && $(QUIET) --last-failed -n 1; }

test-long: setup $(BESIDE:%=$(VENV)/.ready-%)
	@$(MAKE) --no-print-directory tests WHICH='$(LONG)'

# Every warning is an error: a link or an anchor that leads nowhere, a block that does not run, a metric without a picture.
SPHINX := $(BIN)/sphinx-build --quiet --fresh-env --write-all --fail-on-warning
docs: $(VENV)/.ready-docs
	$(SPHINX) --conf-dir docs/site --doctree-dir build/doctrees . build/site $(ARGS)
	@echo "the site is in build/site/index.html"

# Python compiles what is imported when it is: much less than all that is installed.
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt

$(VENV)/.ready: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.ready-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[dev,peers,vmaf]'
	@touch $(VENV)/.ready $@

$(VENV)/.ready-docs: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[docs]'
	@touch $(VENV)/.ready $@

# Programs of others that tests use if they are there: Wireshark reads our captures, Chromium our report, Firefox our page; libsrt, FFmpeg
# and GStreamer talk to our transports, and are arms. Where they may not be installed, those tests are skipped, and say so.
# The server of ngtcp2 (ngtcp2-server) is left to who runs its tests: its package makes a service that starts with the machine.
# A line is a command, a colon, and its package.
TOOLS := tshark:tshark chromium:chromium firefox-esr:firefox-esr srt-live-transmit:srt-tools ffmpeg:ffmpeg gst-launch-1.0:gstreamer1.0-tools \
  gtlsclient:ngtcp2-client npm:npm
# Stacks of others that can be arms of live runs; what pip brings of them is the extra `peers`.
STACKS := libsrt1.5-gnutls librist4 coturn janus nginx libnginx-mod-rtmp \
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-nice
SERVICES := coturn janus nginx
# Installing starts no service: a policy forbids that meanwhile, where there is none yet, and what comes new does not
# start with the machine either.
POLICY := /usr/sbin/policy-rc.d
tools:
	@for tool in $(TOOLS); do \
	  command -v $${tool%%:*} >/dev/null || missing="$$missing $${tool#*:}"; \
	done; \
	for stack in $(STACKS); do \
	  dpkg-query -W -f '$${Status}' $$stack 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$stack"; \
	done; \
	test -z "$$missing" && exit 0; \
	if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
	  test -e $(POLICY) || { printf '#!/bin/sh\nexit 101\n' > $(POLICY) && chmod +x $(POLICY) && trap 'rm -f $(POLICY)' EXIT; }; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  install="apt-get install -y -qq --no-install-recommends"; failed=""; \
	  if apt-get update -qq; then \
	    $$install $$missing >/dev/null || \
	      for package in $$missing; do $$install $$package >/dev/null || failed="$$failed $$package"; done; \
	  else failed="$$missing"; fi; \
	  for service in $(SERVICES); do \
	    case " $$missing " in *" $$service "*) deb-systemd-helper disable $$service.service >/dev/null 2>&1 || true;; esac; \
	  done; \
	  test -z "$$failed" && exit 0; missing="$$failed"; \
	fi; \
	echo "note: tests with$$missing are skipped; to run them: sudo apt install$$missing"

peers: $(VENV)/.ready tools players
	$(INSTALL) --editable '.[peers]'

# Players of others that run in Chromium. npm checks what it gets by the sums in package-lock.json.
PLAYERS := $(VENV)/share/glassbench/players
players: $(PLAYERS)/.ready
$(PLAYERS)/.ready: $(addprefix experiments/worlds/peers/page/,package.json package-lock.json) | $(BIN)/python tools
	@mkdir -p $(PLAYERS) && cp $^ $(PLAYERS)
	@if command -v npm >/dev/null && (cd $(PLAYERS) && npm ci --ignore-scripts --no-audit --no-fund --silent); then touch $@; \
	else echo "note: tests with hls.js and dash.js are skipped; to run them: sudo apt install npm, and make players"; fi

# Debian ships venv as a package of its own; install it where that is allowed, else say what is missing.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "error: no Python found; Glassbench needs Python 3.11 or newer (apt install python3)"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: $(PYTHON) is older than 3.11; name another one: make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq python3-venv; } \
	  || { echo "error: $(PYTHON) cannot make virtual environments; run: sudo apt install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
