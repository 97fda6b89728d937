# `make help` lists what there is to make; README.md says more. Plain `make` is `make lab`.

PYTHON ?= python3
PORT ?= 8888
BIN := .venv/bin
ENVIRONMENTS ?=
BENCH ?= $(filter-out side_by_side convnet speedrun,$(basename $(notdir $(wildcard benchmarks/*.py))))

# Where this is set, each kernel and each process of a test compiles every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: lab progress data test run student slides site handouts help clean notebooks export proofs lint browser weekly matrix bench

lab: .venv/.student  ## set up, then open JupyterLab on notebooks of your own
	@$(BIN)/python -m publish.student.lab --port=$(PORT)

progress: .venv/.student  ## say which checks of your saved notebooks pass, and what to do next
	@$(BIN)/python -m cs231n_utils.progress my_notebooks

data: .venv/.student  ## download CIFAR-10
	@$(BIN)/python -m cs231n_utils.datasets

test: .venv/.developer  ## pass the tests: the package's, and every cell of every notebook
	$(BIN)/python -m pytest

run: .venv/.developer  ## execute the series without a browser, into pages under build/
	$(BIN)/python -m publish.pages

student: .venv/.student  ## build what students fill in, and the same for nbgrader
	$(BIN)/python -m publish.student

slides: .venv/.developer  ## build a talk for each notebook; needs npm once
	$(BIN)/python -m publish.slides

site: .venv/.developer  ## build the web sites, for instructors and for students
	$(BIN)/python -m publish.site

handouts: .venv/.browser  ## print notebooks and slides as PDF, as students get them
	$(BIN)/python -m publish.handouts

help:  ## print this list
	@awk -F ':.*[^#]## ' '/^[a-z]+:.*[^#]## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile
	@echo; echo "For those who change the series:"
	@awk -F ':.*### ' '/^[a-z]+:.*### / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

clean:  ## remove everything that the other commands made, except CIFAR-10 and your notebooks
	rm -rf build .venv .venv.pid .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find . -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

notebooks: .venv/.developer  ### execute the notebooks in place; remove what depends on the machine
	$(BIN)/python -m publish.pages --in-place

export: .venv/.developer  ### copy the cells tagged `export` into the package
	$(BIN)/python -m publish.export

proofs: .venv/.developer  ### pass the slow tests: every answer graded, a week of grading, cheats
	$(BIN)/python -m pytest -m slow tests

lint: .venv/.developer  ### check style, docstrings and types
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy

# Three at once on two cores: a browser waits more than it computes.
browser: .venv/.browser  ### open slides, pages and a JupyterLab in Chromium and look for faults
	$(BIN)/python -m pytest -n 3 tests/browser

weekly: .venv/.browser .venv/.pytorch test matrix  ### what takes longest; with CIFAR-10 the cells on photographs, too
	$(BIN)/python -m pytest -m weekly tests tests/browser

matrix: .venv/.developer  ### compare what the notebooks print in many environments
	$(BIN)/python -m nox $(if $(ENVIRONMENTS),--session $(ENVIRONMENTS))

bench: .venv/.benchmarks  ### measure speed side by side
	@set -e; for name in $(BENCH); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name; done

# Each file .venv/.NAME says that a set of packages is there, and .venv/.whole what there was when
# pip was done. While it installs there is no .whole, and without that, or with anything missing of
# what it lists, none of them counts.
ifneq ($(filter-out help clean,$(or $(MAKECMDGOALS),lab)),)
ifneq ($(shell kill -0 $$(cat .venv.pid 2>/dev/null) 2>/dev/null && echo runs),)
$(error Another make is setting up .venv. Let it end, then run this again. If there is none, remove .venv.pid)
endif
$(shell test -e .venv/.whole && $(BIN)/python tools/environment.py >/dev/null 2>&1 || rm -f .venv/.[a-z]*)
endif

.venv/.student: EXTRAS := lab
.venv/.developer: EXTRAS := test,publish
.venv/.browser: EXTRAS := browser
.venv/.pytorch: EXTRAS := pytorch
.venv/.benchmarks: EXTRAS := bench
.venv/.browser .venv/.benchmarks: .venv/.developer

.venv/.student .venv/.developer .venv/.browser .venv/.pytorch .venv/.benchmarks: pyproject.toml constraints.txt | .venv/.whole
	@echo $$PPID >.venv.pid
	@rm -f .venv/.whole
	@$(BIN)/python tools/environment.py $(EXTRAS)
	@touch $@
	@rm -f .venv.pid

.venv/.whole:
	@command -v $(PYTHON) >/dev/null \
	  || { echo "There is no $(PYTHON) here: install Python 3.11 or newer, or name one with 'make $(MAKECMDGOALS) PYTHON=/path/to/python3'."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is too old ($$($(PYTHON) --version 2>&1)): install Python 3.11 or newer, or name one with 'make $(MAKECMDGOALS) PYTHON=python3.12'."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "$(PYTHON) lacks its venv module: install it (on Debian and Ubuntu: sudo apt install python3-venv) and run make again."; exit 1; }
	@echo $$PPID >.venv.pid
	@test ! -e .venv || echo "The environment in .venv is unfinished or damaged: it is made anew."
	@echo "Setting up an environment in .venv, once."
	@$(PYTHON) -m venv --clear .venv
	@touch $@
