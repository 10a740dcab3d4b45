# brasm: `make demo` packs this machine's own shell into an image; `make test` is the gate that every change passes.
# Needed: make and Python 3.11 or newer with its venv module. Everything else goes into .venv/.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
PYTEST_WORKERS ?= 2
BENCH ?=

.PHONY: help demo test lint bench schema clean

help:
	@echo 'make demo    install into .venv/, pack recipes/shell into demo/shell.tar, verify it'
	@echo 'make test    lint, types, layering, tests (what a tool is missing for is skipped, with the reason)'
	@echo 'make lint    all of that but the tests'
	@echo 'make bench   measure against peers, a quarter of an hour; writes benches/RESULTS.md (benches/METHOD.md)'
	@echo 'make schema  write recipes/recipe.schema.json anew'
	@echo 'make clean   remove .venv/, demo/ and caches'

demo: $(VENV)/.installed
	@mkdir -p demo
	$(BIN)/brasm pack recipes/shell -o demo/shell.tar
	$(BIN)/brasm verify demo/shell.tar
	@echo
	@echo "demo/shell.tar: $$(wc -c < demo/shell.tar) bytes, for all of these:"
	@echo '  podman load -i demo/shell.tar && podman run --rm shell:1.0 echo hello'
	@echo '  docker load -i demo/shell.tar && docker run --rm shell:1.0 echo hello'
	@echo '  skopeo copy oci-archive:demo/shell.tar oci:demo/shell:1.0 && umoci unpack --image demo/shell:1.0 demo/bundle &&'
	@echo '    runc run --bundle demo/bundle shell'

test: lint
	$(BIN)/pytest -n $(PYTEST_WORKERS)

lint: $(VENV)/.tested
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.tested
	$(BIN)/python -m benches $(BENCH)

schema: $(VENV)/.installed
	$(BIN)/brasm schema > recipes/recipe.schema.json.new
	mv recipes/recipe.schema.json.new recipes/recipe.schema.json

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find assembler tests benches -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml | $(VENV)/.made
	$(PIP) install --editable .
	@touch $@

$(VENV)/.tested: pyproject.toml | $(VENV)/.made
	$(PIP) install --editable '.[test]'
	@$(PIP) install --only-binary atheris --editable '.[fuzz]' 2>/dev/null || echo 'no wheel of atheris for this machine'
	@touch $(VENV)/.installed $@

# The first Python that is new enough and can make a virtual environment; `make PYTHON=…` names one.
$(VENV)/.made:
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "$$python -m venv $(VENV)"; \
	    "$$python" -m venv --clear $(VENV) && touch $@; exit; \
	  fi; \
	done; \
	echo 'error: $(or $(PYTHON),python3): no Python 3.11 or newer with its venv and ensurepip modules' >&2; \
	echo 'hint: on Debian, apt install python3-venv; or name another one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)' >&2; \
	exit 1
