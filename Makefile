# What CI runs, by hand. `make check` is the pre-flight.
.PHONY: build test check cross
build:
	CGO_ENABLED=0 go build -trimpath -tags urfave_cli_no_docs -ldflags "-s -w" -o dist/inbox .

test:
	go test ./...

check:
	bash .ci/run

cross:
	@for os in linux darwin windows; do for arch in amd64 arm64; do \
		echo "$$os/$$arch"; CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -tags urfave_cli_no_docs -o /dev/null . || exit 1; \
	done; done
