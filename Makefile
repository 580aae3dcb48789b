# `make demo` and `make test` each set up all that they need; .ci/setup does that work.

# Test workers. The tests of the daemon wait more than they compute; each worker may start a broker of half a gigabyte.
JOBS ?= 8
# How long the chaos goes on.
MINUTES ?= 1
# More for pytest, the demo or the chaos, as in: make test ARGS='-k rotation', make chaos ARGS='--seed 7'
ARGS ?=
# How long the simulator runs, at most.
SECONDS ?= 38
# How long it then runs histories of the second kind, and of the third.
WIDE_SECONDS ?= 17
BRIEF_SECONDS ?= 5
# The python to make the environment with; .ci/setup finds one.
export PYTHON

BIN := .venv/bin

.PHONY: bench bench-guard bench-records chaos clean demo docs fleet fmt help lint package sim system test venv

help: ## show this
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 24

venv: ## make .venv with the package and the development tools
	@.ci/setup venv

demo: venv ## ship growing and rotating files to an embedded broker, and verify what arrived
	@$(BIN)/shipper demo $(ARGS)

test: ## run all tests: units, mock cluster, real Kafka
	@.ci/setup test
	@$(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS)

package: ## build the sdist, the wheel and a .deb into dist/
	@.ci/setup package
	@packaging/build

system: package ## install the .deb on a Debian under a real systemd, and see what it does; needs root
	@.ci/setup system
	@$(BIN)/pytest tests/system $(ARGS)

chaos: ## let writers, daemon and a real broker fail in all ways at once, and see that nothing is lost
	@.ci/setup test
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(ARGS)

sim: venv ## run simulated histories of the daemon, always the same; ARGS=--fresh: fresh ones too
	@$(BIN)/python -m tests.sim --histories 7000 --jobs 2 --seconds $(SECONDS) $(ARGS)
	@$(BIN)/python -m tests.sim --wide --histories 1000 --jobs 2 --seconds $(WIDE_SECONDS) $(ARGS)
	@$(BIN)/python -m tests.sim --brief --histories 1000 --jobs 2 --seconds $(BRIEF_SECONDS) $(ARGS)

bench: venv ## measure the daemon beside the client's limit and other shippers, in one run; half an hour, on a quiet machine
	@.ci/setup bench
	@$(BIN)/python -m bench all $(ARGS)

bench-records: venv ## what each feature of the record stage costs, relative to lines as they are
	@$(BIN)/python -m bench records $(ARGS)

bench-guard: venv ## fail where the daemon has become slow beside a bare producer loop in the same run
	@$(BIN)/python -m bench guard $(ARGS)

fleet: venv ## fifty daemons against one broker: what one costs, what the broker sees, and what follows for ten thousand
	@.ci/setup bench
	@$(BIN)/python -m bench fleet $(ARGS)

lint: venv ## check style, types and what bandit knows of
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/bandit -q -c pyproject.toml -r shipper packaging

docs: venv ## build the documentation as a site, into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

fmt: venv ## format, and mend what can be mended
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean: ## remove what was made here
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
