#!/bin/sh
# Installs ntheap: the preloadable library, the command, and a pkg-config file
# that stays right when PREFIX is moved. Builds what is not built yet.
set -eu

if [ $# -ne 1 ] || [ -z "$1" ] || [ "${1#-}" != "$1" ]; then
    cat >&2 <<'USAGE'
usage: install.sh PREFIX

Installs, building first what is missing in target/release,
  PREFIX/lib/libntheap.so          malloc and its family, for LD_PRELOAD
  PREFIX/bin/ntheap                the command; finds the library in ../lib
  PREFIX/lib/pkgconfig/ntheap.pc   for pkg-config

To remove it, delete these three files.
USAGE
    exit 2
fi

prefix=$1
sources=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# Cargo takes a relative CARGO_TARGET_DIR from the folder it is called in.
target=${CARGO_TARGET_DIR:-$sources/target}
release=$target/release

if [ ! -f "$release/libntheap.so" ] || [ ! -f "$release/ntheap" ]; then
    cargo build --release --workspace \
        --manifest-path "$sources/Cargo.toml" --target-dir "$target"
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$sources/Cargo.toml" | head -n 1)

# A file in use is replaced, never written over: a process that has the old
# library mapped goes on with it.
put() {
    mode=$1 to=$2
    new=$to.new.$$
    trap 'rm -f -- "$new"' EXIT
    cat >"$new"
    chmod "$mode" "$new"
    mv -f -- "$new" "$to"
    trap - EXIT
    echo "$to"
}

mkdir -p -- "$prefix/bin" "$prefix/lib/pkgconfig"
put 755 "$prefix/lib/libntheap.so" <"$release/libntheap.so"
put 755 "$prefix/bin/ntheap" <"$release/ntheap"
put 644 "$prefix/lib/pkgconfig/ntheap.pc" <<PC
prefix=\${pcfiledir}/../..
libdir=\${prefix}/lib

Name: ntheap
Description: The Windows NT heap as malloc
Version: $version
Libs: -L\${libdir} -lntheap
PC
