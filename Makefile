# make train               installs into .venv and runs the quick start; settings go into TRAIN, e.g. TRAIN="django --seed 1"
# make test                the same set-up, then the tests; pytest's arguments go into TEST, e.g. TEST="tests/model -x"
# make test-slow           the tests that take minutes
# make lint                style and import direction
# VENV=folder uses another environment, PYTHON=python3.12 another interpreter, CONSTRAINTS= the newest versions allowed.
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
TRAIN ?=
TEST ?=
export CONSTRAINTS PYTHON
WANTED = setup.py constraints.txt install.sh

.PHONY: train test test-slow lint clean
.NOTPARALLEL:

train: $(VENV)/.installed
	$(VENV)/bin/python train.py $(TRAIN)

test: $(VENV)/.installed-test
	$(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile $(TEST)

test-slow: $(VENV)/.installed-test,notebook
	$(VENV)/bin/python -m pytest -m slow --numprocesses 2 --dist loadfile $(TEST)

lint: $(VENV)/.installed-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/lint-imports

$(VENV)/.installed: $(WANTED)
	sh install.sh "$(VENV)"

$(VENV)/.installed-test: $(WANTED)
	sh install.sh "$(VENV)" test

$(VENV)/.installed-test,notebook: $(WANTED)
	sh install.sh "$(VENV)" test,notebook

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
