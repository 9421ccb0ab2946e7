#!/usr/bin/env perl
# An external endpoint of Glassbench in Perl: access units over plain UDP, without repair. Both ends are this file.
#
#     glass compare --live --arm udp --arm external:send=docs/peers/udp.pl,receive=docs/peers/udp.pl

use strict;
use warnings;
use IO::Socket::INET;

my $PAYLOAD = 1400;    # bytes of a datagram, besides the number of its frame, its place, and how many there are

$| = 1;
binmode STDIN;
binmode STDOUT;
$ENV{GLASS_MEDIA} eq "units" or do { print STDERR "only units are carried\n"; exit 127 };
$ENV{GLASS_ROLE} eq "sender" ? send_units() : receive_units();

sub send_units {
    my $socket = IO::Socket::INET->new(
        Proto    => "udp",
        PeerAddr => $ENV{GLASS_PEER_HOST},
        PeerPort => $ENV{GLASS_PEER_PORT}
    ) or die "no socket: $!\n";
    put_item("");      # media can pass
    for (my $frame = 0; defined(my $unit = get_item()); $frame++) {
        my $count = int((length($unit) + $PAYLOAD - 1) / $PAYLOAD);
        for my $place (0 .. $count - 1) {
            $socket->send(pack("Nnn", $frame, $place, $count) . substr($unit, $place * $PAYLOAD, $PAYLOAD));
        }
    }
}

sub receive_units {
    my $socket = IO::Socket::INET->new(
        Proto     => "udp",
        LocalAddr => $ENV{GLASS_LOCAL_HOST},
        LocalPort => $ENV{GLASS_LOCAL_PORT}
    ) or die "no socket: $!\n";
    put_item("");      # it listens
    my ($open, @parts) = (-1);
    while (defined $socket->recv(my $datagram, 65536)) {
        my ($frame, $place, $count) = unpack("Nnn", $datagram);
        next if $frame < $open;
        ($open, @parts) = ($frame) if $frame > $open;
        $parts[$place] = substr($datagram, 8);
        next if grep({ defined } @parts) < $count;
        put_item(join("", @parts));
        $open++;
        @parts = ();
    }
}

# An item is its length, four bytes with the highest first, and that many bytes.
sub put_item { print pack("N", length $_[0]), $_[0] }

sub get_item {
    read(STDIN, my $length, 4) == 4 or return undef;
    read(STDIN, my $item, unpack("N", $length));
    return $item;
}
