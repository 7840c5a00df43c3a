# Needs python3 with venv, a C compiler and make; everything else goes into $(VENV).

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps

export PIP_DISABLE_PIP_VERSION_CHECK = 1
PIP = $(BIN)/python -m pip --quiet install

ASV = $(BIN)/asv
CONFIG = --config asv_bench/asv.conf.json
# What to measure (a regular expression), and what to compare: which commits, and the ratio that counts as a change.
BENCH ?= .
BASE ?=
HEAD ?= HEAD
FACTOR ?= 1.1
# Files or folders of tests, all unless some are named.
TESTS ?=
CHECK := build/dist-check
# On every processor, up to eight; tests of one problem, which are held to the same results of the oracle, mostly in the same process.
PYTEST = pytest -W error -n logical --maxprocesses 8 --dist worksteal

SOURCES := setup.py pyproject.toml MANIFEST.in README.md LICENSE \
    $(shell find fastconv -name '*.py' -o -name '*.py[xi]' -o -name '*.px[di]' -o -name '*.[ch]' -o -name '*.json' -o -name py.typed) \
    $(wildcard fastconv/report/templates/*)

.PHONY: demo test test-peers lint format bench bench-check bench-compare docs dist clean
.DELETE_ON_ERROR:

demo: $(STAMPS)/install
	$(BIN)/fastconv train digits
	$(BIN)/fastconv compare resnet50

test: $(STAMPS)/install
	$(BIN)/$(PYTEST) -m "not peers" $(TESTS)

test-peers: $(STAMPS)/install $(STAMPS)/peers
	$(BIN)/$(PYTEST) -m peers $(TESTS)

# Type checkers look at the packages that fastconv imports, hence the install.
lint: $(STAMPS)/install $(STAMPS)/lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/cython-lint fastconv
	$(BIN)/mypy
	$(BIN)/stubtest fastconv --mypy-config-file pyproject.toml --allowlist tests/stubtest_allowlist.txt --ignore-unused-allowlist

format: $(STAMPS)/lint
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# One call of every benchmark, or of those that match: make bench BENCH=training
bench: bench-check
	$(ASV) run --python=same --quick --bench '$(BENCH)' $(CONFIG)

bench-check: $(STAMPS)/install $(STAMPS)/bench
	$(ASV) check --python=same $(CONFIG)

# make bench-compare BASE=v0.1.0 BENCH='training|layers' FACTOR=1.05; fails if something has become slower by the factor or more.
bench-compare: $(STAMPS)/bench
	$(if $(BASE),,$(error BASE: name the commit to compare with, as in make bench-compare BASE=HEAD~1))
	$(ASV) machine --yes $(CONFIG)
	$(ASV) continuous --interleave-rounds --factor $(FACTOR) --bench '$(BENCH)' $(CONFIG) $(BASE) $(HEAD)

docs: $(STAMPS)/install $(STAMPS)/docs
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

# The wheel is built from the sdist, so both are known to be complete. Then the sdist's tests run against the wheel in a clean
# environment, in a folder without the package, so that nothing but the wheel can be imported.
dist: $(STAMPS)/dist
	rm -rf dist $(CHECK)
	LDFLAGS="$(STRIP)" $(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv $(CHECK)
	$(CHECK)/bin/python -m pip --quiet install "$$(echo dist/*.whl)[test]"
	mkdir $(CHECK)/source
	tar -xzf dist/*.tar.gz -C $(CHECK)/source --strip-components 1
	rm -r $(CHECK)/source/fastconv
	cd $(CHECK)/source && ../bin/$(PYTEST) -m "not peers" $(TESTS)

clean:
	rm -rf $(VENV) build dist fastconv.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache asv_bench/.asv
	rm -rf docs/_build docs/gallery docs/reference/generated docs/figures/*.svg docs/sg_execution_times.rst
	find fastconv tests asv_bench docs examples -name __pycache__ -prune -exec rm -rf {} +
	find fastconv -name '*.so' -delete

# Symbol tables are of no use in a wheel; Apple's linker has no such option any more.
comma := ,
STRIP := $(if $(filter Linux,$(shell uname -s)),-Wl$(comma)-s)

$(STAMPS)/venv:
	$(PYTHON) -m venv $(VENV)
	$(PIP) "pip>=25.1"
	mkdir -p $(STAMPS)
	touch $@

# The build tools are installed beside the package and not in isolation, so that a second build compiles only what changed.
# Built in place as well: Python started in this folder imports the folder's fastconv, not the installed one.
$(STAMPS)/install: $(STAMPS)/venv $(SOURCES)
	$(PIP) --group build
	rm -rf build/lib.* build/bdist.*
	$(PIP) --no-build-isolation ".[test]"
	$(BIN)/python setup.py --quiet build_ext --inplace
	touch $@

$(STAMPS)/%: $(STAMPS)/venv pyproject.toml
	$(PIP) --group $*
	touch $@
