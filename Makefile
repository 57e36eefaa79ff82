# Needs Python 3.11 or newer and make; everything else comes from the locks into .venv, checked by hash.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed

.PHONY: help run cluster cluster-test test test-slow test-large test-browser coverage bench audit fuzz chaos lint lock clean

help: ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-22s%s\n", $$1, $$2}'

run: export DEBUG = true
run: $(READY) ## start everything with demo data; PORT (8080) and DATA_DIR (.data) may be set
	@$(BIN)/python -m config.devservices run

cluster: export DEBUG = true
cluster: $(READY) ## two servers behind nginx by TLS, as deploy/compose.yaml has them, without containers; needs Debian's nginx
	@$(BIN)/python -m config.devservices cluster

cluster-test: $(READY) ## the end-to-end tests through that nginx, and what only a cluster can show
	THROUGH_CLUSTER=true $(BIN)/python -m pytest tests/flows/test_cluster.py tests/flows/test_main_job.py \
		tests/flows/test_sockets.py tests/flows/test_streams.py tests/flows/test_following.py

test: lint ## lint, then every quick test
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not browser and not slow and not large"

# Other tests run beside those that have patience.
test-slow: export PATIENCE = 3
test-slow: $(READY) ## engines killed, a million prize plans, death before every line that pays: some minutes
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "slow and not browser and not large"

test-large: $(READY) ## the panel on a world of 100,000 people: a quarter of an hour, not in CI
	$(BIN)/python -m pytest -m large --timeout 7200

test-browser: $(READY) ## the tests in a real browser; needs Debian's chromium
	$(BIN)/python -m pytest -m browser

# Every branch of what decides about money, about who somebody is, about merging and about rank is taken by some test.
EVERY_BRANCH := prizes/*.py,prizes/services/*,prizes/gateways/*,competitions/services/seats.py,accounts/authentication.py,$\
accounts/backends.py,accounts/callers.py,accounts/codes.py,accounts/lockout.py,accounts/permissions.py,$\
accounts/reauthentication.py,accounts/tokens.py,accounts/services/keys.py,accounts/services/log_ins.py,$\
accounts/services/passwords.py,accounts/services/sessions.py,leaderboards/admission.py,leaderboards/tickets.py,$\
fitness/merging.py,fitness/reckoning.py,leaderboards/ranking.py,leaderboards/rows.py,leaderboards/scoring.py,$\
leaderboards/settling.py,leaderboards/supposing.py

coverage: export PATIENCE = 3
coverage: $(READY) ## lines and branches that the fast and the slow tests take, and what must be taken: some 40 minutes
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n 2 --dist worksteal -m "not browser and not large"
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --fail-under=95
	$(BIN)/python -m coverage report --include='$(EVERY_BRANCH)' --fail-under=100

bench: $(READY) ## measure on this machine, some 12 minutes; BENCH=quick, ONLY=reads,writes, JSON=FILE, MARKDOWN=FILE may be set
	@$(BIN)/python -m benchmarks $(if $(filter quick,$(BENCH)),--quick) $(if $(ONLY),--only $(ONLY)) \
		$(if $(JSON),--json $(JSON)) $(if $(MARKDOWN),--markdown $(MARKDOWN))

audit: $(READY) ## secrets in the tree, and known holes in what is locked, where the advisory service answers
	@$(BIN)/python -m tests.doors.audit

# HOLD=yes goes on serving the world in which something was found, so that the printed curl repeats it.
fuzz: $(READY) ## made-up calls and frames against a server of its own; CASES, FRAMES (100000 each), SEED, JSON=FILE, MARKDOWN=FILE
	@$(BIN)/python -m tests.fuzz $(if $(CASES),--cases $(CASES)) $(if $(FRAMES),--frames $(FRAMES)) \
		$(if $(SEED),--seed $(SEED)) $(if $(JSON),--json $(JSON)) $(if $(MARKDOWN),--markdown $(MARKDOWN)) \
		$(if $(HOLD),--hold)

chaos: SEED ?= 1
chaos: LENGTH ?= full
chaos: $(READY) ## kill, fill and cut off every part under load, some 35 minutes; SEED, LENGTH (short, sequence), JSON, MARKDOWN may be set
	@$(BIN)/python -m tests.chaos $(SEED) --length $(LENGTH) \
		$(if $(JSON),--json $(JSON)) $(if $(MARKDOWN),--markdown $(MARKDOWN))

# mypy's Django plugin loads the settings; with DEBUG they need no secrets.
lint: export DEBUG = true
lint: $(READY) ## style, types and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

COMPILE = $(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock'

lock: $(READY) ## write requirements.txt and requirements-dev.txt anew from their .in files
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt

clean: ## stop the embedded engines; remove .venv, the data in .data and every cache
	-@test ! -e $(READY) || DEBUG=true $(BIN)/python -m config.devservices stop
	rm -rf .venv .data staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -prune -exec rm -rf {} +

# pip installs the locked uv, and uv the rest in a tenth of the time. The umask lets the account that runs
# the embedded engines read them.
$(READY): requirements-dev.txt
	umask 022 && $(PYTHON) -m venv --clear .venv
	umask 022 && sed -n '/^uv==/,/[^\\]$$/p' $< | $(BIN)/pip install -q --require-hashes -r /dev/stdin
	umask 022 && VIRTUAL_ENV=.venv $(BIN)/uv pip sync -q --compile-bytecode --require-hashes $<
	@touch $@
