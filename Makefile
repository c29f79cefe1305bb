# Each is a thin layer over `cargo xtask`; `cargo xtask` alone lists all there is.
# What comes after it: make run ARGS="--release -- --port 4000", make test ARGS="fmt tests"

.PHONY: run test bench bench-ui

run test bench bench-ui: | toolchain
	@cargo xtask $@ $(ARGS)

# The two things that `cargo xtask` cannot bring, since it is built by them.
.PHONY: toolchain
toolchain:
	@command -v cargo >/dev/null || { \
	    echo "Rust is missing: install rustup (Debian 13: apt-get install rustup), then run \`rustup default stable\`" >&2; \
	    exit 1; }
	@command -v cc >/dev/null || { \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	    then apt-get update -q && apt-get install -qy --no-install-recommends gcc libc6-dev; \
	    else echo "a C compiler is missing: run \`sudo apt-get install gcc libc6-dev\`" >&2; exit 1; fi; }
