// minio-go's round: signed chunks, checksums in trailers, streams of unknown length, composed objects, forms.
// The environment says where and with which keys. Ends with "done", or with 1 and what differed.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand"
	"mime/multipart"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func fail(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func must(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func same(found, wanted interface{}, what string) {
	if fmt.Sprint(found) != fmt.Sprint(wanted) {
		fail("%s: found %v, expected %v", what, found, wanted)
	}
}

func codeOf(err error) string { return minio.ToErrorResponse(err).Code }

func main() {
	ctx := context.Background()
	bucket := os.Getenv("BUCKET")
	size, err := strconv.Atoi(os.Getenv("SIZE"))
	must(err, "SIZE")
	client, err := minio.New(strings.TrimPrefix(os.Getenv("ENDPOINT"), "http://"), &minio.Options{
		Creds:           credentials.NewStaticV4(os.Getenv("ACCESS_KEY"), os.Getenv("SECRET_KEY"), ""),
		TrailingHeaders: true,
		MaxRetries:      1,
	})
	must(err, "client")
	get := func(key string, options minio.GetObjectOptions) []byte {
		object, err := client.GetObject(ctx, bucket, key, options)
		must(err, "get "+key)
		body, err := io.ReadAll(object)
		must(err, "read "+key)
		return body
	}

	must(client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}), "make bucket")
	exists, err := client.BucketExists(ctx, bucket)
	must(err, "bucket exists")
	same(exists, true, "bucket exists")

	sums := []minio.ChecksumType{minio.ChecksumNone, minio.ChecksumCRC32C, minio.ChecksumSHA256, minio.ChecksumCRC64NVME}
	keys := []string{"plain", "empty", "dir/small.txt", "a b+c%20", "ünï/测试.txt", "quote'&amp;", "tilde~(x)!*"}
	for at, key := range keys {
		body := key
		if key == "empty" {
			body = ""
		}
		_, err = client.PutObject(ctx, bucket, key, strings.NewReader(body), int64(len(body)), minio.PutObjectOptions{
			ContentType: "text/x-test", UserMetadata: map[string]string{"who": "me"}, Checksum: sums[at%len(sums)]})
		must(err, "put "+key)
		same(string(get(key, minio.GetObjectOptions{})), body, key)
	}
	stat, err := client.StatObject(ctx, bucket, "plain", minio.StatObjectOptions{})
	must(err, "stat")
	same(fmt.Sprint(stat.Size, stat.ContentType, stat.UserMetadata["Who"]), "5text/x-testme", "stat")
	sort.Strings(keys)
	for _, v1 := range []bool{false, true} {
		var listed []string
		for row := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true, MaxKeys: 2, UseV1: v1}) {
			must(row.Err, "list")
			listed = append(listed, row.Key)
		}
		same(strings.Join(listed, "|"), strings.Join(keys, "|"), "list")
	}

	content := make([]byte, size)
	rand.New(rand.NewSource(7)).Read(content)
	// The length is not told, so it reads to the end part by part.
	_, err = client.PutObject(ctx, bucket, "large", bytes.NewReader(content), -1,
		minio.PutObjectOptions{PartSize: 5 << 20, NumThreads: 3, ConcurrentStreamParts: true})
	must(err, "upload of unknown length")
	same(bytes.Equal(get("large", minio.GetObjectOptions{}), content), true, "large")
	_, err = client.PutObject(ctx, bucket, "summed", bytes.NewReader(content), int64(size),
		minio.PutObjectOptions{PartSize: 5 << 20, Checksum: minio.ChecksumCRC32C})
	must(err, "upload in parts with checksums")
	same(bytes.Equal(get("summed", minio.GetObjectOptions{Checksum: true}), content), true, "summed")
	tail := minio.GetObjectOptions{}
	must(tail.SetRange(0, -7), "range")
	same(bytes.Equal(get("large", tail), content[size-7:]), true, "the last bytes")
	object, err := client.GetObject(ctx, bucket, "large", minio.GetObjectOptions{})
	must(err, "get to seek in")
	_, err = object.Seek(5<<20-3, io.SeekStart)
	must(err, "seek")
	across := make([]byte, 9)
	_, err = io.ReadFull(object, across)
	must(err, "read across parts")
	same(bytes.Equal(across, content[5<<20-3:5<<20+6]), true, "read across parts")

	_, err = client.CopyObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "copy"},
		minio.CopySrcOptions{Bucket: bucket, Object: "ünï/测试.txt"})
	must(err, "copy")
	same(string(get("copy", minio.GetObjectOptions{})), "ünï/测试.txt", "copy")
	_, err = client.ComposeObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "composed"},
		minio.CopySrcOptions{Bucket: bucket, Object: "large"}, minio.CopySrcOptions{Bucket: bucket, Object: "plain"})
	must(err, "compose")
	same(bytes.Equal(get("composed", minio.GetObjectOptions{}), append(content, "plain"...)), true, "composed of two")
	_, err = client.StatObject(ctx, bucket, "absent", minio.StatObjectOptions{})
	same(codeOf(err), "NoSuchKey", "absent")
	same(codeOf(client.RemoveBucket(ctx, bucket)), "BucketNotEmpty", "a bucket that is not empty")

	url, err := client.PresignedGetObject(ctx, bucket, "a b+c%20", time.Minute, nil)
	must(err, "presign")
	answer, err := http.Get(url.String())
	must(err, "presigned get")
	body, err := io.ReadAll(answer.Body)
	must(err, "presigned get")
	same(string(body), "a b+c%20", "presigned get")

	policy := minio.NewPostPolicy()
	must(policy.SetBucket(bucket), "policy")
	must(policy.SetKey("by form"), "policy")
	must(policy.SetExpires(time.Now().UTC().Add(time.Minute)), "policy")
	must(policy.SetContentLengthRange(1, 20), "policy")
	url, fields, err := client.PresignedPostPolicy(ctx, policy)
	must(err, "policy")
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	for name, value := range fields {
		must(writer.WriteField(name, value), "form")
	}
	file, err := writer.CreateFormFile("file", "here.txt")
	must(err, "form")
	_, err = file.Write([]byte("by form"))
	must(err, "form")
	must(writer.Close(), "form")
	answer, err = http.Post(url.String(), writer.FormDataContentType(), &form)
	must(err, "form")
	same(answer.StatusCode, 204, "form")
	same(string(get("by form", minio.GetObjectOptions{})), "by form", "form")

	rows := make(chan minio.ObjectInfo)
	go func() {
		for _, key := range append(keys, "large", "summed", "copy", "composed", "by form", "absent") {
			rows <- minio.ObjectInfo{Key: key}
		}
		close(rows)
	}()
	for failure := range client.RemoveObjects(ctx, bucket, rows, minio.RemoveObjectsOptions{}) {
		fail("remove %s: %v", failure.ObjectName, failure.Err)
	}
	must(client.RemoveBucket(ctx, bucket), "remove bucket")
	fmt.Println("done")
}
