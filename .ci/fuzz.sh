#!/usr/bin/env bash
# Runs the fuzz targets, one after another, and adds up the time spent in the
# table of docs/evidence.md.
#
#   .ci/fuzz.sh [--address] SECONDS [TARGET]...
#
# Each of the targets, or all, for so many seconds. With --address the code is
# instrumented for AddressSanitizer, and the targets that keep their blocks by
# blocks.rs poison them while the heap is at work: it may touch none but what a
# call is about.
# Counted are seconds by the clock, or the processor's where they are fewer.
# What is found beside the committed inputs stays in fuzz/cargo-fuzz/corpus.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sanitizer=none
features=()
if [[ ${1-} == --address ]]; then
    sanitizer=address
    features=(--features asan)
    shift
fi
[[ ${1-} =~ ^[0-9]+$ ]] || { echo "usage: $0 [--address] SECONDS [TARGET]..."; exit 2; }
seconds=$1
shift
targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(cargo +nightly fuzz list --fuzz-dir fuzz/cargo-fuzz)
((${#targets[@]})) || { echo "fuzz: FAILED: there is no target"; exit 1; }
evidence=docs/evidence.md

# Adds to the row of a target and a sanitizer; makes it, and the table, where there is none.
add() {
    python3 - "$evidence" "$1" "$2" "$3" "$4" "$(date -u +%F)" <<'P'
import re, sys
path, target, sanitizer, seconds, runs, date = sys.argv[1:]
head = '## Time spent fuzzing'
text = open(path).read()
if head not in text:
    text = text.rstrip('\n') + f'\n\n{head}\n\n`.ci/fuzz.sh` adds to this table: no run counted here found anything.\n\n' \
        '| target | sanitizer | seconds | runs | last |\n|---|---|---|---|---|\n'
before, table = text.split(head, 1)
table, mark, after = table.partition('\n## ')
lines = table.split('\n')
row = re.compile(r'\| `(\w+)` \| (\w+) \| ([\d,]+) \| ([\d,]+) \| (\S+) \|')
number = lambda text: int(text.replace(',', ''))
rows, last = {}, None
for at, line in enumerate(lines):
    if match := row.fullmatch(line):
        rows[match[1], match[2]] = [number(match[3]), number(match[4]), match[5]]
    if line.startswith('|'):
        last = at
old = rows.get((target, sanitizer), [0, 0, ''])
rows[target, sanitizer] = [old[0] + int(seconds), old[1] + int(runs), date]
kept = [line for line in lines[:last + 1] if not row.fullmatch(line)]
made = [f'| `{t}` | {s} | {n[0]:,} | {n[1]:,} | {n[2]} |' for (t, s), n in sorted(rows.items())]
open(path, 'w').write(before + head + '\n'.join(kept + made + lines[last + 1:]) + mark + after)
P
}

# Processor seconds of what this script has waited for: beside other work a second
# by the clock is less than a second of fuzzing.
spent() {
    awk -v ticks="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($14 + $15) / ticks) }' /proc/$$/stat
}

for target in "${targets[@]}"; do
    log=$(mktemp)
    mkdir -p "fuzz/cargo-fuzz/corpus/$target" "fuzz/corpus/$target"
    cargo +nightly fuzz build "$target" --fuzz-dir fuzz/cargo-fuzz --sanitizer "$sanitizer" \
        ${features[@]+"${features[@]}"} >"$log" 2>&1 || { tail -40 "$log"; echo "fuzz: FAILED: $target does not build"; exit 1; }
    before=$(spent)
    cargo +nightly fuzz run "$target" --fuzz-dir fuzz/cargo-fuzz --sanitizer "$sanitizer" \
        ${features[@]+"${features[@]}"} \
        "fuzz/cargo-fuzz/corpus/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -print_final_stats=1 >"$log" 2>&1 ||
        { tail -40 "$log"; echo "fuzz: FAILED: $target ($sanitizer)"; exit 1; }
    done_line=$(grep -E '^Done [0-9]+ runs in [0-9]+ second' "$log") || { cat "$log"; exit 1; }
    read -r runs took < <(awk '{ print $2, $5 }' <<<"$done_line")
    used=$(($(spent) - before))
    ((took <= used)) || took=$used
    rm -f "$log"
    add "$target" "$sanitizer" "$took" "$runs"
    echo "fuzz: $target ($sanitizer): $runs runs in $took s"
done
