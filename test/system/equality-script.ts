/**
 * Commands whose replies must be the same bytes through the relay and on a bare server.
 *
 * One step per line: the connection (a to e), then the command. `a! X` sends and does not wait,
 * `a>` waits for one more reply or push, `a =name X` remembers the reply as {name}. A `~word`
 * before the command names why the replies may differ, and in what: see `ALLOWED`.
 */

/** What may differ, why, and what is compared instead. */
export const ALLOWED: Readonly<Record<string, { why: string; shown: (text: string) => string }>> = {
  unordered: {
    why: 'the order of a hash table follows a random seed of each server process',
    shown: (text) => text.split('\r\n').sort().join('\n'),
  },
  clock: {
    why: 'milliseconds that have passed, or the time itself',
    shown: (text) => text.replace(/\d{3,}/g, 'N').replace(/\$\d+/g, '$'),
  },
  idle: {
    why: 'milliseconds since an entry was delivered',
    shown: (text) => text.replace(/:\d+(\r\n:\d+\r\n)$/, ':N$1'),
  },
  stamp: {
    why: 'an id that the server makes from its clock',
    shown: (text) => text.replace(/\d{13}-\d+/g, 'ID'),
  },
  number: {
    why: 'the number of a connection',
    shown: (text) => text.replace(/:\d{1,9}\r\n/g, ':N\r\n'),
  },
  dice: {
    why: 'the command answers with a random choice',
    shown: (text) => text.replace(/\$\d+\r\n[^\r]*/g, '$'),
  },
  chosen: {
    why: 'who asks and where it runs is in the answer',
    shown: (text) => text.slice(0, 1),
  },
  agreed: {
    why: 'WAIT answers how many other nodes hold the write; a bare server has none',
    shown: (text) => text.replace(/:\d/g, ':N'),
  },
  denied: {
    why: 'the command would break the guarantees: the relay or the ACL refuses it',
    shown: () => '',
  },
};

