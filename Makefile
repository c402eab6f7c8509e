# make help lists the targets. Under sudo everything works too: scripts/go finds Go where sudo has reset PATH.

GO       := scripts/go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 1m

.DEFAULT_GOAL := help
.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "demo, test, test-vm, e2e, dpdk and the lab need root: sudo make demo. The first use installs what is missing (apt)."

.PHONY: setup
setup: ## install what is missing to build, test and run the lab
	@scripts/setup test

.PHONY: build
build: ## compile bin/weir, and bin/decap for the lab
	@scripts/setup build
	$(GO) build -buildvcs=false -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/weir ./cmd/weir
	CGO_ENABLED=0 $(GO) build -buildvcs=false -trimpath -o bin/decap ./internal/lab/decap
	@[ "$$(id -u)" != 0 ] || chown -R --reference=go.mod bin

.PHONY: demo
demo: ## HTTP through every mode, IPv4 and IPv6, in a network of namespaces; one table
	@scripts/setup demo
	@$(MAKE) --no-print-directory build
	@scripts/lab demo

.PHONY: lab-up
lab-up: ## lay that network out and leave it running to play with
	@scripts/setup demo
	@$(MAKE) --no-print-directory build
	@scripts/lab up

.PHONY: lab-down
lab-down: ## take it away again
	@scripts/lab down

.PHONY: test
test: ## everything there is to run, with a summary
	@scripts/setup test
	@scripts/setup vm || [ "$$CI" != true ]
	@scripts/setup ipvs || [ "$$CI" != true ]
	@$(MAKE) --no-print-directory build
	@scripts/test

.PHONY: unit
unit: ## tests without cgo, root or network
	CGO_ENABLED=0 $(GO) test $$(scripts/pure)

.PHONY: race
race: ## the same under the race detector
	$(GO) test -race $$(scripts/pure)

.PHONY: dpdk
dpdk: ## tests of the cgo packages on virtual devices (root)
	$(GO) test ./dpdk/... ./cmd/...

.PHONY: profiles
profiles: ## tests of the profiles for TRex and pktgen (Python, Lua)
	@scripts/profiles

.PHONY: e2e
e2e: setup build ## tests that run bin/weir (root)
	$(GO) test -count=1 ./internal/e2e/...

.PHONY: test-vm
test-vm: ## Weir on real NICs of a virtual machine (root; QEMU, no KVM needed)
	@scripts/setup vm
	@$(MAKE) --no-print-directory build
	$(GO) test -count=1 -v ./internal/vm/...

.PHONY: test-ipvs
test-ipvs: ## Weir beside Linux's IPVS, packet by packet (User Mode Linux; no root once it is fetched)
	@scripts/setup ipvs
	WEIR_IPVS=live CGO_ENABLED=0 $(GO) test -count=1 ./internal/ipvs/...

.PHONY: ipvs-record
ipvs-record: ## stores what IPVS does anew, for make unit: after a change of internal/ipvs's scenarios
	@scripts/setup ipvs
	scripts/ipvslab record internal/ipvs/testdata/linux.gz
	WEIR_IPVS=record CGO_ENABLED=0 $(GO) test -count=1 ./internal/ipvs/compare
	@[ "$$(id -u)" != 0 ] || chown -R --reference=go.mod internal/ipvs

.PHONY: fuzz
fuzz: ## every fuzzer for FUZZTIME (1m)
	@scripts/fuzz $(FUZZTIME)

.PHONY: bench-go
bench-go: ## Go's benchmarks of the pure packages
	CGO_ENABLED=0 $(GO) test -run '^$$' -bench . -benchmem $$(scripts/pure)

.PHONY: bench-sched
bench-sched: ## how even every scheduler is, and what it moves: the tables of docs/schedulers.md
	CGO_ENABLED=0 $(GO) run ./bench/sched docs/schedulers.md

.PHONY: docs
docs: ## docs/reasons.md and docs/metrics.md, from what the code says
	CGO_ENABLED=0 $(GO) run ./internal/manual docs

.PHONY: bench-tools
bench-tools: ## what make bench runs: bin/weir, bin/weirbench and a source of traffic
	@scripts/setup bench
	@$(MAKE) --no-print-directory build
	CGO_ENABLED=0 $(GO) build -buildvcs=false -trimpath -o bin/weirbench ./bench/weirbench
	gcc -std=gnu11 -Wall -Wextra -O3 -fPIC -shared $$(pkg-config --cflags libdpdk) -o bin/weirsource.so bench/source/source.c \
		-Wl,--as-needed $$(pkg-config --libs libdpdk) -ldl
	@[ "$$(id -u)" != 0 ] || chown -R --reference=go.mod bin

.PHONY: bench
bench: bench-tools ## Weir against testpmd in every mode, about 10 minutes on 2 idle cores (root)
	bin/weirbench
	@[ "$$(id -u)" != 0 ] || chown -R --reference=go.mod bench docs

.PHONY: bench-quick
bench-quick: bench-tools ## the heart of it in a minute (root)
	bin/weirbench -quick
	@[ "$$(id -u)" != 0 ] || chown -R --reference=go.mod bench

.PHONY: lint
lint: ## gofmt, vet, and golangci-lint and shellcheck where they are installed
	@scripts/lint

.PHONY: docker
docker: ## the image of the README
	docker build -t weir .

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
