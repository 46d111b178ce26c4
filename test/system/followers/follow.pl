# Writes through whatever the Sentinels of `NAME PORT...` say, and prints where that was.
use strict;
use warnings;
use Redis;

$| = 1;
my ($name, @ports) = @ARGV;
while (1) {
    eval {
        my $redis = Redis->new(
            sentinels               => [map {"127.0.0.1:$_"} @ports],
            service                 => $name,
            sentinels_cnx_timeout   => 1,
            sentinels_read_timeout  => 1,
            sentinels_write_timeout => 1,
            cnx_timeout             => 1,
            read_timeout            => 2,
            write_timeout           => 2,
        );
        $redis->incr('perl');
        print $redis->{sock}->peerport, "\n";
        1;
    } or print "failed: $@\n";
    select(undef, undef, undef, 0.1);
}
