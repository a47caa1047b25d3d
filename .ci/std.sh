#!/usr/bin/env bash
# Builds the standard library for a target that rustup has none of here.
#
#   .ci/std.sh TARGET    the last line printed is a folder: its sysroot/ is the
#                        sysroot, its target/ is for what is built with it
#
# The compiler is Debian's, whose source package holds std. Cached, keyed on the
# compiler's full version; older ones are removed.
set -euo pipefail
target=$1
cache=${NTHEAP_CI_STD:-${XDG_CACHE_HOME:-$HOME/.cache}/ntheap-ci/std}/$target
key=$(/usr/bin/rustc -vV | sha256sum | cut -c1-16)
std=$cache/$key

# std's panic_abort must be compiled with panic=abort, and bitcode embedded,
# for panic=abort and LTO builds of its users.
build() {
    local dir=$1 flags
    flags=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$target")_RUSTFLAGS
    mkdir -p "$dir/crate/src"
    cat >"$dir/crate/Cargo.toml" <<'TOML'
cargo-features = ["profile-rustflags"]
[package]
name = "std-holder"
version = "0.0.0"
edition = "2021"
[workspace]
[profile.release.package.panic_abort]
rustflags = ["-Cpanic=abort"]
TOML
    echo '#![no_std]' >"$dir/crate/src/lib.rs"
    (
        cd "$dir/crate"
        export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_TARGET_DIR=$dir/build "$flags=-Cembed-bitcode=yes"
        /usr/bin/cargo build -q --release --target "$target" \
            -Zbuild-std=std,panic_abort,panic_unwind,proc_macro,test
    )
    local lib=$dir/sysroot/lib/rustlib/$target/lib
    mkdir -p "$lib"
    cp "$dir/build/$target"/release/deps/*.rlib "$lib/"
    rm -rf "$lib"/libstd_holder-*.rlib "$dir/build" "$dir/crate"
}

mkdir -p "$cache"
# Two callers at once would build it twice.
exec {lock}>"$cache/lock"
flock "$lock"
if [[ ! -d $std/sysroot ]]; then
    began=$SECONDS
    find "$cache" -mindepth 1 -maxdepth 1 -type d -exec rm -rf {} +
    build "$std.part"
    mv "$std.part" "$std"
    echo "std for $target built with $(/usr/bin/rustc -V) in $((SECONDS - began)) s"
fi
printf '%s\n' "$std"
