#!/usr/bin/env bash
# Builds other allocators as shared libraries that replace malloc, for
# `ntheap bench --preload NAME=PATH`.
#
#   benches/peers/shared/build.sh [--to FOLDER] [NAME...]
#
# NAME is mimalloc3, mimalloc2, snmalloc, rpmalloc or jemalloc; without any, all
# are built, into target/peers/shared. The sources are those inside the crates
# that the Rust peers use, each compiled with the flags of the project's own
# release build. What cannot be built is named at the end, with the reason in
# FOLDER/NAME.log, and the exit status is 1.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
to=${CARGO_TARGET_DIR:-$here/../../../target}/peers/shared

names=()
while (($#)); do
    case $1 in
        --to)
            [[ -n ${2-} ]] || { echo "build.sh: --to needs a folder" >&2; exit 2; }
            to=$2
            shift
            ;;
        mimalloc3 | mimalloc2 | snmalloc | rpmalloc | jemalloc) names+=("$1") ;;
        *)
            sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
            exit 2
            ;;
    esac
    shift
done
((${#names[@]})) || names=(mimalloc3 mimalloc2 snmalloc rpmalloc jemalloc)
mkdir -p "$to/sources/src"
to=$(cd "$to" && pwd)

CC=${CC:-cc}
CXX=${CXX:-c++}

# The crates' sources, fetched by cargo into its own cache: a package that
# depends on them all and is never built.
cat >"$to/sources/Cargo.toml" <<'EOF'
[package]
name = "peer-sources"
version = "0.0.0"
edition = "2024"

[dependencies]
libmimalloc-sys = "=0.1.49"
rpmalloc-sys = "=0.2.3"
snmalloc-sys = "=0.7.6"
tikv-jemalloc-sys = "=0.7.1"

[workspace]
EOF
: >"$to/sources/src/lib.rs"
metadata=$(cargo metadata --format-version 1 --manifest-path "$to/sources/Cargo.toml")

# Folder of a crate's source.
crate() {
    local found
    found=$(grep -o "\"manifest_path\":\"[^\"]*/$1-[0-9][^\"/]*/Cargo.toml\"" <<<"$metadata" | head -n 1)
    [[ -n $found ]] || { echo "cargo does not say where $1 is" >&2; return 1; }
    found=${found#*:\"}
    printf '%s\n' "${found%/Cargo.toml\"}"
}

need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || { echo "$program is not installed" >&2; return 1; }
    done
}

mimalloc() {
    need "$CC"
    local source
    source=$(crate libmimalloc-sys)/c_src/mimalloc/v$1
    "$CC" -O3 -DNDEBUG -DMI_BUILD_RELEASE -DMI_SHARED_LIB -DMI_SHARED_LIB_EXPORT -DMI_MALLOC_OVERRIDE \
        -std=gnu11 -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-builtin-malloc \
        -I"$source/include" -I"$source/src" "$source/src/static.c" \
        -shared -Wl,-soname,"libmimalloc$1.so" -o "$to/libmimalloc$1.so" -lpthread
}

mimalloc3() { mimalloc 3; }
mimalloc2() { mimalloc 2; }

rpmalloc() {
    need "$CC"
    local source
    source=$(crate rpmalloc-sys)/rpmalloc/rpmalloc
    # rpmalloc.c includes malloc.c where ENABLE_OVERRIDE is set.
    "$CC" -O3 -DNDEBUG -DBUILD_RELEASE=1 -funroll-loops -std=gnu11 -D_GNU_SOURCE=1 -DENABLE_PRELOAD=1 \
        -DENABLE_OVERRIDE=1 -fPIC -fno-builtin-malloc -I"$source" "$source/rpmalloc.c" \
        -shared -Wl,-soname,librpmalloc.so -o "$to/librpmalloc.so" -lpthread -ldl
}

snmalloc() {
    need cmake "$CXX"
    local source
    source=$(crate snmalloc-sys)/upstream
    cmake -S "$source" -B "$to/snmalloc" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$CXX" \
        -DSNMALLOC_BUILD_TESTING=OFF
    cmake --build "$to/snmalloc" --target snmallocshim
    cp "$to/snmalloc/libsnmallocshim.so" "$to/libsnmalloc.so"
}

jemalloc() {
    need "$CC" "$CXX" make
    local source
    source=$(crate tikv-jemalloc-sys)
    # The build writes beside the sources, and cargo's cache must stay as it is.
    rm -rf "$to/jemalloc"
    cp -r "$source/jemalloc" "$to/jemalloc"
    # The crate keeps the generated script apart from the rest.
    cp "$source/configure/configure" "$to/jemalloc/"
    cd "$to/jemalloc"
    # A published crate carries no git history to take the version from.
    CC=$CC CXX=$CXX ./configure --disable-doc --with-version=5.3.1-0-g0
    make -j2 build_lib_shared
    cp -L lib/libjemalloc.so "$to/libjemalloc.so"
}

failed=()
for name in "${names[@]}"; do
    # A shell of its own, so that `set -e` ends this one peer.
    if CC=$CC CXX=$CXX to=$to metadata=$metadata bash -euo pipefail \
        -c "$(declare -f crate need mimalloc "$name"); $name" >"$to/$name.log" 2>&1; then
        echo "$name: $to/lib$name.so"
    else
        echo "$name: could not be built: $(grep -v '^ *$' "$to/$name.log" | tail -n 1)"
        failed+=("$name")
    fi
done
if ((${#failed[@]})); then
    echo "build.sh: could not build ${failed[*]}; see $to/NAME.log" >&2
    exit 1
fi
