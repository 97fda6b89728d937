# Set up once, then work offline: make lab, make test. README.md says what each target is for.

PYTHON ?= python3
PORT ?= 8888
BIN := .venv/bin
ENVIRONMENTS ?=
BENCH ?= $(filter-out side_by_side,$(basename $(notdir $(wildcard benchmarks/*.py))))

.PHONY: lab test browser data matrix run student slides site notebooks export lint bench clean

lab: .venv/.student
	@$(BIN)/python -c 'import socket; socket.create_server(("127.0.0.1", $(PORT))).close()' 2>/dev/null \
	  || { echo "Port $(PORT) is busy: close the JupyterLab that uses it, or choose another port with 'make lab PORT=8899'."; exit 1; }
	$(BIN)/python -m jupyterlab --port=$(PORT) --ServerApp.port_retries=0 --ServerApp.root_dir=. \
	  --LabApp.default_url=/lab/tree/notebooks/01_linear_scores.ipynb --LabApp.news_url=None \
	  --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate

test: .venv/.developer
	$(BIN)/python -m pytest

browser: .venv/.browser
	$(BIN)/python -m pytest --dist load tests/browser

data: .venv/.student
	@$(BIN)/python -m cs231n_utils.datasets

matrix: .venv/.developer
	$(BIN)/python tests/environments.py $(ENVIRONMENTS)

run: .venv/.developer
	$(BIN)/python publish/run.py

student: .venv/.developer
	$(BIN)/python publish/student.py

slides: .venv/.developer
	$(BIN)/python publish/slides.py

site: .venv/.developer
	$(BIN)/python publish/site.py

notebooks: .venv/.developer
	$(BIN)/python publish/run.py --in-place

export: .venv/.developer
	$(BIN)/python publish/export.py

lint: .venv/.developer
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy

bench: .venv/.benchmarks
	@set -e; for name in $(BENCH); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py; done

clean:
	rm -rf build .venv .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find . -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

.venv/.student: pyproject.toml constraints.txt | .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/.developer: pyproject.toml constraints.txt | .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,publish]'
	@touch $@

.venv/.browser: .venv/.developer
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[browser]'
	@touch $@

.venv/.benchmarks: .venv/.developer
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

.venv:
	@command -v $(PYTHON) >/dev/null \
	  || { echo "There is no $(PYTHON) here: install Python 3.11 or newer, or name one with 'make $(MAKECMDGOALS) PYTHON=/path/to/python3'."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is too old ($$($(PYTHON) --version 2>&1)): install Python 3.11 or newer, or name one with 'make $(MAKECMDGOALS) PYTHON=python3.12'."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "$(PYTHON) lacks its venv module: install it (on Debian and Ubuntu: sudo apt install python3-venv) and run make again."; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
