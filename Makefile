# Each target makes the virtual environment that it needs. PYTHON=python3.12 chooses another interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_OPTIONS := --quiet --disable-pip-version-check
PIP := $(BIN)/python -m pip install $(PIP_OPTIONS) --constraint constraints.txt
METADATA := setup.cfg pyproject.toml constraints.txt

EXPERIMENTS := table2 table3 table4 table6 table8 table9 figure1 figure2 figure3 figure4 all report prepare schedule status \
	canary speed
.PHONY: $(EXPERIMENTS) test test-slow test-jax test-torch test-installed test-lowest attacks mutants lint types docs dist clean

$(EXPERIMENTS): $(VENV)/benchmarks.installed ## a table or figure of the paper
	$(BIN)/python -m benchmarks $@ $(ARGS)

PYTEST = TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest --numprocesses auto
test: $(VENV)/test.installed ## the tests and doctests but the slow ones: seven minutes on two busy cores
	$(PYTEST) -m "not slow" $(ARGS)
test-slow: $(VENV)/test.installed ## whole experiments and examples, kills, exhaustive combinations
	$(PYTEST) -m slow $(ARGS)

# The package's own tests once more on Keras's other backends. What is left out uses only NumPy, only files and processes,
# refuses before anything is computed, or trains whole experiments. JAX compiles without optimization and keeps what it has
# compiled, which takes half the time.
ELSEWHERE := benchmarks commands information plots test_examples.py test_docs.py test_docs_tables.py test_files.py \
	test_prose.py layers/test_arguments.py ion/test_refusals.py similarity/test_measures.py \
	$(addprefix characteristics/test_,chance.py characterize.py definitions.py lanczos.py table.py units.py) \
	$(addprefix stress/test_,attacks.py command_line.py damaged_records.py full_disk.py hostile_files.py kills.py) \
	$(addprefix tuning/test_,cocktail.py comparison.py search.py)
BACKEND_TESTS := tests -m "not slow" $(ELSEWHERE:%=--ignore tests/%)
# Their folder is left out above, and pytest takes no file of it besides.
COMPILED := tests/benchmarks/training/test_epochs.py tests/benchmarks/experiments/test_speed.py
test-jax: export KERAS_BACKEND := jax
test-jax: export XLA_FLAGS := --xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1
test-jax: export JAX_COMPILATION_CACHE_DIR := $(CURDIR)/build/jax
test-jax: export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS := 0.01
test-jax: export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES := -1
test-jax: $(VENV)/test.installed $(VENV)/jax.installed
	$(PYTEST) $(BACKEND_TESTS) $(ARGS)
	$(PYTEST) $(COMPILED) -k "not sweep"
test-torch: export KERAS_BACKEND := torch
test-torch: $(VENV)/test.installed $(VENV)/torch.installed
	$(PYTEST) $(BACKEND_TESTS) $(ARGS)

# Random changes of the core, each of which a test should notice: make mutants ARGS='50 --seed 1'.
mutants: $(VENV)/test.installed
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.mutants $(ARGS)

# Malformed model files, arrays and command lines: make attacks ARGS='2000 --seed 1'.
attacks: $(VENV)/test.installed
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.stress.attacks $(ARGS)

lint: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
types: $(VENV)/dev.installed $(VENV)/benchmarks.installed
	$(BIN)/mypy
docs: $(VENV)/docs.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

dist: $(VENV)/dev.installed ## the source distribution and the wheel, and what they hold is checked
	rm -rf dist build/lib build/bdist.* build/tree
	$(BIN)/python -m build --outdir dist >/dev/null
	$(BIN)/python -m build --wheel --outdir build/tree >/dev/null
	$(BIN)/python tests/check_dist.py dist build/tree

# The wheel with each backend and no other, and with none, each in an environment of its own; make -j2 takes two at a time.
ALONE := tensorflow-cpu jax torch none
test-installed: $(ALONE:%=test-installed-%)
$(ALONE:%=test-installed-%): test-installed-%: dist
	rm -rf $(VENV)-$*
	$(PYTHON) -m venv $(VENV)-$*
	$(VENV)-$*/bin/python -m pip install $(PIP_OPTIONS) --constraint constraints.txt \
		"$$(echo dist/*.whl)$(subst [none],,[$*])"
	$(VENV)-$*/bin/python -m pip check
	TF_CPP_MIN_LOG_LEVEL=3 $(VENV)-$*/bin/python -I tests/installed.py $*
	rm -rf $(VENV)-$*

# The oldest versions that setup.cfg allows, on TensorFlow.
LOWEST := callbacks compatibility ion layers test_insertion.py test_labels.py test_models.py test_package.py test_seam.py \
	characteristics/test_measure.py characteristics/test_calls_and_masks.py stress/test_hostile_files.py \
	$(addprefix commands/test_,compare_and_survey.py data.py measure.py order.py refusals.py)
test-lowest: $(VENV)-lowest/installed
	TF_CPP_MIN_LOG_LEVEL=3 $(VENV)-lowest/bin/python -m pytest --numprocesses auto -m "not slow" $(LOWEST:%=tests/%) $(ARGS)
$(VENV)-lowest/installed: setup.cfg constraints-lowest.txt
	rm -rf $(VENV)-lowest
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install $(PIP_OPTIONS) --constraint constraints-lowest.txt \
		--editable '.[tensorflow-cpu,plots,ion]' hypothesis pytest pytest-xdist
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-* build dist site *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "keras-repreg needs Python 3.11 or newer; make PYTHON=python3.12 ... chooses another interpreter")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade 'pip>=25.1' # the first that knows dependency groups

# A set of packages on top of the package itself, and a file that says that it is installed.
$(VENV)/benchmarks.installed: $(METADATA) | $(BIN)/python
	$(PIP) --group benchmarks --editable '.[tensorflow-cpu]'
	@touch $@
$(VENV)/test.installed: $(METADATA) | $(BIN)/python
	$(PIP) --group test --editable '.[tensorflow-cpu]'
	@touch $@
$(VENV)/docs.installed $(VENV)/dev.installed: $(VENV)/%.installed: $(METADATA) | $(BIN)/python
	$(PIP) --group $*
	@touch $@
$(VENV)/jax.installed $(VENV)/torch.installed: $(VENV)/%.installed: $(METADATA) | $(BIN)/python
	$(PIP) --editable '.[$*]'
	@touch $@
