/** Commands about values of every type and about keys; the form is told in equality-sessions.ts. */
export const VALUES = `
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
`;
