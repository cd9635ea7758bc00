# The environment lives in .venv; every target brings what it needs.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: help app train score explain report evaluate mlflow check format test benchmark

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/'

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

train: .venv/ready ## train on the shipped corpus, log to MLflow, write out/report.html and out/explain
	$(BIN)/regencast train experiments/default.toml -o out

score: .venv/ready ## score data/proposals/example.csv to out/scores.csv
	@mkdir -p out
	$(BIN)/regencast score data/proposals/example.csv -o out/scores.csv --force

explain: .venv/ready ## write the SHAP plots of the champion to out/explain
	$(BIN)/regencast explain -o out/explain

report: .venv/ready ## write the champion's report to out/report.html
	@mkdir -p out
	$(BIN)/regencast report -o out/report.html --force

evaluate: .venv/ready ## held-out forecasts of the shipped corpus to out/evaluation.csv
	@mkdir -p out
	$(BIN)/regencast evaluate experiments/default.toml -o out/evaluation.csv --force

app: .venv/ready ## open the page: forecasts in the browser, on 127.0.0.1
	$(BIN)/regencast app

mlflow: .venv/ready ## open the MLflow pages on 127.0.0.1
	$(BIN)/mlflow ui --host 127.0.0.1 --backend-store-uri sqlite:///experiments/mlflow.db

check: .venv/ready ## lint, format and types, without editing
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

format: .venv/ready ## format the code
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

test: .venv/ready ## run the tests
	$(BIN)/pytest -n 2

benchmark: .venv/ready ## measure skill against peers, directions, control and speed (needs the bench packages)
	cd benchmarks && for one in speed page scale skill hidden control truth; do ../$(BIN)/python $$one.py || exit 1; done
