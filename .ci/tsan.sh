#!/usr/bin/env bash
# The tests of several threads under ThreadSanitizer, with an instrumented
# standard library.
#
#   .ci/tsan.sh [FILTER]...    only tests whose names have one of these in them
#
# The compiler is Debian's, whose source package holds std; the sanitizer's
# runtime is the nightly toolchain's. First a planted race is to be found: a
# build that sees none would pass for nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=x86_64-unknown-linux-gnu
base=${CARGO_TARGET_DIR:-$PWD/target}/tsan
sysroot=$base/sysroot
filters=("$@")
# Tests that start threads, by their names, as far as they need no fork, measure neither time
# nor memory, and free no addresses that others end (docs/safety.md says what is read there).
((${#filters[@]})) || filters=(thread foreign_free blocks_that_another blocks_that_are_on_their_way
    a_block_that_another_thread of_a_shard hand_blocks_round the_lock_is_recursive
    the_lock_keeps its_holder heaps_may_be_sent a_spy_on one_handle_bears of_two_frees
    walks_go_on eight_threads subsegments_come_and_go handlers_run_on_several)

packages=()
[[ -x /usr/bin/rustc && -x /usr/bin/cargo && -d /usr/lib/rustlib/src/rust/library/std ]] ||
    packages+=(rustc-web cargo-web rust-web-src)
if ((${#packages[@]})); then
    sudo=()
    [[ $(id -u) == 0 ]] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi
runtime=$(rustup run nightly rustc --print sysroot)/lib/rustlib/$target/lib/librustc-nightly_rt.tsan.a
[[ -e $runtime ]] || { echo "tsan: FAILED: $runtime is not there"; exit 1; }

rm -rf "$sysroot"
mkdir -p "$sysroot/lib/rustlib/$target/lib"
ln -s "$(/usr/bin/rustc --print sysroot)/lib/rustlib/$target/lib"/* "$sysroot/lib/rustlib/$target/lib/"
ln -s "$runtime" "$sysroot/lib/rustlib/$target/lib/librustc-stable_rt.tsan.a"
ln -s /usr/lib/rustlib/src "$sysroot/lib/rustlib/src"

export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_TARGET_DIR=$base/target CARGO_INCREMENTAL=0
export RUSTFLAGS="-Zsanitizer=thread --sysroot=$sysroot -Cdebuginfo=line-tables-only"
# A free reads the slice table by a plain load, which folds into the instruction that
# uses it; what is entered meanwhile is other slices', or is checked (docs/safety.md).
mkdir -p "$base"
echo 'race:^ntheap::heap::slices::find$' >"$base/suppressions"
export TSAN_OPTIONS="halt_on_error=0 exitcode=66 second_deadlock_stack=1 suppressions=$base/suppressions"
std=(-Zbuild-std=std,panic_abort,panic_unwind,test --target "$target")

# A race, to see that one is seen.
mkdir -p "$base/race/src"
cat >"$base/race/Cargo.toml" <<'T'
[package]
name = "race"
version = "0.0.0"
edition = "2021"
[workspace]
T
cat >"$base/race/src/main.rs" <<'R'
static mut COUNT: u64 = 0;
fn main() {
    let add = || for _ in 0..1000 { unsafe { (&raw mut COUNT).write_volatile((&raw const COUNT).read_volatile() + 1) } };
    let other = std::thread::spawn(add);
    add();
    other.join().unwrap();
}
R
/usr/bin/cargo build -q "${std[@]}" --manifest-path "$base/race/Cargo.toml"
status=0
"$CARGO_TARGET_DIR/$target/debug/race" 2>"$base/race.log" || status=$?
((status == 66)) && grep -q 'WARNING: ThreadSanitizer: data race' "$base/race.log" ||
    { echo "tsan: FAILED: the planted race was not seen"; exit 1; }
echo "tsan: the planted race was seen"

log=$base/tests.log
status=0
/usr/bin/cargo test "${std[@]}" -p ntheap --no-fail-fast --lib --test process_heap --test private_heaps \
    --test own_heaps --test crt --test crt_debug --test win32 --test profile --test guarded -- \
    --skip takes_time_in --skip fork --skip footprint --skip shrinking --skip others_end "${filters[@]}" 2>&1 | tee "$log" || status=$?
tests=$(awk '/^test result: / { n += $4 } END { print n + 0 }' "$log")
races=$(grep -c 'WARNING: ThreadSanitizer' "$log" || true)
echo "evidence: ThreadSanitizer: $tests tests of several threads, $races reports; the planted race was seen"
((status == 0 && races == 0 && tests >= 20)) || { echo "tsan: FAILED: status $status, $races reports, $tests tests"; exit 1; }
