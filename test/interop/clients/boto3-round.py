"""boto3's full round. Arguments: signature (s3v4 or s3), addressing (path or virtual), endpoint, bucket, folder, bytes of the large object.

The keys come from the environment. Ends with 1 and says what differed.
"""

import hashlib
import os
import random
import socket
import sys
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import Config
from botocore.exceptions import ClientError

signature, addressing, endpoint, bucket, folder, size = sys.argv[1:]
MIB = 1024 * 1024

# RFC 6761 gives *.localhost to this machine, but not every resolver knows.
resolve = socket.getaddrinfo


def resolve_here(host, *args, **kwargs):
    return resolve("127.0.0.1" if str(host).endswith(".localhost") else host, *args, **kwargs)


socket.getaddrinfo = resolve_here


def client(version):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        config=Config(
            signature_version=version,
            s3={"addressing_style": addressing},
            retries={"max_attempts": 0},
        ),
    )


def same(found, expected, what):
    if found != expected:
        sys.exit(f"{what}: found {found!r}, expected {expected!r}")


def code_of(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "none"


def fetch(url, method="GET", body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def form(parts, file):
    boundary = "form-boundary-of-the-test"
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in parts.items()
    ]
    lines.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="here.txt"\r\n'
        f"Content-Type: text/plain\r\n\r\n".encode()
        + file
        + f"\r\n--{boundary}--\r\n".encode()
    )
    return b"".join(lines), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


s3 = client(signature)
s3.create_bucket(Bucket=bucket)
same(bucket in [row["Name"] for row in s3.list_buckets()["Buckets"]], True, "list_buckets")
s3.head_bucket(Bucket=bucket)
s3.get_bucket_location(Bucket=bucket)

keys = ["plain", "dir/small.txt", "a b+c%20", "ünï/测试.txt", "quote'&amp;", "tilde~(x)!*"]
for key in keys:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), ContentType="text/x-test", Metadata={"who": "me"})
    answer = s3.get_object(Bucket=bucket, Key=key)
    same(answer["Body"].read(), key.encode(), key)
    same((answer["ContentType"], answer["Metadata"]), ("text/x-test", {"who": "me"}), key)
listed = [
    row["Key"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    for row in page["Contents"]
]
same(listed, sorted(keys, key=str.encode), "list_objects_v2")
prefixes = s3.list_objects(Bucket=bucket, Delimiter="/")["CommonPrefixes"]
same([row["Prefix"] for row in prefixes], ["dir/", "ünï/"], "list_objects")

large = os.path.join(folder, "large")
content = random.Random(7).randbytes(int(size))
with open(large, "wb") as file:
    file.write(content)
part = 8 * MIB if int(size) > 16 * MIB else 5 * MIB
transfer = TransferConfig(multipart_threshold=part, multipart_chunksize=part)
s3.upload_file(large, bucket, "large", Config=transfer)
s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "large-copy", Config=transfer)
s3.download_file(bucket, "large-copy", large + ".back", Config=transfer)
with open(large + ".back", "rb") as file:
    same(hashlib.sha256(file.read()).hexdigest(), hashlib.sha256(content).hexdigest(), "large")
tail = s3.get_object(Bucket=bucket, Key="large", Range="bytes=-7")["Body"].read()
same(tail, content[-7:], "range")
s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": "ünï/测试.txt"})
same(s3.get_object(Bucket=bucket, Key="copied")["Body"].read(), "ünï/测试.txt".encode(), "copy_object")
same(code_of(s3.get_object, Bucket=bucket, Key="absent"), "NoSuchKey", "absent")
same(code_of(s3.delete_bucket, Bucket=bucket), "BucketNotEmpty", "delete_bucket")

where = {"Bucket": bucket, "Key": "a b+c%20"}
url = s3.generate_presigned_url("get_object", Params=where, ExpiresIn=60)
same(fetch(url), (200, b"a b+c%20"), "presigned get")
typed = s3.generate_presigned_url("get_object", Params={**where, "ResponseContentType": "text/x-other"}, ExpiresIn=60)
same(fetch(typed), (200, b"a b+c%20"), "presigned get with another type")
same(fetch(url, "PUT", b"x")[0], 403, "a URL for another method")
same(fetch(url.replace("a%20b", "a%20c"))[0], 403, "a URL for another key")
put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "by-url"}, ExpiresIn=60)
same(fetch(put, "PUT", b"by url", {"Content-Type": ""})[0], 200, "presigned put")
same(s3.get_object(Bucket=bucket, Key="by-url")["Body"].read(), b"by url", "presigned put")

post = s3.generate_presigned_post(
    bucket,
    "forms/${filename}",
    Fields={"acl": "private", "Content-Type": "text/plain"},
    Conditions=[{"acl": "private"}, {"Content-Type": "text/plain"}, ["content-length-range", 1, 20]],
)
body, headers = form(post["fields"], b"by form")
same(fetch(post["url"], "POST", body, headers)[0], 204, "form")
same(s3.get_object(Bucket=bucket, Key="forms/here.txt")["Body"].read(), b"by form", "form")
body, headers = form(post["fields"], b"longer than the policy allows")
same(fetch(post["url"], "POST", body, headers)[0], 400, "form with too long a file")
body, headers = form({**post["fields"], "key": "elsewhere/${filename}"}, b"by form")
same(fetch(post["url"], "POST", body, headers)[0], 403, "form with another key")

rows = [{"Key": key} for key in keys + ["large", "large-copy", "copied", "by-url", "forms/here.txt", "absent"]]
gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": rows})
same((len(gone["Deleted"]), gone.get("Errors", [])), (len(rows), []), "delete_objects")
same(s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0, "nothing is left")
s3.delete_bucket(Bucket=bucket)
