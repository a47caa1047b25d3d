#!/usr/bin/env bash
# Runs the library's tests on systems that are near to this one: Linux with the
# musl C library, and aarch64 under qemu-user; its arithmetic on a machine of 32
# bits; this system's own tests as if its pages were larger; by the forms in Rust
# of what is assembly on this processor; and the C library as GNU ld links it.
#
#   .ci/platforms.sh [musl|aarch64|i686|pages|portable|linker]...
#
# For other systems the compiler is Debian's, std is built by std.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

platforms=("$@")
((${#platforms[@]})) || platforms=(musl aarch64 i686 pages portable linker)

say() { printf 'platforms: %s\n' "$*"; }

packages=()
command -v musl-gcc >/dev/null || packages+=(musl-tools)
command -v aarch64-linux-gnu-gcc >/dev/null || packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
command -v i686-linux-gnu-gcc >/dev/null || packages+=(gcc-i686-linux-gnu libc6-dev-i386-cross)
command -v qemu-aarch64 >/dev/null || packages+=(qemu-user)
[[ -x /usr/bin/rustc && -x /usr/bin/cargo && -d /usr/lib/rustlib/src/rust/library/std ]] ||
    packages+=(rustc-web cargo-web rust-web-src)
if ((${#packages[@]})); then
    say "installing ${packages[*]}"
    sudo=()
    [[ $(id -u) == 0 ]] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

# Sets up what cargo needs for the target $1.
enter() {
    target=$1
    local std name
    std=$(.ci/std.sh "$target" | tee -a /dev/stderr | tail -1)
    name=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$target")
    libraries=$std/sysroot/lib/rustlib/$target/lib
    export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc CARGO_TARGET_DIR=$std/target
    export "${name}_LINKER=$2" "${name}_RUSTFLAGS=--sysroot=$std/sysroot ${3-}"
    [[ -z ${4-} ]] || export "${name}_RUNNER=$4"
}

# The unwinder is the C compiler's, made for glibc: what it asks glibc alone
# for is answered here, and what it refers to weakly is asked for in earnest,
# since nothing else brings it out of musl's archive.
make_unwinder() {
    local dir
    [[ -e $libraries/libunwind.a ]] && return
    dir=$(mktemp -d)
    cat >"$dir/find.c" <<'C'
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stddef.h>
struct found { unsigned long long flags; void *start, *end, *map, *eh_frame; unsigned long long reserved[7]; };
struct asked { ElfW(Addr) pc; struct found *found; };
static int look(struct dl_phdr_info *info, size_t size, void *data) {
    struct asked *asked = data;
    ElfW(Addr) frames = 0, start = 0, end = 0;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        ElfW(Addr) at = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && asked->pc - at < p->p_memsz) { start = at; end = at + p->p_memsz; }
        if (p->p_type == PT_GNU_EH_FRAME) frames = at;
    }
    if (!start || !frames) return 0;
    *asked->found = (struct found){ .start = (void *)start, .end = (void *)end, .eh_frame = (void *)frames };
    return 1;
}
int _dl_find_object(void *pc, void *found) {
    struct asked asked = { (ElfW(Addr))pc, found };
    return dl_iterate_phdr(look, &asked) ? 0 : -1;
}
void *const needed[] = { (void *)pthread_once, (void *)pthread_mutex_lock, (void *)pthread_mutex_unlock,
    (void *)pthread_key_create, (void *)pthread_getspecific, (void *)pthread_setspecific };
C
    musl-gcc -O2 -fPIC -c "$dir/find.c" -o "$dir/find.o"
    cp "$(gcc -print-file-name=libgcc_eh.a)" "$dir/libunwind.a"
    ar r "$dir/libunwind.a" "$dir/find.o"
    mv "$dir/libunwind.a" "$libraries/"
    rm -rf "$dir"
}

musl() {
    enter x86_64-unknown-linux-musl musl-gcc \
        '-Clink-self-contained=no -Ctarget-feature=+crt-static -Clink-arg=-static'
    make_unwinder
    /usr/bin/cargo test --target "$target" -p ntheap --tests --no-fail-fast
    say "a pair with musl, and with musl's own malloc"
    /usr/bin/cargo run -q --release --target "$target" -p ntheap --example pair
}

# Without what tests start themselves anew for: qemu-user starts no other program. Nor
# does it read memory through the system (process_vm_readv), which the last two do.
aarch64() {
    enter aarch64-unknown-linux-gnu aarch64-linux-gnu-gcc '' 'qemu-aarch64 -L /usr/aarch64-linux-gnu'
    /usr/bin/cargo test --target "$target" -p ntheap --lib --test diversion --test own_heaps \
        --no-fail-fast -- --skip a_panic_in_the_hook_ends --skip a_report_while_reporting \
        --skip abort_ends_the_process --skip continue_goes_on --skip hooks_are_swapped \
        --skip more_threads_than_marks --skip a_block_of_another_heap_names_both \
        --skip a_heap_may_go_on_after --skip a_second_free_is_reported \
        --skip a_forked_child_reports --skip json_stays_json --skip programs_are_run_and_waited_for \
        --skip a_copied_table_tells --skip a_region_may_go_while
}

# Tests with addresses of 64 bits in them compile, but mean nothing there. The loader is
# the cross compiler's: a system of 64 bits has none of its own.
i686() {
    local loader=/usr/i686-linux-gnu/lib
    enter i686-unknown-linux-gnu i686-linux-gnu-gcc "-Aoverflowing_literals -Aarithmetic_overflow \
        -Clink-arg=-Wl,-dynamic-linker,$loader/ld-linux.so.2,-rpath,$loader"
    /usr/bin/cargo check --target "$target" -p ntheap --lib
    /usr/bin/cargo test --target "$target" -p ntheap --lib -- classes units tuning segment config report
}

# Pages of 16 and 64 KiB, as the layer above the system sees them. Left out are tests that
# count pages of 4 KiB, or say how little memory stays where such can go back.
pages() {
    local kibibytes
    for kibibytes in 16 64; do
        say "pages of $kibibytes KiB"
        MOCK_PAGE_SIZE=$kibibytes cargo test -p ntheap --lib --test process_heap --test private_heaps \
            --test own_heaps --test purge --test crt --no-fail-fast -- \
            --skip pages_that_were_written_are_told --skip written_pages_are_told \
            --skip what_is_named_wrongly_is_refused \
            --skip an_address_is_rounded_down --skip what_is_committed_of_a_section \
            --skip ten_thousand_heaps_with_ten --skip thresholds_say_when_free_pages \
            --skip the_owner_of_an_address_is_known --skip sixteen_gigabytes_of_large_blocks \
            --skip shrinking::sparse --skip free_pages_go_back
    done
}

# The heap's core with no assembly, as other processors have it.
portable() {
    export RUSTFLAGS='--cfg ntheap_portable' CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/portable
    cargo test -p ntheap --lib --test process_heap --test private_heaps --test own_heaps \
        --test hardened --test purge --test crt --test win32 --test profile --no-fail-fast
}

# Rust brings a linker of its own; a system's Rust and older ones take the C compiler's.
linker() {
    export RUSTFLAGS='-Clinker-features=-lld' CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/linker
    cargo test -p ntheap-capi --test symbols --test functions --test process --no-fail-fast
}

if [[ ${1-} == --one ]]; then
    "$2"
    exit
fi

failed=()
for platform in "${platforms[@]}"; do
    began=$SECONDS
    # A process of its own: `set -e` holds inside.
    if .ci/platforms.sh --one "$platform"; then
        say "$platform ok, $((SECONDS - began)) s"
    else
        say "$platform FAILED"
        failed+=("$platform")
    fi
done
((${#failed[@]} == 0)) || { say "FAILED: ${failed[*]}"; exit 1; }
