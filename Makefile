# cmkd. `make` lists the targets.
SHELL       := /bin/bash
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
PREFIX      ?= /usr
DESTDIR     ?=
GOLANGCI    := v2.15.0
STATICCHECK := v0.8.2
BENCHTIME   ?= 1s
TESTFLAGS   ?=
SIM_TIME    ?= 2m
TEETH       ?= ^Test(Teeth$$|Guard_)
TEETH_TIME  ?= 60s
export CGO_ENABLED ?= 1

.DEFAULT_GOAL := help
.PHONY: help tools deps cc build demo demo-estate test sim teeth crash rush fuzz bench conformance lint arch vuln install uninstall clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A missing tool is named with the command that installs it.
tools:
	@command -v go  >/dev/null || { echo "cmkd needs Go 1.26: https://go.dev/doc/install"; exit 1; }
	@command -v git >/dev/null || { echo "cmkd needs git: apt-get install git"; exit 1; }
	@go version | grep -Eq 'go1\.(2[6-9]|[3-9][0-9])' || { echo "cmkd needs Go 1.26, this is $$(go version): https://go.dev/doc/install"; exit 1; }

deps: ## install what the tests need beside Go: Prometheus, Alertmanager, Chromium, curl, systemd
	@.ci/deps

cc:
	@command -v $${CC:-gcc} >/dev/null || { echo "the race detector needs a C compiler: apt-get install gcc libc6-dev"; exit 1; }

build: tools ## build bin/cmkd
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/cmkd ./cmd/cmkd

demo: build ## rotate, revoke and reinstate a key in a simulated Azure, in under a minute
	bin/cmkd demo

demo-estate: build ## the same with a dependent of every kind, in under two minutes
	bin/cmkd demo --estate

test: tools cc deps ## run all tests with the race detector
	go vet ./...
	go test -race -timeout 10m $(TESTFLAGS) ./...
	@go test -count=1 -v -run Recordings ./providers/... | sed -n 's/^ *[a-z_]*_test.go:[0-9]*: \(recordings: .*\)/\1/p; /ground truth/p'

sim: tools ## drive the engine through simulated worlds for SIM_TIME, from one seed each
	CMKD_SIM_TIME=$(SIM_TIME) go test -count=1 -timeout 0 -run TestSimulation -v ./rotator/simtest

teeth: tools ## put each mended fault back, turn around each condition of the guard, and see a test fail
	CMKD_TEETH=$(TEETH_TIME) go test -count=1 -timeout 0 -run "$(TEETH)" -v ./cmd/internal/teeth

crash: build ## kill the daemon at 200 random moments of rotations
	CMKD_CRASHES=200 go test -count=1 -timeout 30m -run 'TestCrash' ./cmd/internal/e2e

rush: tools ## rotate a thousand keys that are due at once, at the vaults' documented limits
	CMKD_RUSH=10 go test -count=1 -timeout 10m -run TestRush -v ./cmd/internal/e2e

fuzz: tools ## run each fuzz target for a while
	@for p in $$(go list ./...); do for f in $$(go test -list 'Fuzz.*' $$p | grep ^Fuzz); do \
	  echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime 20s -fuzzminimizetime 1x $$p || exit 1; done; done

bench: build ## measure throughput, memory, cold start, size of the binary
	go test -run '^$$' -bench . -benchtime $(BENCHTIME) -timeout 30m ./store/... ./rotator/... ./cmd/...

conformance: build ## let Microsoft's JavaScript clients talk to the simulated Azure (needs Node 20)
	CMKD_BINARY=$(CURDIR)/bin/cmkd conformance/run

lint: tools ## vet, staticcheck, golangci-lint
	go vet ./...
	@test -x bin/staticcheck || GOBIN=$(CURDIR)/bin go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK)
	@test -x bin/golangci-lint || GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	bin/staticcheck ./...
	bin/golangci-lint run ./...

arch: tools ## check that dependencies point inward
	@.ci/arch

vuln: tools ## look for known vulnerabilities (needs the vulnerability database)
	@test -x bin/govulncheck || GOBIN=$(CURDIR)/bin go install golang.org/x/vuln/cmd/govulncheck@v1.9.0
	@bin/govulncheck ./... || { echo "govulncheck did not pass: if it could not fetch its database, this machine cannot reach it; run make vuln where it can"; exit 1; }

install: ## install the binary, units and the example configuration under DESTDIR
	install -Dm755 bin/cmkd $(DESTDIR)$(PREFIX)/bin/cmkd
	install -Dm644 systemd/cmkd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/cmkd.service
	install -Dm644 systemd/cmkd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/cmkd.conf
	install -Dm644 systemd/cmkd.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/cmkd.conf
	install -dm750 $(DESTDIR)/etc/cmkd
	@test -e $(DESTDIR)/etc/cmkd/cmkd.yaml || install -m640 configs/examples/cmkd.yaml $(DESTDIR)/etc/cmkd/cmkd.yaml
	install -Dm644 configs/cmkd.schema.json $(DESTDIR)$(PREFIX)/share/cmkd/cmkd.schema.json
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/doc/cmkd README.md docs/*.md
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/cmkd/prometheus configs/prometheus/cmkd.rules.yml
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/cmkd/grafana configs/grafana/cmkd.json
	@if [ -z "$(DESTDIR)" ] && command -v systemctl >/dev/null; then \
	  systemd-sysusers cmkd.conf && systemd-tmpfiles --create cmkd.conf && systemctl daemon-reload || true; fi
	@echo "next: edit /etc/cmkd/cmkd.yaml, then: cmkd config check && systemctl enable --now cmkd"

uninstall: ## remove what install put there; configuration and state stay
	rm -f $(DESTDIR)$(PREFIX)/bin/cmkd $(DESTDIR)$(PREFIX)/lib/systemd/system/cmkd.service \
	  $(DESTDIR)$(PREFIX)/lib/sysusers.d/cmkd.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/cmkd.conf
	rm -rf $(DESTDIR)$(PREFIX)/share/cmkd $(DESTDIR)$(PREFIX)/share/doc/cmkd

clean: ## remove what was built
	rm -rf bin dist coverage.out
