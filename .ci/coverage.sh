#!/usr/bin/env bash
# Line coverage of src/heap, src/vm and src/crt by the library's tests, the
# replayed corpora and the C library's programs.
#
#   .ci/coverage.sh            builds, runs, prints a table; fails below the aim, and when
#                              a test failed
#   .ci/coverage.sh --fuzz     the same of the fuzz targets' committed inputs alone, which
#                              have no aim
#   .ci/coverage.sh --report   prints the table of the last run again
#   .ci/coverage.sh --missing FOLDER
#                              prints the lines of the last run that nothing ran
#
# The compiler is Debian's, which has the profiler's runtime and the LLVM that
# reads what it writes. Counters live in mapped files, so that a process that is
# killed, aborts or execs has told what it ran.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

aim=${NTHEAP_COVERAGE_AIM:-95}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/coverage
profiles=$CARGO_TARGET_DIR/profiles
llvm=/usr/lib/llvm-22/bin

packages=()
[[ -x $llvm/llvm-cov && -x $llvm/llvm-profdata ]] || packages+=(llvm-22)
[[ -x /usr/bin/rustc && -x /usr/bin/cargo ]] || packages+=(rustc-web cargo-web)
if ((${#packages[@]})); then
    sudo=()
    [[ $(id -u) == 0 ]] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi
version=$(/usr/bin/rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
[[ $version == 22 ]] || { echo "coverage: FAILED: $(/usr/bin/rustc -V) has LLVM $version, not 22"; exit 1; }

run() {
    export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc CARGO_INCREMENTAL=0
    # Continuous counters need to be found anew in each process.
    export RUSTFLAGS='-Cinstrument-coverage -Cllvm-args=-runtime-counter-relocation'
    export LLVM_PROFILE_FILE=$profiles/%c%m.profraw
    rm -rf "$profiles"
    mkdir -p "$profiles"
    # What cargo prints of the objects it built is kept, for the report.
    /usr/bin/cargo test "${@/#/-p}" --tests --no-run --message-format=json \
        >"$CARGO_TARGET_DIR/built.json"
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$CARGO_TARGET_DIR/built.json" >"$CARGO_TARGET_DIR/objects"
    local object
    while read -r object; do
        case $object in */deps/*) ;; *) continue ;; esac
        # What compares headers and symbols, runs other programs or runs under Wine
        # reaches nothing new; counted programs cannot be compared block by block; time is not measured on counted code; a child of a
        # fork that writes into its parent's counters does not end. What counts is in the library
        # and opens a file before the program begins: a block that stays, from which on the slice
        # table is as large as without a limit, and malloc_trim has pages to offer; and calls of
        # free that the program's own one sees. Valgrind cannot read a counted library.
        case $(basename "$object") in
            headers-* | symbols-* | programs-* | windows_names-* | porting-* | loaded-*) continue ;;
        esac
        echo "coverage: $(basename "$object")"
        (cd "$(home_of "$object")" && timeout 600 "$object" -q --test-threads 2 \
            --skip mingw:: --skip takes_time_in_proportion --skip a_child_of_a_fork_goes_on \
            --skip malloc_trim --skip out_of_address_space \
            --skip a_free_of_the_programs_own --skip requests_that_nothing_can_serve) ||
            failed+=("$(basename "$object")")
    done <"$CARGO_TARGET_DIR/objects"
    "$llvm/llvm-profdata" merge -sparse "$profiles"/*.profraw -o "$CARGO_TARGET_DIR/all.profdata"
}

# What tests failed is counted all the same, but there is no success then.
failed=()
conclude() {
    ((${#failed[@]} == 0)) || { echo "coverage: FAILED: tests failed in ${failed[*]}"; exit 1; }
}

# The folder of the package that a test is of: where cargo would run it.
home_of() {
    sed -n 's/.*"manifest_path":"\([^"]*\)\/Cargo.toml".*"executable":"'"${1//\//\\/}"'".*/\1/p' \
        "$CARGO_TARGET_DIR/built.json" | head -1
}

objects() {
    local first=1 object
    while read -r object; do
        case $object in */deps/*) ;; *) continue ;; esac
        ((first)) || printf -- '-object '
        printf '%s ' "$object"
        first=0
    done <"$CARGO_TARGET_DIR/objects"
    # What C programs are linked with, and preloaded.
    if [[ -e $CARGO_TARGET_DIR/release/libntheap.so ]]; then
        printf -- '-object %s ' "$CARGO_TARGET_DIR/release/libntheap.so"
    fi
}

# Lines that have code, and those of them that ran, by file: the tests
# themselves, in `mod tests` or tests.rs, do not count.
export_lines() {
    # shellcheck disable=SC2046
    "$llvm/llvm-cov" export -format=lcov -instr-profile="$CARGO_TARGET_DIR/all.profdata" $(objects) \
        -ignore-filename-regex='(/registry/|/rustlib/|/rustc/|/tests/|/build/|tests\.rs$)' \
        2>/dev/null >"$CARGO_TARGET_DIR/lines.lcov"
}

table() {
    python3 - "$CARGO_TARGET_DIR/lines.lcov" "$PWD" "$aim" "${1-}" <<'P'
import collections, os, sys
lcov, root, aim, missing = sys.argv[1:5]
lines, file = collections.defaultdict(dict), None
for row in open(lcov):
    row = row.rstrip('\n')
    if row.startswith('SF:'):
        file = os.path.relpath(row[3:], root)
    elif row.startswith('DA:') and file.startswith('src/'):
        at, count = row[3:].split(',')[:2]
        at, count = int(at), int(count)
        lines[file][at] = max(lines[file].get(at, 0), count)
# A `const fn` of which no line ran was run by the compiler: it is set aside.
def set_aside(text, counts):
    gone, at = 0, 0
    while at < len(text):
        head = text[at]
        if ' const fn ' in head or head.startswith('const fn '):
            margin = head[:len(head) - len(head.lstrip())]
            end = at
            while end + 1 < len(text) and not text[end].startswith(margin + '}') and not text[end].endswith('}'):
                end += 1
            inside = [line for line in range(at + 1, end + 2) if line in counts]
            if inside and not any(counts[line] for line in inside):
                for line in inside:
                    del counts[line]
                gone += len(inside)
            at = end
        at += 1
    return gone
aside = 0
# The tests inside a file are no part of it, nor is what is gone since it was run.
for file in [file for file in lines if not os.path.exists(os.path.join(root, file))]:
    del lines[file]
for file in lines:
    text = open(os.path.join(root, file)).read().split('\n')
    for number, line in enumerate(text, 1):
        if line.startswith('mod tests {') or line.startswith('mod properties {'):
            for at in [at for at in lines[file] if at >= number]:
                del lines[file][at]
            break
    aside += set_aside(text, lines[file])
if missing:
    for file in sorted(lines):
        if not file.startswith(missing):
            continue
        text = open(os.path.join(root, file)).read().split('\n')
        for at in sorted(lines[file]):
            if lines[file][at] == 0:
                print(f'{file}:{at}: {text[at - 1].strip()}')
    sys.exit()
layers = collections.defaultdict(lambda: [0, 0])
for file, counts in lines.items():
    layer = '/'.join(file.split('/')[:2])
    layers[layer][0] += sum(1 for count in counts.values() if count)
    layers[layer][1] += len(counts)
below = []
for layer in sorted(layers):
    ran, all_lines = layers[layer]
    percent = 100 * ran / all_lines
    print(f'{layer:20} {ran:6} of {all_lines:6} lines  {percent:5.1f} %')
    if layer in ('src/heap', 'src/vm', 'src/crt') and percent < float(aim):
        below.append(layer)
files = sorted(((sum(1 for c in lines[f].values() if not c), f) for f in lines), reverse=True)
print(f'{aside} lines of const functions were run by the compiler alone, and do not count')
print('most lines missing: ' + ', '.join(f'{f} {n}' for n, f in files[:25]))
print('evidence: line coverage ' + ', '.join(
    f'{layer} {100 * layers[layer][0] / layers[layer][1]:.1f} %' for layer in sorted(layers)))
if below:
    sys.exit(f'coverage: below {aim} %: ' + ' '.join(below))
P
}

case ${1-} in
    '') run ntheap ntheap-fuzz ntheap-capi ntheap-inspect ntheap-modules; export_lines; table; conclude ;;
    --fuzz) aim=0; run ntheap-fuzz; export_lines; table; conclude ;;
    --report) export_lines; table ;;
    --missing) export_lines; table "${2:-src/}" ;;
    *) echo "usage: $0 [--fuzz | --report | --missing FOLDER]"; exit 2 ;;
esac
