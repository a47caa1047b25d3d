#!/usr/bin/env bash
# Type-checks the library for systems it is not tested on here.
#
#   .ci/crosscheck.sh [target...]
#
# Debian's compiler and its std source are used: rustup's toolchains bring std
# for one system only. Checking runs no code and links nothing; it proves that
# every `cfg` branch names things that exist and has the right types.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

targets=("$@")
((${#targets[@]})) || targets=(
    aarch64-unknown-linux-gnu
    x86_64-unknown-linux-musl
    aarch64-apple-darwin
    x86_64-unknown-freebsd
    x86_64-pc-windows-msvc
    aarch64-pc-windows-msvc
    i686-unknown-linux-gnu
)

if [[ ! -x /usr/bin/rustc || ! -x /usr/bin/cargo || ! -d /usr/lib/rustlib/src/rust/library/std ]]; then
    sudo=()
    [[ $(id -u) == 0 ]] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        rustc-web cargo-web rust-web-src
fi

key=$(/usr/bin/rustc -vV | sha256sum | cut -c1-16)
cache=${NTHEAP_CI_CROSSCHECK:-${XDG_CACHE_HOME:-$HOME/.cache}/ntheap-ci/crosscheck}
find "$cache" -mindepth 1 -maxdepth 1 -type d ! -name "$key" -exec rm -rf {} + 2>/dev/null || true
export CARGO_TARGET_DIR=$cache/$key RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
# Warnings are errors here too: most of them are an item that one system's
# branch forgot to use.
export RUSTFLAGS="-D warnings"

# Checks the library for the system $1 with the features $2.
check() {
    /usr/bin/cargo check -q -p ntheap --lib --no-default-features --features "$2" \
        -Zbuild-std=std,panic_abort --target "$1"
}

printf 'crosscheck: %s\n' "$(/usr/bin/rustc -V)"
failed=()
for target in "${targets[@]}"; do
    began=$SECONDS
    if check "$target" "" && check "$target" crt,debug,hardened,outside,trace,win16,win32; then
        printf 'crosscheck: %-28s ok, %d s\n' "$target" $((SECONDS - began))
    else
        printf 'crosscheck: %-28s FAILED\n' "$target"
        failed+=("$target")
    fi
done
if ((${#failed[@]})); then
    printf 'crosscheck: FAILED: %s\n' "${failed[*]}" >&2
    exit 1
fi
printf 'crosscheck: %d targets ok\n' "${#targets[@]}"
