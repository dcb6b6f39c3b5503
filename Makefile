# canseal: `make peers test` runs everything that a machine can run.
#   make peers   what the tests want beside Go: Debian packages (as root, else it prints the line to type) and pinned tools in .tools/bin
#   make test    vet, format, static checks, all tests; never needs root
#   make race    the tests with the race detector (needs gcc)
#   make cross   the programs for other machines
#   make bench   figures
.PHONY: peers test race cross bench fuzz demo check

PACKAGES  := user-mode-linux can-utils openssl gcc libc6-dev
VERSITYGW := v1.8.0
TOOLS     := $(CURDIR)/.tools/bin
RACE      := ./internal/run ./internal/clock ./uploader ./logger ./cmd/internal/appliance

peers: $(TOOLS)/versitygw
	@missing=; for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -z "$$missing" ]; then echo "peers: all Debian packages are there"; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing; \
	else echo "peers: please run: sudo apt-get install --no-install-recommends$$missing"; exit 1; fi

$(TOOLS)/versitygw:
	GOBIN=$(TOOLS) go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW)

test: check
	PATH="$(TOOLS):$$PATH" go test -timeout 10m ./...

check:
	@test -z "$$(gofmt -l .)" || { echo "gofmt wants:"; gofmt -l .; exit 1; }
	go vet ./...
	go mod tidy -diff
	go tool staticcheck ./...

race:
	PATH="$(TOOLS):$$PATH" go test -race -timeout 10m $(RACE)

cross:
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/arm64/ ./cmd/canseald ./cmd/canseal
	GOOS=linux GOARCH=arm GOARM=7 CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/armv7/ ./cmd/canseald ./cmd/canseal
	GOOS=windows go vet ./cmd/canseal
	GOOS=darwin go vet ./cmd/canseal

bench:
	go test -run '^$$' -bench . -benchmem ./can/... ./mdf ./logger

fuzz:
	@for target in $$(grep -rlE 'func Fuzz' --include='*_test.go' . | xargs grep -oE 'func Fuzz[A-Za-z0-9]+' | sed 's/func //'); do \
	  f=$${target%%:*}; n=$${target##*:}; echo "$$n in $$(dirname $$f)"; go test -run '^$$' -fuzz "^$$n$$" -fuzztime 30s ./$$(dirname $$f) || exit 1; done

demo:
	go run ./cmd/canseal demo
