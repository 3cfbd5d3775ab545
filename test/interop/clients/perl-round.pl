# Net::Amazon::S3's round. Arguments: signature (V4 or V2), host and port, bucket, folder, bytes of the large object. The
# keys come from the environment. Ends with 1 and says what differed. Its uploads in parts fail before they send anything: they
# hand a header to a class that has no such field.
use strict;
use warnings;
use utf8;

use Digest::SHA qw(sha256_hex);
use Encode qw(decode encode_utf8);
use LWP::UserAgent;
use Net::Amazon::S3;
use Net::Amazon::S3::Authorization::Basic;
use Net::Amazon::S3::Client;
use Net::Amazon::S3::Vendor::Generic;

my ($signature, $host, $name, $folder, $size) = @ARGV;

sub same {
    my ($found, $expected, $what) = @_;
    die encode_utf8("$what: found $found, expected $expected\n") if $found ne $expected;
}

my $s3 = Net::Amazon::S3->new(
    authorization_context => Net::Amazon::S3::Authorization::Basic->new(
        aws_access_key_id     => $ENV{ACCESS_KEY},
        aws_secret_access_key => $ENV{SECRET_KEY},
    ),
    vendor => Net::Amazon::S3::Vendor::Generic->new(
        host                 => $host,
        use_https            => 0,
        use_virtual_host     => 0,
        authorization_method => "Net::Amazon::S3::Signature::$signature",
    ),
    retry => 0,
);
my $client = Net::Amazon::S3::Client->new(s3 => $s3);
my $bucket = $client->create_bucket(name => $name);
same(scalar(grep { $_->name eq $name } $client->buckets), 1, 'buckets');

my @keys = ('plain', 'empty', 'dir/small.txt', 'a b+c%20', 'ünï/测试.txt', q{quote'&amp;}, 'tilde~(x)!*');
for my $key (@keys) {
    my $body = $key eq 'empty' ? '' : encode_utf8($key);
    $bucket->object(key => $key, content_type => 'text/x-test', user_metadata => { who => 'me' })->put($body);
    my $object = $bucket->object(key => $key);
    same($object->get, $body, $key);
    my $head = $object->head;
    same("$head->{content_type} $head->{user_metadata}{who}", 'text/x-test me', "head $key") if $head->{user_metadata};
}
my $listed = $s3->bucket($name)->list_all;
same(join('|', map { $_->{key} } @{ $listed->{keys} }), join('|', sort { encode_utf8($a) cmp encode_utf8($b) } @keys), 'list_all');
my $level = $s3->bucket($name)->list({ delimiter => '/' });
same(join('|', @{ $level->{common_prefixes} }), 'dir|ünï', 'list');

my $content = pack 'N*', map { int rand 2**32 } 1 .. $size / 4;
my $large = "$folder/large";
open my $file, '>:raw', $large or die $!;
print {$file} $content;
close $file or die $!;
$bucket->object(key => 'large')->put_filename($large);
$bucket->object(key => 'large')->get_filename("$large.back");
open $file, '<:raw', "$large.back" or die $!;
same(sha256_hex(do { local $/; <$file> }), sha256_hex($content), 'large');
same($bucket->object(key => 'large')->range('bytes=-7')->get, substr($content, -7), 'range');

$s3->bucket($name)->copy_key('copy', "/$name/dir/small.txt");
same($bucket->object(key => 'copy')->get, 'dir/small.txt', 'copy');
same($bucket->object(key => 'absent')->exists ? 'there' : 'absent', 'absent', 'exists');
my $url = $bucket->object(key => 'copy', expires => time + 60)->query_string_authentication_uri;
same(LWP::UserAgent->new->get($url)->content, 'dir/small.txt', 'presigned get');

$bucket->delete_multi_object(map { $bucket->object(key => $_) } @keys, 'large', 'copy', 'absent');
same(scalar(@{ $s3->bucket($name)->list_all->{keys} }), 0, 'nothing is left');
$bucket->delete;
