# Posthouse. `make test` is everything; the other targets are its parts and the tools around it.
GO      ?= go
FUZZ    ?= 30s
RELEASE ?= $(shell git describe --tags --always --dirty 2>/dev/null)
VET     := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VULN    := golang.org/x/vuln/cmd/govulncheck@v1.9.0

.PHONY: man build test unit race plain elsewhere e2e fuzz bench bench-dns bench-http bench-session lint

build: # a static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.release=$(RELEASE)' -o posthouse ./cmd/posthouse

test: # vet, unit tests with the race detector and without the relay's loops, testscripts, and the binary against real servers
	$(GO) vet ./...
	$(MAKE) elsewhere
	$(MAKE) race
	$(MAKE) plain
	$(MAKE) e2e

unit: # the quick ones, without the race detector
	$(GO) test $$($(GO) list ./... | grep -v /e2e)

race:
	$(GO) test -race -timeout 15m $$($(GO) list ./... | grep -v /e2e)

plain: # sessions in the form that systems without loops have; what is HTTP here is the same in both
	$(GO) test -tags plainrelay -skip 'HTTP|TestHandshakeTime' ./proxy ./proxy/relay

elsewhere: # what must build, tests too, where it is not tested; nobody runs it, so the compiler may be quick
	GOOS=darwin GOARCH=arm64 $(GO) vet -gcflags='all=-N -l' ./...
	GOOS=linux GOARCH=arm64 $(GO) vet -gcflags='all=-N -l' ./proxy/... ./geodns/... ./bare

e2e: # installs Dovecot, Postfix and the clients with apt where it may; skips plainly where not
	-sh -c 'command -v bash >/dev/null && bash e2e/servers install'
	$(GO) test -count=1 -timeout 15m -v ./e2e

fuzz: # every fuzz target for FUZZ each
	@for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZ) -fuzzminimizetime 10x $$package || exit 1; \
	  done; \
	done

bench: bench-session bench-http bench-dns # beside the peers; then routing, loading, probing and the session path by themselves
	$(GO) test -run '^$$' -bench . -benchmem ./config ./routing ./geodns/... ./healthcheck ./proxy/...

bench-dns: # DNS beside gdnsd, Knot and PowerDNS from Debian, with a database of countries from npm
	sh bench/install && $(GO) run ./bench/dns

bench-http: # HTTP beside nginx and HAProxy from Debian, as ratios in one run
	sh bench/install && $(GO) run ./bench/http

bench-session: # sessions beside nginx (stream) and HAProxy from Debian
	sh bench/install && $(GO) run ./bench/session

man: # docs/posthouse.1, from what --help says; a test keeps it in step
	env -u POSTHOUSE_ADMIN $(GO) run ./cmd/posthouse man > docs/posthouse.1

lint:
	test -z "$$(gofmt -l .)"
	$(GO) vet ./...
	$(GO) run $(VET) ./...
	$(GO) run $(VULN) ./... || [ $$? != 3 ] || exit 1 # 3: vulnerabilities; else it could not reach its database, and said so
