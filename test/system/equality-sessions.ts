/**
 * Commands whose replies must be the same bytes through the relay and on a bare server.
 *
 * One step per line: the connection (a to e), then the command. `a! X` sends and does not wait,
 * `a>` waits for one more reply or push, `a =name X` remembers the reply as {name}. A `~word`
 * before the command names why the replies may differ, and in what: see equality-allowed.ts.
 */

const LIBRARY = [
  '#!lua name=lib',
  "redis.register_function('put', function(k, v) return redis.call('SET', k[1], v[1]) end)",
  "redis.register_function{function_name='peek', flags={'no-writes'}, " +
    "callback=function(k) return redis.call('GET', k[1]) end}",
].join('\\n');

/** Commands that keep state in a connection, or concern several of them. */
export const SESSIONS = `
# transactions
a MULTI
a SET t 1
a INCR t
a LPUSH t x
a GET t
a EXEC
a MULTI
a SET t 5
a DISCARD
a GET t
a EXEC
a MULTI
a MULTI
a NOSUCH
a EXEC
a WATCH t
b SET t 9
a MULTI
a SET t 10
a EXEC
a GET t
a WATCH t
a MULTI
a INCR t
a EXEC
a WATCH t
a UNWATCH
b SET t 20
a MULTI
a GET t
a EXEC
# databases
b SELECT 3
b SET only3 x
b DBSIZE
b MOVE only3 4
b SELECT 4
b GET only3
b SWAPDB 3 4
b EXISTS only3
b FLUSHDB
b SELECT 99
b SELECT 0
b GET t
# scripts and functions
a EVAL "return redis.call('SET', KEYS[1], ARGV[1])" 1 lk lv
a EVAL "return redis.call('GET', KEYS[1])" 1 lk
a EVAL "return {1, 'two', {3, false, true}, {ok='fine'}, {err='MY bad'}}" 0
a EVAL "return redis.call('NOSUCH')" 0
a EVAL "return redis.pcall('INCR', KEYS[1])" 1 lk
a EVAL "return redis.error_reply('OOPS x')" 0
a EVAL "syntax error here" 0
a EVAL "redis.call('SELECT', 2); return redis.call('SET', 'in2', '1')" 0
a GET in2
a EVAL_RO "return redis.call('GET', KEYS[1])" 1 lk
a EVAL_RO "return redis.call('SET', KEYS[1], 1)" 1 lk
a SCRIPT LOAD "return ARGV[1]"
a EVALSHA 098e0f0d1448c0a81dafe820f66d460eb09263da 0 x
a EVALSHA ffffffffffffffffffffffffffffffffffffffff 0
a SCRIPT EXISTS 098e0f0d1448c0a81dafe820f66d460eb09263da ffffffffffffffffffffffffffffffffffffffff
a EVAL "return cjson.encode({a=1})" 0
a EVAL "redis.setresp(3); return redis.call('HGETALL', KEYS[1])" 1 h1
a FUNCTION LOAD "${LIBRARY}"
a FUNCTION LOAD "#!lua name=lib\\nredis.register_function('put', function() return 1 end)"
a FCALL put 1 fk fv
a FCALL_RO peek 1 fk
a FCALL_RO put 1 fk x
a FCALL nofunction 0
a ~unordered FUNCTION LIST LIBRARYNAME lib
a FUNCTION DELETE lib
a FUNCTION LIST
# blocking commands, served by another client
c! BLPOP q1 q2 10
b RPUSH q2 item
c>
c! BRPOP q1 10
b RPUSH q1 x y
c>
c! BLMOVE src dst2 LEFT RIGHT 10
b RPUSH src moved
c>
b LRANGE dst2 0 -1
c! BRPOPLPUSH src dst2 10
b RPUSH src again
c>
c! BLMPOP 10 2 m1 m2 LEFT COUNT 5
b MULTI
b RPUSH m2 1 2 3
b RPUSH m2 4
b EXEC
c>
c! BZPOPMIN bz 10
b ZADD bz 2 b 1 a
c>
c! BZPOPMAX bz2 10
b ZADD bz2 2 b 1 a
c>
c! BZMPOP 10 1 bz3 MAX
b ZADD bz3 7 seven
c>
c! XREAD BLOCK 10000 STREAMS xb 0-0
b XADD xb 7-7 f v
c>
b XGROUP CREATE xb bg $
c! XREADGROUP GROUP bg me BLOCK 10000 STREAMS xb >
b XADD xb 8-8 f v
c>
c BLPOP empty 0.01
c BZPOPMIN empty 0.01
c BLPOP h1 1
c BLPOP empty notatime
# publish and subscribe
d SUBSCRIBE news other
d>
b PUBLISH news hello
d>
b ~unordered PUBSUB CHANNELS
b PUBSUB NUMSUB news nope
d PSUBSCRIBE n*
b PUBLISH news twice
d>
d>
b PUBSUB NUMPAT
d PING
d UNSUBSCRIBE other
d PUNSUBSCRIBE
d GET refused
d SSUBSCRIBE shard
b SPUBLISH shard m
d>
d SUNSUBSCRIBE shard
d UNSUBSCRIBE
d GET nk
# RESP3
e ~number HELLO 3
e SET r3 v
e GET r3
e GET nope
e HSET r3h a 1
e HGETALL r3h
e SADD r3s only
e SMEMBERS r3s
e ZADD r3z 1.5 a
e ZSCORE r3z a
e ZRANGE r3z 0 -1 WITHSCORES
e EVAL "redis.setresp(3); return {double=1.5}" 0
e EVAL "redis.setresp(3); return redis.call('HGETALL', KEYS[1])" 1 r3h
e EVAL "return true" 0
e SUBSCRIBE r3news
e GET r3
b PUBLISH r3news hi
e>
e UNSUBSCRIBE r3news
e MULTI
e GET r3
e HGETALL r3h
e EXEC
e CONFIG GET maxmemory
# client tracking
e CLIENT TRACKING ON
e CLIENT CACHING YES
e GET r3
b SET r3 changed
e>
e GET r3
e CLIENT TRACKING OFF
e CLIENT TRACKING ON BCAST PREFIX bc:
b SET bc:1 x
e>
e CLIENT TRACKING OFF
e ~number CLIENT TRACKINGINFO
e HELLO 4
e ~number HELLO 2
e HGETALL r3h
c =id CLIENT ID
c SUBSCRIBE __redis__:invalidate
a CLIENT TRACKING ON REDIRECT {id}
a GET r3
b SET r3 again
c>
a CLIENT TRACKING OFF
c UNSUBSCRIBE
# connections
a CLIENT SETNAME me
a CLIENT GETNAME
a ~chosen CLIENT INFO
a ~chosen CLIENT LIST
a CLIENT REPLY ON
a! CLIENT REPLY SKIP
a! SET skipped 1
a GET skipped
a! CLIENT REPLY OFF
a! SET off 1
a CLIENT REPLY ON
a GET off
a CLIENT GETREDIR
a CLIENT UNPAUSED
a ACL WHOAMI
a ACL CAT
a AUTH wrong
a AUTH default wrong
a ~chosen INFO server
a ~chosen ROLE
a ~chosen LASTSAVE
a ~chosen MEMORY STATS
a ~chosen SLOWLOG GET
a SLOWLOG HELP
a ~chosen LATENCY LATEST
a COMMAND COUNT
a COMMAND INFO get set
a COMMAND GETKEYS MSET a b c d
a COMMAND DOCS get
a MEMORY USAGE nope
a CONFIG GET nosuchsetting
a CONFIG GET maxmemory-policy
a ~agreed WAIT 0 10
a WAIT x 1
a CLUSTER INFO
a ~reads READONLY
a RESET
a GET r3
a ~denied DEBUG HELP
# refused, since they would break what is promised
a ~denied REPLICAOF NO ONE
a ~denied SLAVEOF localhost 1
a ~denied PSYNC ? -1
a ~denied REPLCONF ACK 0
a ~denied FAILOVER
a ~denied SHUTDOWN NOSAVE
a ~denied DEBUG SLEEP 0
a ~denied MODULE LOAD /nowhere
a ~denied SAVE
a ~denied BGSAVE
a ~denied BGREWRITEAOF
a ~denied MIGRATE localhost 1 k 0 10
a ~denied ACL SETUSER x on
a ~denied CLIENT PAUSE 10
a ~denied CLIENT KILL TYPE replica
a ~denied CONFIG SET save 1
a ~denied EVAL "redis.set_repl(redis.REPL_NONE)" 0
a ~denied SCRIPT DEBUG YES
# and goes on
a SET last word
a GET last
a FLUSHALL
a DBSIZE
`;
