# Two commands do everything on a fresh machine: `make demo` and `make test`. ARGS are passed on.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3)
STAMP := $(VENV)/.ready
ARGS ?=
MINUTES ?= 20
CUTS ?= 200
KILLS ?= 10

.PHONY: setup demo test check bench chaos cuts cluster attack sbom audit docs archive install-test lock screenshots clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml deploy/set-up.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" bash deploy/set-up.sh
	@touch $(STAMP)

demo: setup
	@bash deploy/demo-bus.sh
	@$(BIN)/plekvrij demo $(ARGS)

test: setup
	@bash deploy/test-esphome.sh & esphome=$$!; \
	bash deploy/test-servers.sh && $(MAKE) --no-print-directory check && wait $$esphome && \
	VENV="$(VENV)" bash deploy/run-tests.sh $(ARGS)

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy
	@$(BIN)/plekvrij check examples/town_hall.plan.yaml examples/town_hall.policy.yaml

bench: setup
	@$(BIN)/python -m bench $(ARGS)

# A town hall under fire: kills, cuts, full disks and wrong clocks, and then the search for what is missing.
chaos: setup
	@bash deploy/test-servers.sh
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(ARGS)

# One file from which a server or gateway is installed without a network, and a Debian package that carries it.
archive: setup
	@$(BIN)/python deploy/make_archive.py --deb $(ARGS)

# From an empty folder to a wall screen by what the page says, with the program installed from the archive.
install-test: setup
	@bash deploy/test-servers.sh
	@PLEKVRIJ_LONG=1 $(BIN)/python -m pytest tests/install $(ARGS)

# A site under attack: floods, drips, guesses and rubbish, and what others notice of it meanwhile.
attack: setup
	@$(BIN)/python -m tests.attacks $(ARGS)

# What a release is made of, and whether a pinned package has a known hole.
sbom: setup
	@bash deploy/sbom.sh build/plekvrij.cdx.json && echo build/plekvrij.cdx.json

audit: setup
	@bash deploy/audit.sh $(ARGS)

# Three brokers and two workers, killed by turns under traffic; then the search for what is missing.
cluster: setup
	@$(BIN)/python -m tests.node_kills --kills $(KILLS) $(ARGS)

# The documentation as a site in build/site; a link or a page that is missing fails.
docs: setup
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "open build/site/index.html"

# Each link of a town hall is cut in turn, while every screen is held against who really sits where.
cuts: setup
	@bash deploy/test-servers.sh
	@$(BIN)/python -m tests.chaos.cuts --cuts $(CUTS) $(ARGS)

# New versions of the dependencies, pinned again; needs `uv`.
lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --extra dev --no-header --no-annotate \
	  --no-emit-index-url pyproject.toml --output-file requirements.lock

screenshots: setup
	@bash deploy/test-servers.sh
	@PLEKVRIJ_SCREENSHOTS=artefacts $(BIN)/python -m pytest tests/browser $(ARGS)

clean:
	rm -rf $(VENV) .venv-esphome build artefacts .pytest_cache .mypy_cache .ruff_cache .hypothesis
