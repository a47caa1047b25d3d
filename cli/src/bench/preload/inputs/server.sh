#!/bin/sh
# server.sh REQUESTS MEASURE...: a redis server started by the command MEASURE,
# and clients that are not measured.
set -eu
requests=$1
shift
rm -f socket log
"$@" redis-server --port 0 --unixsocket socket --save '' --appendonly no --dir . --logfile log &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
tries=0
until [ "$(redis-cli -s socket ping 2>/dev/null)" = PONG ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 200 ] || ! kill -0 "$server" 2>/dev/null; then
        tail -n 1 log >&2 || true
        echo "redis-server did not start" >&2
        exit 1
    fi
    sleep 0.05
done
redis-benchmark -s socket -q -c 8 -P 16 -r 20000 -n "$requests" \
    -t set,get,incr,lpush,lpop,sadd,hset,zadd,lrange_100,mset >/dev/null
redis-cli -s socket flushall
redis-cli -s socket eval "
    for i = 1, $requests do
        redis.call('SET', 'key:' .. i % 5000, string.rep('x', i % 300))
        redis.call('RPUSH', 'list:' .. i % 70, 'item ' .. i)
    end
    local sum = 0
    for i = 0, 69 do sum = sum + redis.call('LLEN', 'list:' .. i) end
    return sum" 0
redis-cli -s socket shutdown nosave || true
trap - EXIT
wait "$server"
