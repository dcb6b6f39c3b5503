# canseal: `make peers test` runs everything that a machine can run.
#   make peers   what the tests want beside Go: Debian packages (as root, else it prints the line to type) and pinned tools in .tools/bin
#   make test    vet, format, static checks, all tests; never needs root
#   make race    the tests with the race detector (needs gcc)
#   make cross   the programs for other machines
#   make bench   figures
#   make guest-bench  instructions for each frame, beside candump and a plain loop (wants qemu-system-x86 and xz-utils; fetches a kernel of Debian)
#   make soak    ten minutes of eight full buses on this machine, then of two vcan buses in the guest: SOAK=10m
#   make s3-bench  uploads beside rclone and plain minio-go, on the same store
#   make powercut  twenty power cuts of canseald on each file system, at random: CUTS=20 SEED=...
.PHONY: peers test race cross bench powercut soak guest-bench s3-bench fuzz demo check

PACKAGES  := user-mode-linux can-utils openssl gcc libc6-dev e2fsprogs dosfstools dmsetup iproute2 nginx-light haproxy rclone mosquitto mosquitto-clients \
  python3-dissononce gnutls-bin libmbedtls-dev chromium-headless-shell
VERSITYGW := v1.8.0
TOOLS     := $(CURDIR)/.tools/bin
DUCKDB    := $(CURDIR)/.tools/duckdb
RACE      := ./internal/run ./internal/clock ./uploader ./logger ./cmd/internal/appliance ./cancrypt/node ./link/...

peers:
	@missing=; for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	if [ -z "$$missing" ]; then echo "peers: all Debian packages are there"; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing; \
	else echo "peers: please run as root: apt-get update && apt-get install -y --no-install-recommends$$missing"; exit 1; fi
	@$(MAKE) --no-print-directory $(TOOLS)/versitygw $(DUCKDB)/node_modules/.package-lock.json

$(TOOLS)/versitygw:
	GOBIN=$(TOOLS) go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW)

$(DUCKDB)/node_modules/.package-lock.json: cmd/candecode/testdata/duckdb/package.json cmd/candecode/testdata/duckdb/package-lock.json
	mkdir -p $(DUCKDB) && cp $^ $(DUCKDB)/ && cd $(DUCKDB) && npm install --ignore-scripts --no-audit --no-fund --loglevel=error

test:
	@PATH="$(TOOLS):$$PATH"; absent() { echo "make test: $$1 is absent (make peers): NOT RUN: $$2"; }; \
	command -v linux.uml >/dev/null || absent user-mode-linux "everything on a real SocketCAN, power cuts, the whole road in a guest"; \
	command -v canplayer >/dev/null || absent can-utils "what cangen and canplayer put on a bus"; \
	command -v versitygw >/dev/null || absent versitygw "uploads to a real S3 server, the conformance table of the embedded one"; \
	command -v openssl >/dev/null || absent openssl "servers and bundles of OpenSSL"; \
	command -v nginx >/dev/null || test -x /usr/sbin/nginx || absent nginx-light "servers that verify devices"; \
	command -v mosquitto >/dev/null || test -x /usr/sbin/mosquitto || absent mosquitto "a real MQTT broker"; \
	command -v chromium-headless-shell >/dev/null || absent chromium-headless-shell "the page of --plot in a browser"; \
	test -d $(DUCKDB)/node_modules/@duckdb/node-api && command -v node >/dev/null || absent duckdb "tables read by DuckDB"
	PATH="$(TOOLS):$$PATH" go test -timeout 15m ./...
	@$(MAKE) --no-print-directory check

check:
	@test -z "$$(gofmt -l .)" || { echo "gofmt wants:"; gofmt -l .; exit 1; }
	go vet ./...
	go mod tidy -diff
	go tool staticcheck ./...

race:
	PATH="$(TOOLS):$$PATH" go test -race -timeout 10m $(RACE)

cross:
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/arm64/ ./cmd/canseald ./cmd/canseal ./cmd/candecode
	GOOS=linux GOARCH=arm GOARM=7 CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/armv7/ ./cmd/canseald ./cmd/canseal
	GOOS=windows go vet ./cmd/canseal ./cmd/candecode
	GOOS=darwin go vet ./cmd/canseal ./cmd/candecode

bench:
	go test -run '^$$' -bench . -benchmem ./can/... ./mdf/... ./logger ./decode/... ./cancrypt ./uploader ./certs ./link/... ./cmd/candecode

CUTS ?= 20
powercut:
	CANSEAL_REQUIRE=peers,vm CANSEAL_CUTS=$(CUTS) CANSEAL_SEED=$(SEED) go test -count=1 -timeout 1h -v -run 'PowerCut|PowerIsCut' ./cmd/canseald >powercut.log; \
	  failed=$$?; grep -E 'CANSEAL_SEED|cut .* after|BROKEN|broken|promised, none|^ *---|^(ok|FAIL)' powercut.log; exit $$failed

KERNEL := linux-image-6.1.0-56-amd64
$(CURDIR)/.tools/kernel:
	mkdir -p $@.new && cd $@.new && apt-get download $(KERNEL) && dpkg-deb -x $(KERNEL)_*.deb . && rm $(KERNEL)_*.deb && mv $@.new $@

guest-bench: $(CURDIR)/.tools/kernel
	CANSEAL_KERNEL=$< go test -count=1 -timeout 20m -v -run 'TestGuestBench$$' ./cmd/canseald >guest-bench.log; \
	  failed=$$?; grep -E 'BENCH|NOT RUN|^ *---|^(ok|FAIL)' guest-bench.log | sed 's/^ *[a-z_]*.go:[0-9]*: //'; exit $$failed

SOAK ?= 10m
soak:
	CANSEAL_REQUIRE=vm CANSEAL_SOAK=$(SOAK) go test -count=1 -timeout 2h -v -p 1 -run 'TestSoak$$|TestSoakInTheGuest' ./cmd/internal/appliance ./cmd/canseald >soak.log; \
	  failed=$$?; grep -E 'SOAK|^ *---|^(ok|FAIL)' soak.log | sed 's/^ *[a-z_]*.go:[0-9]*: //'; exit $$failed

s3-bench:
	PATH="$(TOOLS):$$PATH" CANSEAL_S3BENCH=3 go test -count=1 -timeout 20m -v -run 'TestUploadFigures|TestAnUploadGoesOnAfterAKill' ./uploader >s3-bench.log; \
	  failed=$$?; grep -E 'FIGURE|NOT RUN|^ *---|^(ok|FAIL)' s3-bench.log | sed 's/^ *[a-z_]*.go:[0-9]*: //'; exit $$failed

fuzz:
	@for target in $$(grep -rlE 'func Fuzz' --include='*_test.go' . | xargs grep -oE 'func Fuzz[A-Za-z0-9]+' | sed 's/func //'); do \
	  f=$${target%%:*}; n=$${target##*:}; echo "$$n in $$(dirname $$f)"; go test -run '^$$' -fuzz "^$$n$$" -fuzztime 30s -fuzzminimizetime 10x ./$$(dirname $$f) || exit 1; done

demo:
	go run ./cmd/canseal demo
