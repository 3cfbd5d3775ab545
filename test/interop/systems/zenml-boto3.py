"""What ZenML asks by boto3. Arguments: signature (s3, s3v4 or none), addressing, endpoint, bucket; keys in the environment.

Ends with 1 and says what differed.
"""

import os
import socket
import sys
import time

import boto3
from botocore.client import Config
from botocore.exceptions import ClientError

signature, addressing, endpoint, bucket = sys.argv[1:]

# As a wildcard in the office's DNS: every name leads to this machine.
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *args, **kwargs: resolve("127.0.0.1", *args, **kwargs)

config = Config(
    **({} if signature == "none" else {"signature_version": signature}),
    s3={"addressing_style": addressing},
    retries={"max_attempts": 0},
)
# The control path has the data path's settings since ZenML 0.92; before, none but the endpoint.
control = boto3.resource("s3", endpoint_url=endpoint)
data = boto3.client("s3", endpoint_url=endpoint, config=config)


def same(found, expected, what):
    if found != expected:
        sys.exit(f"{what}: found {found!r}, expected {expected!r}")


def code_of(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "none"


same(control.Bucket(bucket).Versioning().status, None, "versioning at start")
same(code_of(data.head_bucket, Bucket="unknown-bucket"), "404", "an unknown bucket")
same(code_of(data.head_object, Bucket=bucket, Key="step/out/dir"), "404", "an absent directory")
same(data.list_objects_v2(Bucket=bucket, Prefix="step/out/dir/", Delimiter="/", MaxKeys=1)["KeyCount"], 0, "its list")

# boto3 waits one second for 100 Continue, and then goes on: a gateway that is slow to say it costs that much each time.
started = time.monotonic()
for number in range(8):
    data.put_object(Bucket=bucket, Key=f"step/out/{number}.json", Body=b'{"a":1}')
if time.monotonic() - started > 6:
    sys.exit("100 Continue did not come in time")
keys = {"aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": "not-the-secret"}
wrong = boto3.client("s3", endpoint_url=endpoint, config=config, **keys)
same(code_of(wrong.put_object, Bucket=bucket, Key="step/out/x", Body=b"x" * 2**21), "SignatureDoesNotMatch", "refused")

etag = data.head_object(Bucket=bucket, Key="step/out/0.json")["ETag"]
listed = data.list_objects_v2(Bucket=bucket, Prefix="step/out/0")["Contents"][0]["ETag"]
read = data.get_object(Bucket=bucket, Key="step/out/0.json", Range="bytes=0-2", IfMatch=etag)
same((listed, read["ETag"], read["Body"].read()), (etag, etag, b'{"a'), "one ETag, and the range")
same(code_of(data.get_object, Bucket=bucket, Key="step/out/0.json", IfMatch='"0123"'), "PreconditionFailed", "If-Match")

log, part = "step/logs/a é+b.log", b"line\n" * 2**20
data.put_object(Bucket=bucket, Key=log, Body=part)
upload = data.create_multipart_upload(Bucket=bucket, Key=log)["UploadId"]
where = {"Bucket": bucket, "Key": log, "UploadId": upload}
source = {"Bucket": bucket, "Key": log}
first = data.upload_part_copy(**where, PartNumber=1, CopySource=source)["CopyPartResult"]["ETag"]
second = data.upload_part(**where, PartNumber=2, Body=b"end\n")["ETag"]
parts = [{"ETag": first, "PartNumber": 1}, {"ETag": second, "PartNumber": 2}]
data.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
same(data.get_object(Bucket=bucket, Key=log)["Body"].read(), part + b"end\n", "an appended log")

keys = [each.key for each in control.Bucket(bucket).objects.filter(Prefix="step/")]
same(len(keys), 9, "all keys")
objects = [{"Key": key} for key in [*keys, "step/logs", "step"]]
removed = data.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
same(removed.get("Errors"), None, "rmtree")
same(data.list_objects_v2(Bucket=bucket)["KeyCount"], 0, "nothing left")
