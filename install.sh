#!/bin/sh
# Installs ntheap: the preloadable library, the command, the Windows names for C
# with their headers, and pkg-config files that stay right when PREFIX is moved.
# Builds what is not built yet.
set -eu

if [ $# -ne 1 ] || [ -z "$1" ] || [ "${1#-}" != "$1" ]; then
    cat >&2 <<'USAGE'
usage: install.sh PREFIX

Installs, building first what is missing in target/release,
  PREFIX/lib/libntheap.so                malloc and its family, for LD_PRELOAD
  PREFIX/lib/libntheap_trace.so          what `ntheap trace` preloads
  PREFIX/lib/libntheap_win32.so          HeapAlloc and its kin, for linking
  PREFIX/include/ntheap/                 windows.h and the other headers
  PREFIX/bin/ntheap                      the command; finds the library in ../lib
  PREFIX/lib/pkgconfig/ntheap.pc         for pkg-config
  PREFIX/lib/pkgconfig/ntheap-win32.pc   for pkg-config

To remove it, delete these files and the folder include/ntheap.
USAGE
    exit 2
fi

prefix=$1
sources=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# Cargo takes a relative CARGO_TARGET_DIR from the folder it is called in.
target=${CARGO_TARGET_DIR:-$sources/target}
release=$target/release

if [ ! -f "$release/libntheap.so" ] || [ ! -f "$release/libntheap_win32.so" ] ||
    [ ! -f "$release/libntheap_trace.so" ] || [ ! -f "$release/ntheap" ]; then
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

mkdir -p -- "$prefix/bin" "$prefix/include/ntheap" "$prefix/lib/pkgconfig"
put 755 "$prefix/lib/libntheap.so" <"$release/libntheap.so"
put 755 "$prefix/lib/libntheap_trace.so" <"$release/libntheap_trace.so"
put 755 "$prefix/lib/libntheap_win32.so" <"$release/libntheap_win32.so"
put 755 "$prefix/bin/ntheap" <"$release/ntheap"
for header in "$sources"/capi/include/*.h; do
    put 644 "$prefix/include/ntheap/${header##*/}" <"$header"
done
put 644 "$prefix/lib/pkgconfig/ntheap.pc" <<PC
prefix=\${pcfiledir}/../..
libdir=\${prefix}/lib

Name: ntheap
Description: The Windows NT heap as malloc
Version: $version
Libs: -L\${libdir} -lntheap
PC
# With -fshort-wchar L"" is a text of WCHARs. libntheap comes along so that the
# program's malloc is on the same heap.
put 644 "$prefix/lib/pkgconfig/ntheap-win32.pc" <<PC
prefix=\${pcfiledir}/../..
libdir=\${prefix}/lib
includedir=\${prefix}/include/ntheap

Name: ntheap-win32
Description: The Windows names of the NT heap for C and C++
Version: $version
Requires: ntheap = $version
Cflags: -I\${includedir} -fshort-wchar
Libs: -L\${libdir} -lntheap_win32
PC
