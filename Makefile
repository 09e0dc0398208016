# Two commands matter: `make demo` and `make test`. Both set up what they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: help demo test lint types format notebooks test-oldest bench bench-family bench-uncertainty bench-pymc catalogues constraints clean
help:
	@echo "make demo         forecast the CDNOW customers; tables and a picture in out/"
	@echo "make test         lint, type-check and run every test"
	@echo "make notebooks    execute the notebooks in place"
	@echo "make catalogues   bring the messages of the report into its catalogues, to be translated"
	@echo "make test-oldest  the tests with pandas 2.2"
	@echo "make bench        every stage by number of orders, here and elsewhere (see benchmarks/)"
	@echo "make bench-pymc   installs PyMC-Marketing for make bench, and runs its NUTS (minutes)"

$(VENV)/pyvenv.cfg:
	@echo "== creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo "== installing clvforecast"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo "== installing clvforecast and what its tests need (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	@$(BIN)/python demo.py

lint: $(VENV)/.installed-dev
	@echo "== ruff"
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	@echo "== mypy"
	@$(BIN)/mypy

test: lint types
	@echo "== pytest"
	@$(BIN)/pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

format: $(VENV)/.installed-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

notebooks: $(VENV)/.installed-dev
	@$(BIN)/python notebooks/execute.py

test-oldest:
	@$(MAKE) --no-print-directory VENV=.venv-pandas2 .venv-pandas2/.pandas2
	@.venv-pandas2/bin/pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

.venv-pandas2/.pandas2: .venv-pandas2/.installed-dev
	@echo "== pandas 2.2"
	@.venv-pandas2/bin/python -m pip install --quiet --disable-pip-version-check 'pandas==2.2.*'
	@touch $@

# On to 20 million customers: make bench BENCH_SIZES="10000 100000 1000000 5000000 10000000 100000000"
BENCH_SIZES   ?= 10000 100000 1000000 5000000
BENCH_REPEATS ?= 3
BENCH_ARGS    ?=
BENCH_PYMC     = $(if $(wildcard .venv-pymc/.pymc),--pymc-python .venv-pymc/bin/python)

bench: $(VENV)/.installed-dev
	@mkdir -p out
	@$(BIN)/python benchmarks/run.py --orders $(BENCH_SIZES) --repeats $(BENCH_REPEATS) \
	  --json out/benchmark.json --picture benchmarks/cost.png --readme benchmarks/README.md \
	  $(BENCH_PYMC) $(BENCH_ARGS)

bench-family: $(VENV)/.installed-dev
	@mkdir -p out
	@$(BIN)/python benchmarks/family.py --json out/family.json --readme benchmarks/README.md

bench-uncertainty: $(VENV)/.installed-dev
	@$(BIN)/python benchmarks/uncertainty.py

bench-pymc:
	@$(MAKE) --no-print-directory VENV=.venv-pymc .venv-pymc/.pymc
	@.venv-pymc/bin/python benchmarks/uncertainty.py

.venv-pymc/.pymc: .venv-pymc/.installed
	@echo "== PyMC-Marketing"
	@.venv-pymc/bin/python -m pip install --quiet --disable-pip-version-check emcee pymc-marketing==0.19.2
	@touch $@

CATALOGUES := clvforecast/reporting/catalogues

catalogues: $(VENV)/.installed-dev
	@mkdir -p out
	@$(BIN)/pybabel -q extract -F $(CATALOGUES)/babel.cfg -k NN_:1,2 --no-location \
	  -o out/messages.pot clvforecast/reporting
	@for code in fa ar hy; do $(BIN)/pybabel -q update -l $$code -i out/messages.pot \
	  -o $(CATALOGUES)/$$code.po --width 100 --ignore-obsolete --ignore-pot-creation-date; done

constraints: $(VENV)/.installed-dev
	@$(BIN)/python -m pip freeze --exclude-editable --disable-pip-version-check > constraints.txt

clean:
	@rm -rf .venv .venv-pandas2 .venv-pymc out
