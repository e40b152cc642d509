# One ManageSieve session of Net::ManageSieve: sieve.pl TLS HOST PORT SOURCE USER CA
# TLS is plain or starttls. Puts a script, lists, reads it back, deletes it.
use strict;
use warnings;
use Net::ManageSieve;

my ($tls, $host, $port, $source, $user, $ca) = @ARGV;
my $script = "keep;\r\n# a line that says nothing\r\n";
my $s = Net::ManageSieve->new($host, Port => $port, LocalAddr => $source, Timeout => 10,
    tls => $tls eq 'starttls' ? { mode => 'require', SSL_ca_file => $ca, SSL_verify_mode => 1 } : undef)
  or die "connect: $@\n";
$s->login($user, 'secret')       or die 'login: ', $s->error, "\n";
$s->putscript('e2e', $script)    or die 'putscript: ', $s->error, "\n";
my $names = $s->listscripts      or die 'listscripts: ', $s->error, "\n";
grep { $_ eq 'e2e' } @$names     or die "listscripts has @$names\n";
my $back = $s->getscript('e2e');
s/\s+/ /g for $script, $back; # it does not keep line ends
$back eq $script or die "getscript: $back\n";
$s->deletescript('e2e')          or die 'deletescript: ', $s->error, "\n";
$s->logout;