export const SCRIPT = `
# strings
a SET s hello
a GET s
a GETSET s world
a GETDEL s
a GET s
a SETNX n 1
a SETNX n 2
a SET n 5 XX
a SET n 6 NX
a SET n 7 GET
a SET n 8 KEEPTTL
a INCR n
a INCRBY n 10
a DECR n
a DECRBY n 3
a INCRBYFLOAT n 0.5
a INCR n
a MSET k1 a k2 b k3 c
a MGET k1 k2 missing k3
a MSETNX k1 x k9 y
a APPEND k1 bcd
a STRLEN k1
a SETRANGE k1 2 ZZ
a GETRANGE k1 0 -1
a SUBSTR k1 0 1
a SETEX k4 100 v
a PSETEX k5 100000 v
a TTL k4
a ~clock PTTL k5
a GETEX k4 PERSIST
a TTL k4
a LCS k1 k2
a LCS k1 k2 LEN
a EXISTS k1 k2 k3 nope
a TYPE k1
a TYPE nope
a OBJECT ENCODING n
a OBJECT REFCOUNT k1
a OBJECT HELP
a SET ünïcode "völlig \\x00\\x01\\xff\\r\\n binär"
a GET ünïcode
a GET
a NOSUCHCOMMAND x y
a SET s
a SET s v EX notanumber
a SET s v EX 0
a RENAME k1 r1
a RENAMENX r1 k2
a RENAME nope x
a COPY r1 r2
a COPY r1 r2
a COPY r1 r2 REPLACE
a TOUCH r1 r2 nope
a DEL r1 r2 nope
a UNLINK k2 k3
# bits
a SETBIT bits 7 1
a SETBIT bits 100 1
a GETBIT bits 7
a BITCOUNT bits
a BITCOUNT bits 0 0
a BITPOS bits 1
a BITOP NOT nbits bits
a BITOP AND abits bits nbits
a BITFIELD bf SET u8 0 200 INCRBY u8 0 100 OVERFLOW SAT INCRBY u8 0 100
a BITFIELD_RO bf GET u8 0
# hyperloglog
a PFADD hll a b c d e f g
a PFADD hll a
a PFCOUNT hll
a PFADD hll2 x y z
a PFMERGE hll3 hll hll2
a PFCOUNT hll hll2
# lists
a RPUSH l a b c d e
a LPUSH l z
a LPUSHX nolist a
a RPUSHX l f
a LRANGE l 0 -1
a LINDEX l 2
a LINDEX l 99
a LINSERT l BEFORE c bb
a LSET l 0 zz
a LSET l 99 x
a LLEN l
a LPOS l c
a LPOS l c COUNT 0
a LREM l 0 bb
a LTRIM l 0 4
a LPOP l
a RPOP l 2
a LPOP nolist 2
a LMOVE l l2 LEFT RIGHT
a RPOPLPUSH l l2
a LMPOP 2 nolist l2 LEFT COUNT 1
a LRANGE l2 0 -1
a LPUSH s1 1 2 3
a SORT s1
a SORT s1 DESC LIMIT 0 2
a SORT s1 STORE sorted
a SORT_RO sorted BY nosort
a GET l2
# hashes
a HSET h f1 v1 f2 v2 f3 3
a HGET h f1
a HMGET h f1 nope f2
a HMSET h f4 v4
a HGETALL h
a HKEYS h
a HVALS h
a HLEN h
a HSTRLEN h f1
a HEXISTS h f1
a HEXISTS h nope
a HDEL h f4 nope
a HSETNX h f1 x
a HINCRBY h f3 4
a HINCRBYFLOAT h f3 0.25
a HINCRBY h f1 1
a HSCAN h 0
a ~dice HRANDFIELD h
a HSET h1 only one
a HRANDFIELD h1 1 WITHVALUES
# sets
a SADD i 1 2 3 4 5
a SMEMBERS i
a SADD st a b c d
a ~unordered SMEMBERS st
a SISMEMBER st a
a SMISMEMBER st a z
a SCARD st
a SREM st d z
a SMOVE st st2 c
a SINTER i i
a SADD j 4 5 6
a SINTER i j
a SINTERCARD 2 i j
a SINTERCARD 2 i j LIMIT 1
a SUNION i j
a SDIFF i j
a SINTERSTORE dst i j
a SUNIONSTORE dst i j
a SDIFFSTORE dst i j
a SMEMBERS dst
a SSCAN i 0
a SADD one x
a SPOP one
a SPOP one
a SADD two a b
a ~unordered SPOP two 5
a EXISTS two
a SADD many 1 2 3 4 5 6 7 8 9
a ~dice SPOP many
a SCARD many
a ~dice SRANDMEMBER st
a SRANDMEMBER nope
# sorted sets
a ZADD z 1 a 2 b 3 c 4 d
a ZADD z NX 9 a
a ZADD z XX CH 5 a
a ZADD z INCR 1.5 b
a ZADD z GT CH 1 d
a ZRANGE z 0 -1 WITHSCORES
a ZRANGE z 2 4 BYSCORE
a ZRANGE z [a [c BYLEX
a ZRANGE z 0 1 REV
a ZREVRANGE z 0 -1
a ZRANGEBYSCORE z (3 +inf WITHSCORES LIMIT 0 2
a ZREVRANGEBYSCORE z +inf -inf
a ZRANGEBYLEX z - +
a ZSCORE z a
a ZMSCORE z a nope
a ZRANK z a
a ZREVRANK z a
a ZCARD z
a ZCOUNT z 2 4
a ZLEXCOUNT z - +
a ZINCRBY z 0.1 c
a ZADD y 1 a 2 e
a ZUNION 2 z y WITHSCORES
a ZINTER 2 z y WITHSCORES
a ZDIFF 2 z y
a ZINTERCARD 2 z y
a ZUNIONSTORE zu 2 z y WEIGHTS 2 3 AGGREGATE MAX
a ZINTERSTORE zi 2 z y
a ZDIFFSTORE zd 2 z y
a ZRANGESTORE zr z 0 1
a ZPOPMIN z
a ZPOPMAX z 2
a ZMPOP 1 zu MIN COUNT 2
a ZREM y a
a ZREMRANGEBYRANK zu 0 0
a ZREMRANGEBYSCORE zi 0 100
a ZREMRANGEBYLEX zd - +
a ZSCAN y 0
a ZADD y nan a
# geo
a GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
a GEODIST g Palermo Catania km
a GEOHASH g Palermo Catania
a GEOPOS g Palermo nope
a GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST
a GEOSEARCHSTORE g2 g FROMMEMBER Palermo BYBOX 400 400 km ASC
# streams
a XADD x 1-1 f v
a XADD x 1-2 f w
a XADD x 1-1 f old
a ~stamp XADD x * f now
a XADD y2 MAXLEN = 1 5-5 a b
a XLEN x
a XRANGE x 1-1 1-2
a XREVRANGE y2 + -
a XREAD COUNT 1 STREAMS x 0
a XGROUP CREATE x grp 0
a XGROUP CREATE x grp 0
a XGROUP CREATECONSUMER x grp c0
a XREADGROUP GROUP grp c1 COUNT 2 STREAMS x >
a XACK x grp 1-1
a XPENDING x grp
a ~idle XPENDING x grp - + 10
a XCLAIM x grp c2 0 1-2 JUSTID
a XAUTOCLAIM x grp c3 0 0 COUNT 10 JUSTID
a XREADGROUP GROUP grp c3 STREAMS x 0
a XDEL x 1-1
a ~stamp XINFO STREAM x
a ~stamp XINFO GROUPS x
a XGROUP SETID x grp 0
a XGROUP DELCONSUMER x grp c1
a XGROUP DESTROY x grp
a XTRIM x MAXLEN 1
a XSETID y2 6-0
a XREADGROUP GROUP nogrp c STREAMS x >
# keys and expiry
a EXPIRE h 100
a EXPIRE h 50 GT
a EXPIRE h 200 XX
a TTL h
a PEXPIRE h 100000
a ~clock PTTL h
a EXPIREAT h 4102444800
a EXPIRETIME h
a PEXPIRETIME h
a PERSIST h
a PERSIST h
a EXPIRE nope 10
a EXPIRE h -1
a EXISTS h
a SET short v PX 1
c BLPOP nothing 0.05
a GET short
a KEYS no*
a SET ab1 x
a ~unordered KEYS ab*
a ~dice RANDOMKEY
a DUMP i
a SCAN 0 MATCH ab1 COUNT 10000
a DBSIZE
a OBJECT FREQ i
a ~clock TIME
a ECHO "a long \\r\\n echo"
a PING
a PING hello
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
a FUNCTION LOAD "#!lua name=lib\\nredis.register_function('put', function(k, v) return redis.call('SET', k[1], v[1]) end)\\nredis.register_function{function_name='peek', callback=function(k) return redis.call('GET', k[1]) end, flags={'no-writes'}}"
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
a READONLY
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
