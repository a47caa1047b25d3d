#!/usr/bin/env bash
# C programs on libntheap.so under valgrind's memcheck, which is told of each
# block by client requests (capi/tests/memcheck/announce.c).
#
#   .ci/memcheck.sh
#
# valgrind is kept from putting a malloc of its own in place of ours. Planted
# mistakes must each be seen, by the right name; then the tests' own C programs
# must pass without any report, ours or memcheck's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v valgrind >/dev/null || [[ ! -e /usr/include/valgrind/memcheck.h ]]; then
    sudo=()
    [[ $(id -u) == 0 ]] || sudo=(sudo)
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind libc6-dbg
fi

cargo build -q --release -p ntheap-capi
so=$(realpath "${CARGO_TARGET_DIR:-target}/release/libntheap.so")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
gcc -O1 -g -fPIC -shared -o "$dir/announce.so" capi/tests/memcheck/announce.c -ldl
gcc -O0 -g -w -o "$dir/planted" capi/tests/memcheck/planted.c
gcc -O1 -g -w -D_GNU_SOURCE -Icapi/include -o "$dir/functions" capi/tests/c/functions.c -lpthread
gcc -O1 -g -w -D_GNU_SOURCE -Icapi/include -o "$dir/threads" capi/tests/c/threads.c -lpthread
g++ -O1 -g -w -Icapi/include -o "$dir/cpp" capi/tests/c/cpp.cpp -lpthread

checked() {
    LD_PRELOAD="$dir/announce.so $so" valgrind -q --error-exitcode=99 \
        --soname-synonyms=somalloc=nouserintercepts --leak-check="${leaks:-full}" \
        --show-leak-kinds=definite --errors-for-leak-kinds=definite --fair-sched=yes "$@"
}

failed=()
seen=0
planted() {
    local name=$1 text=$2 status=0
    checked "$dir/planted" "$name" >"$dir/log" 2>&1 || status=$?
    if ((status == 99)) && grep -qF "$text" "$dir/log"; then
        seen=$((seen + 1))
    else
        echo "memcheck: the planted $name was not seen (status $status):"
        cat "$dir/log"
        failed+=("planted $name")
    fi
}
planted leak 'definitely lost'
planted overrun "is 0 bytes after a block of size 40 alloc'd"
planted underrun 'Invalid write of size 1'
planted after_free 'Invalid read of size 1'
planted undefined 'Conditional jump or move depends on uninitialised value'
planted resized "is 0 bytes after a block of size 4,000 alloc'd"
planted aligned "is 0 bytes after a block of size 100 alloc'd"

passed=0
passes() {
    local status=0
    checked "$@" >"$dir/log" 2>&1 || status=$?
    if ((status == 0)) && ! grep -q 'VERIFIER STOP\|==ERROR\|Invalid ' "$dir/log"; then
        passed=$((passed + 1))
    else
        echo "memcheck: $(basename "$1") ${*:2} (status $status):"
        head -40 "$dir/log"
        failed+=("$(basename "$1") ${*:2}")
    fi
}
passes "$dir/planted" nothing
for name in malloc calloc realloc reallocarray free free_sized free_aligned_sized aligned_alloc \
    posix_memalign memalign valloc; do
    passes "$dir/functions" "$name"
done
for name in no_keys_left exit_handlers exit_while_others_allocate; do
    passes "$dir/threads" "$name"
done
# These leave blocks behind, by design.
for name in key_destructors fork; do
    leaks=no passes "$dir/threads" "$name"
done
for name in containers thread_locals; do
    passes "$dir/cpp" "$name"
done

echo "evidence: memcheck: $seen of 7 planted mistakes seen; $passed of 19 runs of C programs without a report"
((${#failed[@]} == 0)) || { echo "memcheck: FAILED: ${failed[*]}"; exit 1; }
