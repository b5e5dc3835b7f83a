# Every check of Bearward, one target each. CI runs `make test` and then the targets of `make ci` (see .ci/run).

MODULES     := $(patsubst %/,%,$(dir $(wildcard go.mod */go.mod */*/go.mod)))
FUZZTIME    ?= 5s
MUTANTTIME  ?= 5m
SOAK        ?= 25s
SEEDS       ?= 2000
PICTURES    ?= artifacts/pictures
TESTFLAGS   ?= -race -shuffle=on -timeout 20m

# Tools are built once, into artifacts/bin.
BIN         := $(CURDIR)/artifacts/bin
EXE         := $(shell go env GOEXE)
STATICCHECK := $(BIN)/staticcheck$(EXE)
GOTESTSUM   := $(BIN)/gotestsum$(EXE)

# CI's stages after `make test`, in their order.
STAGES      := lint tidy vuln conformance-check newcomer soak fuzz mutants

# each runs one command in every module and fails when it fails in any of them.
each = @set -e; for m in $(MODULES); do echo "==> $$m: $(1)"; (cd "$$m" && $(1)); done

.DEFAULT_GOAL := help
.PHONY: help modules stages nightly test fmt fmt-comments gofmt vet unit ci lint tidy vuln conformance conformance-check soak fuzz mutants browser pictures interop monitoring newcomer

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' Makefile

test: gofmt vet unit ## every test that needs nothing but Go, in all modules

fmt: ## rewrite the sources as gofmt wants them
	gofmt -w .

fmt-comments: ## wrap comments at 100 columns
	go run ./internal/house/wrap .

gofmt:
	@bad=$$(gofmt -l .); if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi

vet:
	$(call each,go vet ./...)

unit: $(GOTESTSUM)
	@MODULES="$(MODULES)" TESTFLAGS="$(TESTFLAGS)" GOTESTSUM="$(GOTESTSUM)" bash .ci/unit

ci: $(STAGES) ## what CI runs after `make test`

nightly: ## the long forms of fuzz, soak and mutants: about an hour and a half
	$(MAKE) soak SOAK=10m SEEDS=20000
	$(MAKE) fuzz FUZZTIME=1m
	$(MAKE) mutants MUTANTTIME=0

modules:
	@echo $(MODULES)

stages:
	@echo $(STAGES)

$(STATICCHECK): Makefile
	GOBIN="$(BIN)" go install honnef.co/go/tools/cmd/staticcheck@v0.8.2

$(GOTESTSUM): Makefile
	GOBIN="$(BIN)" go install gotest.tools/gotestsum@v1.13.0

conformance: ## each row of the conformance matrix over each adapter; writes internal/conformance/README.md
	go run ./internal/conformance

conformance-check: ## what `make test` found, row by row, and the page says so
	go run ./internal/conformance -check -json 'artifacts/test/*.json'

lint: $(STATICCHECK) ## staticcheck in all modules, and vet as on Windows
	$(call each,$(STATICCHECK) ./...)
	$(call each,GOOS=windows CGO_ENABLED=0 go vet ./...)

tidy: ## go.mod and go.sum say what the code needs, no more
	$(call each,go mod tidy -diff)

vuln: ## known vulnerabilities in what the code calls
	@MODULES="$(MODULES)" bash .ci/vuln

soak: ## SEEDS (2,000) random schedules of the key cache, 1,000 replicas of it, and SOAK (25s) each of the key cache and of everything
	SIM_SEEDS=$(SEEDS) SOAK_TIME=$(SOAK) FLEET_REPLICAS=1000 go test -count=1 -timeout 3h -v -run 'K35|Soak|Fleet' ./jwks
	cd examples && CI=true SOAK_TIME=$(SOAK) go test -count=1 -timeout 3h -v ./soak

browser: ## every page of the quickstart in a browser; needs Chromium
	cd examples && CI=true go test -count=1 -run Browser ./quickstart

pictures: ## the contact sheets in examples/pictures, and every page at 1,280 and 390 pixels, light and dark, in PICTURES
	@mkdir -p $(PICTURES)
	cd examples && CI=true BROWSER_ARTIFACTS="$(abspath $(PICTURES))" go test -count=1 -run TheWholeWayInABrowser ./quickstart
	@mkdir -p examples/pictures
	cp $(foreach v,wide-light wide-dark phone-light phone-dark,$(PICTURES)/$(v).jpg) examples/pictures/

interop: ## tokens of authorization servers, and clients, that nobody here wrote; needs Node.js, and Debian's package glewlwyd
	cd examples && CI=true go test -count=1 ./interop

monitoring: ## the dashboard and the alerts, asked of a real Prometheus; needs Debian's package prometheus
	cd examples && CI=true go test -count=1 ./monitoring

newcomer: ## from a fresh clone to a guarded route, its test, a reason in the log and metrics, timed
	@bash .ci/newcomer

fuzz: ## each fuzz target for FUZZTIME (5s)
	@FUZZTIME="$(FUZZTIME)" bash .ci/fuzz

mutants: ## security checks removed in turn, changed ones first; a test must notice (for MUTANTTIME, 5m; 0: all)
	go run ./internal/mutants -for $(MUTANTTIME)

.PHONY: bench bench-check
bench: ## everything beside its peers, in about seven minutes; rewrites bench/README.md and bench/plots
	go run -C bench ./run -write .

bench-check: ## the goals of speed, in about a minute; fails when one is missed
	go run -C bench ./run -quick -check
