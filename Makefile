# One command for each intention; the same ones run in CI. `make help` lists them.
PY   ?= python3
VENV := .venv
BIN  := $(VENV)/bin
CASE := data/2024-07-31-kvm-bad-page-state
OUT  := build/writeups
BENCHMARKS := scan capture explore buddy charts
# The Debian package that holds Chromium is used where it is there; nothing here needs it to run.
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export JUPYTER_PLATFORM_DIRS = 1

.DEFAULT_GOAL := help
.PHONY: browser help demo test test-slow lint types arch lab check-case captures benchmarks constraints clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.ok ## replay the reported trace and write it up into build/writeups/
	@$(BIN)/kvmlab case publish $(CASE) --out $(OUT)

test: $(VENV)/.ok browser lint types arch ## all checks and all tests (lint, types, architecture, tests, notebooks)
	@$(BIN)/python -m pytest -q -n 2 --dist loadgroup $(PYTEST_ARGS)

test-slow: $(VENV)/.ok ## the tests that are marked slow as well
	@$(BIN)/python -m pytest -q --slow $(PYTEST_ARGS)

lint: $(VENV)/.ok ## ruff, over modules and notebooks
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . && echo "ruff: clean"

types: $(VENV)/.ok ## mypy --strict on kvmlab/ and on the kernel lab
	@$(BIN)/mypy --no-error-summary && (cd data/kernel-lab && ../../$(BIN)/mypy --no-error-summary --strict lab) && \
	  echo "mypy --strict: clean"

arch: $(VENV)/.ok ## which room may import which
	@mkdir -p build; $(BIN)/lint-imports --no-logo >build/arch.log 2>&1 || { cat build/arch.log; exit 1; }
	@echo "architecture: all arrows run downwards"

# The browser checks need a browser: installed where we may, or else said loudly.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  as=; [ "$$(id -u)" = 0 ] || as="sudo -n"; \
	  echo "installing Chromium for the browser checks"; \
	  { $$as apt-get update -qq && $$as apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } \
	    >/dev/null 2>&1 || echo "NO BROWSER: the browser checks will be skipped; run 'apt-get install chromium' as root"; }

lab: $(VENV)/.ok ## JupyterLab on this machine only, with its token
	@$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 --LabApp.default_url=/lab/tree/notebooks/00-start-here.ipynb \
	  $$([ "$$(id -u)" != 0 ] || echo --allow-root)

check-case: $(VENV)/.ok ## recompute the hash of the shipped case
	@$(BIN)/kvmlab case check $(CASE)

captures: ## boot real kernels in an emulator and record data/captures again (KERNELS="6.1 6.12 7.3", RUNS="storm-*")
	@$(MAKE) --no-print-directory -C data/kernel-lab captures PY="$(abspath $(shell command -v $(PY)))" OUT=../captures

benchmarks: $(VENV)/.ok ## speed and memory as ratios against peers in one run; needs gcc, spin and some minutes
	@$(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	@for room in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$room || exit 1; done

constraints: ## resolve constraints.txt anew from pyproject.toml (needs uv)
	@uv pip compile -q --universal --all-extras --no-header --no-annotate pyproject.toml -o constraints.txt

clean: ## remove what was built; the virtual environment too
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# A fresh Debian has no venv module: take its package where we may, else say what to do.
$(VENV)/.ok: pyproject.toml constraints.txt
	@mkdir -p build
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "kvmlab needs Python 3.11 or newer as $(PY); name another one with make PY=python3.12 ..." >&2; exit 1; }
	@$(PY) -c 'import ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing; installing the package python3-venv"; \
	  as=; [ "$$(id -u)" = 0 ] || as=sudo; \
	  { $$as apt-get update -qq && $$as apt-get install -y -qq --no-install-recommends python3-venv; } || \
	  { echo "could not install it: run 'apt-get install python3-venv' as root, then make again" >&2; exit 1; }; }
	@echo "setting up $(VENV) (about a minute)"
	@$(BIN)/python -c '' 2>/dev/null || $(PY) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -q -c constraints.txt -e '.[test,ui,fuzz,fleet]'
	@touch $@
