# Everything a person types here. `make help` lists it.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell \
  $(name) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $(name))))
VENV ?= .venv
# The package index to take torch from first, for a build of your choice, such as the small one for CPUs (docs/deploy.md).
TORCH_INDEX ?=
PIP_ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMP := $(VENV)/.installed
KSERVE := $(VENV)/kserve/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo foreign test check lint types floors bench faults docs constraints wheel clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## make the virtual environment; does nothing when it is up to date

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 was not found; say where: make install PYTHON=…" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(PIP) $(PIP_ARGS) --index-url $(TORCH_INDEX) "$$(grep ^torch== constraints.txt)")
	$(PIP) $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	@touch $@

demo: install  ## walk a real table to a served model, and stop (two to five minutes)
	$(BIN)/python examples/demo.py

foreign: $(KSERVE)  ## an environment for the one client that needs other versions than ours

$(KSERVE): tests/foreign/kserve.txt | $(STAMP)
	$(BIN)/python -m venv $(VENV)/kserve
	$(VENV)/kserve/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -r $<
	@touch $@

test: install foreign  ## all tests but those of `make faults`
	$(BIN)/python -m pytest -n 2 -m "not cluster and not faults"
	$(BIN)/python -m pytest -m "cluster and not faults"

check: lint types floors test  ## lint, types, floors and all tests

lint: install  ## style, mistakes and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## types, strict
	$(BIN)/mypy

floors: install  ## imports go down only
	$(BIN)/lint-imports

bench: install  ## what we claim about speed, measured on this machine
	@set -e; for program in $(filter-out benchmarks/accuracy.py,$(wildcard benchmarks/*.py)); do \
	  echo "== $$program"; $(BIN)/python $$program; done
	@echo "== accuracy needs a folder of data sets: $(BIN)/python benchmarks/accuracy.py DATA_DIR (docs/benchmarks.md)"

faults: install  ## only the tests that kill processes, break disks and make up requests by the thousand
	$(BIN)/python -m pytest -m faults

docs: install  ## write the pages that are made from the code
	$(BIN)/python docs/generate.py

constraints: install  ## pin what is installed now
	{ sed -n '/^#/p' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | sed 's/+[A-Za-z0-9.]*$$//' \
	  | LC_ALL=C sort --ignore-case; } > constraints.new
	mv constraints.new constraints.txt
	@touch $(STAMP)

wheel: install  ## dist/assay-VERSION-py3-none-any.whl
	rm -rf build dist
	$(BIN)/python -m build --wheel
	rm -rf build

clean:  ## remove what make made; the storage .assay stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
