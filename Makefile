.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help setup check format test long schemas

help:  ## show these words
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup:  ## make the virtual environment
	python3 -m venv .venv
	$(BIN)/pip install -q --require-hashes -r requirements-dev.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .

check:  ## everything but the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/deptry .

format:  ## put the code in its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test:  ## the suite
	$(BIN)/python -m pytest

long:  ## the batteries that take long
	$(BIN)/python -m pytest -m long -n 0
