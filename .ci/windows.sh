#!/usr/bin/env bash
# Builds the library for x86_64-pc-windows-gnu and runs its tests under Wine.
#
#   .ci/windows.sh            build what is missing, then test
#   .ci/windows.sh --prepare  only install the tools, build std, make the prefix
#   .ci/windows.sh --prefix   only MinGW, Wine and the prefix; the last line
#                             printed is the prefix's path
#
# Everything comes from Debian's packages and the crate registry: the compiler
# is Debian's, std is built by std.sh. The exit status of a program under
# Wine proves nothing, so the `test result: ok` lines are read and counted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=x86_64-pc-windows-gnu
cache=${NTHEAP_CI_WINDOWS:-${XDG_CACHE_HOME:-$HOME/.cache}/ntheap-ci/windows}
wine=/usr/lib/wine/wine64
wineserver=/usr/lib/wine/wineserver64
mingw=x86_64-w64-mingw32-gcc-win32
mingw_cpp=x86_64-w64-mingw32-g++-win32
# The fewest tests that must have run, over all test programs, and the test
# programs that must be among them. Raise these as tests are added.
least_tests=${NTHEAP_WINDOWS_LEAST:-130}
required=(unittests tests/sys/main.rs tests/process_heap/main.rs tests/pages/main.rs)

say() { printf 'windows: %s\n' "$*"; }
die() { printf 'windows: FAILED: %s\n' "$*" >&2; exit 1; }

install_tools() {
    local packages=()
    command -v "$mingw" >/dev/null || packages+=(gcc-mingw-w64-x86-64-win32)
    command -v "$mingw_cpp" >/dev/null || packages+=(g++-mingw-w64-x86-64-win32)
    [[ -x $wine && -x $wineserver ]] || packages+=(wine64)
    if [[ ${1-} != --prefix ]] && ! [[ -x /usr/bin/rustc && -x /usr/bin/cargo && -x /usr/bin/cargo-clippy &&
        -d /usr/lib/rustlib/src/rust/library/std ]]; then
        packages+=(rustc-web cargo-web rust-web-src rust-web-clippy)
    fi
    ((${#packages[@]})) || return 0
    say "installing ${packages[*]}"
    local sudo=()
    [[ $(id -u) == 0 ]] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
}

# Makes a Wine prefix in $1: no crash dialog, Windows 10, and the one library
# of std that Wine 8.0 lacks.
make_prefix() {
    local dir=$1
    export WINEPREFIX=$dir
    WINEDLLOVERRIDES="mscoree,mshtml=" "$wine" wineboot -i >/dev/null 2>&1
    "$wineserver" -w
    "$wine" reg add 'HKLM\Software\Microsoft\Windows NT\CurrentVersion\AeDebug' \
        /v Debugger /t REG_SZ /d false /f >/dev/null
    "$wine" winecfg -v win10
    "$wineserver" -w
    local system32=$dir/drive_c/windows/system32
    [[ -d $system32 ]] || die "wineboot made no system32 in $dir"
    cat >"$dir/prng.c" <<'C'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE p, SIZE_T n) {
    while (n) {
        ULONG k = n > 1u << 28 ? 1u << 28 : (ULONG)n;
        if (!SystemFunction036(p, k)) return FALSE;
        p += k;
        n -= k;
    }
    return TRUE;
}
C
    "$mingw" -O2 -shared -s -o "$system32/bcryptprimitives.dll" "$dir/prng.c" -ladvapi32
}

install_tools "${1-}"
unset DISPLAY
export WINEDEBUG=-all
prefix=$cache/prefix
mkdir -p "$cache"

# Two callers at once would make it twice.
exec {lock}>"$cache/prefix.lock"
flock "$lock"
if [[ ! -e $prefix/ready ]]; then
    say "making a Wine prefix"
    rm -rf "$prefix"
    # Wine's own processes outlive this script and must not hold the lock.
    make_prefix "$prefix" {lock}>&-
    touch "$prefix/ready"
fi
exec {lock}>&-
[[ ${1-} == --prefix ]] && { printf '%s\n' "$prefix"; exit 0; }

std=$(.ci/std.sh "$target" | tee -a /dev/stderr | tail -1)
[[ ${1-} == --prepare ]] && { say "ready in $cache"; exit 0; }

export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc WINEPREFIX=$prefix
export CARGO_TARGET_DIR=$std/target
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=$mingw
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=$wine
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS="--sysroot=$std/sysroot"
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTDOCFLAGS="--sysroot=$std/sysroot"

# A rustup installation shadows Debian's clippy and rustc on the path. On this
# target the macro's expansion hides from clippy that an initializer is const.
PATH=/usr/bin:$PATH /usr/bin/cargo clippy --target "$target" -p ntheap --lib --test sys -- \
    -D warnings -A clippy::missing_const_for_thread_local

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
/usr/bin/cargo test --target "$target" -p ntheap --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?
"$wineserver" -w || true

# Every program cargo started must have ended with its own result line; doc tests
# may end with two, one for those that share a program and one for the others.
started=$(grep -cE '^ +(Running|Doc-tests) ' "$log" || true)
ok=$(awk '/^ +(Running|Doc-tests) / { open = 1 } /^test result: ok\. / { n += open; open = 0 }
    END { print n + 0 }' "$log")
passed=$(awk '/^test result: ok\. / { n += $4 } END { print n + 0 }' "$log")
((status == 0)) || die "cargo test ended with status $status"
((started > 0)) || die "cargo started no test program"
for name in "${required[@]}"; do
    grep -qE "^ +Running $name" "$log" || die "$name did not run"
done
! grep -qE '^test result: FAILED' "$log" || die "a test failed"
((ok == started)) || die "$started test programs started, only $ok said 'test result: ok'"
((passed >= least_tests)) || die "only $passed tests passed, at least $least_tests expected"
say "$passed tests passed in $ok programs under $("$wine" --version)"
