#!/usr/bin/env bash
# What a user of the package meets first: the oldest compiler that is promised,
# the documentation as docs.rs builds it, and what the package brings with it.
#
#   .ci/package.sh [msrv|nightly|documentation|dependencies|semver]...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

steps=("$@")
((${#steps[@]})) || steps=(dependencies msrv nightly documentation semver)
features=crt,debug,hardened,win16,win32,pages,trace,outside,memmap2,allocator-api2-02,allocator-api2-04

# The library and what is built of it, by the version that Cargo.toml promises.
msrv() {
    local version
    version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    [[ -n $version ]] || { echo "package: Cargo.toml promises no version"; return 1; }
    rustup run "$version" rustc -V >/dev/null 2>&1 ||
        rustup toolchain install "$version" --profile minimal
    CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/msrv cargo "+$version" check -q -p ntheap --lib
    CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/msrv cargo "+$version" check -q -p ntheap --lib --features "$features"
    echo "package: compiles with Rust $version"
}

# Heaps as the standard library's allocators, which are the nightly compiler's.
nightly() {
    CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/nightly cargo +nightly test -q -p ntheap \
        --features nightly --test own_heaps collections::of_the_standard_library
    echo "package: collections of the standard library live in heaps"
}

# All features, the nightly compiler, and the cfg of docs.rs; no warning.
documentation() {
    RUSTDOCFLAGS="--cfg docsrs -D warnings" CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/docsrs \
        cargo +nightly doc -q -p ntheap --all-features --no-deps
    echo "package: the documentation builds as on docs.rs"
}

# What the public interface lost or changed since the last release, or since the commit
# that is named, may be no more than the new version's number says.
semver() {
    local baseline
    baseline=${NTHEAP_SEMVER_BASELINE:-$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)}
    if [[ -z $baseline ]]; then
        echo "package: nothing is released: there is no public interface to keep"
        return
    fi
    command -v cargo-semver-checks >/dev/null || cargo install cargo-semver-checks --locked
    CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/semver cargo semver-checks -p ntheap \
        --baseline-rev "$baseline" --only-explicit-features --features "$features"
    echo "package: the public interface keeps what $baseline promised"
}

# Each dependency comes from crates.io under a licence that is compatible with
# ours, in the version that Cargo.lock says; the library itself needs no more
# than is listed here.
dependencies() {
    cargo metadata --locked --format-version 1 --all-features | python3 -c '
import json, re, sys
allowed = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "ISC",
    "Zlib", "Unlicense", "0BSD", "Unicode-3.0", "BSL-1.0", "MIT-0", "CC0-1.0"}
library = {"libc", "windows-sys", "allocator-api2", "memmap2"}
data = json.load(sys.stdin)
own = set(data["workspace_members"])
wrong = []
def fits(text):
    # One of what is joined by OR; all of what is joined by AND.
    text = text.replace("/", " OR ")
    return all(any(one.strip(" ()") in allowed for one in part.split(" OR ")) for part in re.split(r" AND ", text))
for package in data["packages"]:
    if package["id"] in own:
        if package["name"] == "ntheap":
            for needed in package["dependencies"]:
                if needed["kind"] is None and needed["name"] not in library:
                    wrong.append("the library needs " + needed["name"])
        continue
    name = package["name"] + " " + package["version"]
    if package["source"] != "registry+https://github.com/rust-lang/crates.io-index":
        wrong.append(f"{name} is from " + str(package["source"]))
    if not fits(package.get("license") or ""):
        wrong.append(f"{name} is under " + str(package.get("license")))
count = len(data["packages"]) - len(own)
if count < 20:
    wrong.append(f"only {count} packages seen")
for line in wrong:
    print("package: " + line)
print(f"package: {count} packages of others, licences and sources looked at")
sys.exit(1 if wrong else 0)
'
}

for step in "${steps[@]}"; do
    declare -F "$step" >/dev/null || { echo "no such step: $step"; exit 2; }
    "$step"
done
