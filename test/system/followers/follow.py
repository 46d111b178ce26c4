"""Writes through whatever the Sentinels of `NAME PORT...` say, and prints where that was."""
import sys
import time

from redis.exceptions import RedisError
from redis.sentinel import Sentinel

name, ports = sys.argv[1], sys.argv[2:]
sentinel = Sentinel([("127.0.0.1", int(port)) for port in ports], socket_timeout=1.0)
while True:
    client = sentinel.master_for(name, socket_timeout=2.0)
    try:
        client.incr("python")
        print(client.connection_pool.master_address[1], flush=True)
    except RedisError as error:
        print("failed:", error, flush=True)
    client.connection_pool.disconnect()
    time.sleep(0.1)
