#!/usr/bin/env bash
# The soak: random operations by 16 threads, the contents of every block checked,
# blocks handed from thread to thread, until as many were made as are asked for
# and as much time has passed. Goes on where it was interrupted.
#
#   .ci/soak.sh [OPERATIONS [SECONDS]]     10^9 and 3600 unless given
#   .ci/soak.sh --restart ...              begins again
#
# Each round is a process of its own, by examples/soak: it fails when a block is
# not what was written to it, when the statistics are not exact at its end, or
# when what is resident then is more than 5 % (and 1 MiB) above what it was at
# the first rest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-target}
state=$target/soak.done
if [[ ${1-} == --restart ]]; then
    rm -f "$state"
    shift
fi
operations=${1:-1000000000}
seconds=${2:-3600}

cargo build -q --release --example soak
done_operations=0 done_seconds=0 rounds=0
[[ -e $state ]] && read -r done_operations done_seconds rounds <"$state"
while ((done_operations < operations || done_seconds < seconds)); do
    rest=$((seconds > done_seconds ? seconds - done_seconds : 0))
    slice=$((rest > 300 || rest == 0 ? 300 : rest))
    # Not in a process substitution, whose status nobody sees.
    if ! said=$("$target/release/examples/soak" "$slice" "$((rounds + 1))" | tee -a /dev/stderr); then
        echo "soak: FAILED in round $((rounds + 1))"
        exit 1
    fi
    read -r made took < <(awk '/^soak: / { print $2, $7 }' <<<"$said") || true
    [[ ${made-} =~ ^[0-9]+$ ]] || { echo "soak: FAILED in round $((rounds + 1))"; exit 1; }
    done_operations=$((done_operations + made))
    done_seconds=$((done_seconds + took))
    rounds=$((rounds + 1))
    echo "$done_operations $done_seconds $rounds" >"$state"
done
echo "evidence: soak: $done_operations operations by 16 threads in $done_seconds s and $rounds processes; contents whole, statistics exact, resident memory at rest as at the first rest"
rm -f "$state"
