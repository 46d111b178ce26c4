<?php
// Writes through whatever the Sentinels of `NAME PORT...` say, and prints where that was.
[, $name] = $argv;
while (true) {
    foreach (array_slice($argv, 2) as $door) {
        try {
            $sentinel = new RedisSentinel('127.0.0.1', (int) $door, 1.0, null, 0, 1.0);
            $address = $sentinel->getMasterAddrByName($name);
            if ($address === false) continue;
            $redis = new Redis();
            $redis->connect($address[0], (int) $address[1], 1.0, null, 0, 2.0);
            $redis->incr('php');
            echo $address[1], "\n";
            $redis->close();
            break;
        } catch (RedisException $error) {
            echo 'failed: ', $error->getMessage(), "\n";
        }
    }
    usleep(100000);
}
