# The AWS SDK for Ruby's round. Arguments: endpoint, bucket, folder, bytes of the large object. The keys come from the
# environment. Ends with 1 and says what differed.
require "aws-sdk-s3"
require "digest"
require "net/http"

endpoint, bucket, folder, size = ARGV

def same(found, expected, what)
  abort("#{what}: found #{found.inspect}, expected #{expected.inspect}") unless found == expected
end

def code_of
  yield
  "none"
rescue Aws::S3::Errors::ServiceError => error
  error.code
end

s3 = Aws::S3::Client.new(endpoint: endpoint, region: "us-east-1", force_path_style: true, retry_limit: 0)
resource = Aws::S3::Resource.new(client: s3)
s3.create_bucket(bucket: bucket)
same(s3.list_buckets.buckets.map(&:name).include?(bucket), true, "list_buckets")
s3.wait_until(:bucket_exists, bucket: bucket)

keys = ["plain", "empty", "dir/small.txt", "a b+c%20", "ünï/测试.txt", "quote'&amp;", "tilde~(x)!*"]
sums = [nil, "CRC32", "SHA1", "SHA256"]
keys.each_with_index do |key, at|
  body = key == "empty" ? "" : key
  sum = sums[at % sums.size]
  s3.put_object(bucket: bucket, key: key, body: body, content_type: "text/x-test", metadata: { "who" => "me" },
                **(sum ? { checksum_algorithm: sum } : {}))
  answer = s3.get_object(bucket: bucket, key: key, checksum_mode: "ENABLED")
  same([answer.body.read.force_encoding("UTF-8"), answer.content_type, answer.metadata], [body, "text/x-test", { "who" => "me" }], key)
end
listed = s3.list_objects_v2(bucket: bucket, max_keys: 2).flat_map { |page| page.contents.map(&:key) }
same(listed, keys.sort_by(&:b), "list_objects_v2")
listed = s3.list_objects(bucket: bucket, max_keys: 2).flat_map { |page| page.contents.map(&:key) }
same(listed, keys.sort_by(&:b), "list_objects")
prefixes = s3.list_objects_v2(bucket: bucket, delimiter: "/").common_prefixes.map(&:prefix)
same(prefixes, ["dir/", "ünï/"], "prefixes")

large = File.join(folder, "large")
content = Random.new(7).bytes(Integer(size))
File.binwrite(large, content)
resource.bucket(bucket).object("large").upload_file(large, multipart_threshold: 5 * 1024 * 1024)
resource.bucket(bucket).object("large").download_file("#{large}.back", mode: "get_range", chunk_size: 5 * 1024 * 1024)
same(Digest::SHA256.file("#{large}.back").hexdigest, Digest::SHA256.hexdigest(content), "large")
resource.bucket(bucket).object("streamed").upload_stream(tempfile: false) do |stream|
  stream.binmode
  stream << content
end
same(resource.bucket(bucket).object("streamed").get.body.read.b == content, true, "a stream of unknown length")
resource.bucket(bucket).object("large-copy")
        .copy_from("#{bucket}/large", multipart_copy: true, content_length: content.bytesize)
pieces = +""
s3.get_object(bucket: bucket, key: "large-copy") { |piece| pieces << piece }
same(pieces.b == content, true, "copied in parts")
same(s3.get_object(bucket: bucket, key: "large", range: "bytes=-7").body.read.b, content[-7..], "range")
same(code_of { s3.get_object(bucket: bucket, key: "absent") }, "NoSuchKey", "absent")
same(resource.bucket(bucket).object("absent").exists?, false, "absent by HEAD")
same(code_of { s3.delete_bucket(bucket: bucket) }, "BucketNotEmpty", "delete_bucket")

object = resource.bucket(bucket).object("a b+c%20")
url = URI(object.presigned_url(:get, expires_in: 60))
same(Net::HTTP.get(url), "a b+c%20", "presigned get")
put = URI(resource.bucket(bucket).object("by-url").presigned_url(:put, expires_in: 60))
answer = Net::HTTP.start(put.host, put.port) { |http| http.send_request("PUT", put.request_uri, "by url", "Content-Type" => "") }
same(answer.code, "200", "presigned put")
same(resource.bucket(bucket).object("by-url").get.body.read, "by url", "presigned put")
post = resource.bucket(bucket).presigned_post(key: "by form", content_length_range: 1..20)
form = Net::HTTP::Post.new(URI(post.url))
form.set_form(post.fields.to_a + [["file", "by form", { filename: "here.txt" }]], "multipart/form-data")
answer = Net::HTTP.start(put.host, put.port) { |http| http.request(form) }
same(answer.code, "204", "form")
same(resource.bucket(bucket).object("by form").get.body.read, "by form", "form")

resource.bucket(bucket).objects.batch_delete!
same(s3.list_objects_v2(bucket: bucket).key_count, 0, "nothing is left")
s3.delete_bucket(bucket: bucket)
