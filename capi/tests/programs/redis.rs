//! redis, which brings an allocator.

use crate::{Trial, installed, number};
use std::fs;

/// Debian's redis is linked against jemalloc. A preloaded malloc comes before
/// it, so `loaded` says `ours`, and redis's memory is ours none the less:
/// jemalloc is there, and redis reports its figures, but they stay near 0.
#[test]
fn redis_server_and_its_benchmark() {
    let (Some(program), Some(_), Some(_)) = (
        installed("bash"),
        installed("redis-server"),
        installed("redis-benchmark"),
    ) else {
        return;
    };
    let script = r#"
        set -eu
        redis-server --port 0 --unixsocket socket --save '' --appendonly no \
            --dir "$PWD" --logfile log &
        server=$!
        echo "$server" >server
        trap 'kill "$server" 2>/dev/null || true' EXIT
        for i in {1..100}; do
            [[ $(redis-cli -s socket ping 2>/dev/null || true) == PONG ]] && break
            sleep 0.1
        done
        redis-benchmark -s socket -q -n 10000 -r 1000 -P 8 \
            -t set,get,incr,lpush,rpush,lpop,sadd,hset,zadd,lrange_100,mset >benchmark
        grep -c 'requests per second' benchmark
        redis-cli -s socket flushall
        for i in {1..400}; do
            echo "SET key:$i value-$i-$((i * 7919))"
            echo "RPUSH list:$((i % 7)) $i $((i * 3)) item-$i"
            echo "HSET hash:$((i % 5)) field$i $((i * i))"
            echo "ZADD scores $((i * 7919 % 613)) member$i"
            echo "APPEND text $i,"
        done | redis-cli -s socket >answers
        cksum <answers
        redis-cli -s socket dbsize
        redis-cli -s socket zrange scores 0 9 withscores
        redis-cli -s socket lrange list:3 0 -1 | cksum
        redis-cli -s socket hget hash:2 field77
        redis-cli -s socket eval 'local t = {} for i = 1, 2000 do t[i] = redis.call("GET", "key:" .. (i % 400 + 1)) end return #table.concat(t)' 0
        redis-cli -s socket eval 'for i = 1, 30000 do redis.call("SET", "filler:" .. i, string.rep("x", i % 300)) end return redis.call("DBSIZE")' 0
        redis-cli -s socket info memory >memory
        redis-cli -s socket shutdown nosave || true
        wait "$server"
        trap - EXIT
        echo "server ended with $?"
    "#;
    let run = Trial {
        name: "redis-server",
        program,
        arguments: &["script"],
        environment: &[],
        input: &[("script", script)],
        output: &["answers"],
        processes: 10,
    }
    .check();
    let server = fs::read_to_string(run.folder.join("server")).expect("the server's number");
    let server: u64 = server.trim().parse().expect("a number");
    let loaded = run.of("loaded").filter(|note| note["pid"] == server);
    // The shell that becomes the server has a note of the same number.
    let loaded = loaded.last().expect("the server's note");
    assert_eq!(loaded["malloc"], "ours");
    let exit = run.of("exit").find(|note| note["pid"] == server);
    let exit = exit.expect("the server's end");
    let memory = fs::read_to_string(run.folder.join("memory")).expect("redis's figures");
    let figure = |name: &str| -> u64 {
        let line = memory.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|value| value.strip_prefix(':'));
        value.map_or(0, |value| value.trim().parse().expect("a number"))
    };
    let used = figure("used_memory");
    assert!(used > 4 << 20, "{memory}");
    assert!(
        number(&exit["stats"]["committed"]) > used,
        "{exit}\n{memory}"
    );
    // 0 where redis was built on the C library's malloc.
    let jemalloc = if memory.contains("mem_allocator:jemalloc") {
        figure("allocator_allocated")
    } else {
        0
    };
    assert!(jemalloc * 100 < used, "{memory}");
}
