// aws-sdk-go-v2's round: what its users do with the client, the transfer manager, checksums and presigned URLs.
// The environment says where and with which keys. Ends with "done", or with 1 and what differed.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
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

func codeOf(err error) string {
	var failure smithy.APIError
	if errors.As(err, &failure) {
		return failure.ErrorCode()
	}
	return fmt.Sprint(err)
}

func main() {
	ctx := context.Background()
	bucket := aws.String(os.Getenv("BUCKET"))
	size, err := strconv.Atoi(os.Getenv("SIZE"))
	must(err, "SIZE")
	client := s3.New(s3.Options{
		BaseEndpoint:     aws.String(os.Getenv("ENDPOINT")),
		Region:           "us-east-1",
		UsePathStyle:     true,
		RetryMaxAttempts: 1,
		Credentials:      credentials.NewStaticCredentialsProvider(os.Getenv("ACCESS_KEY"), os.Getenv("SECRET_KEY"), ""),
	})
	// Checksums are compared by the SDK, where the service tells any.
	get := func(key string, span *string) []byte {
		answer, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String(key), Range: span,
			ChecksumMode: types.ChecksumModeEnabled})
		must(err, "get "+key)
		body, err := io.ReadAll(answer.Body)
		must(err, "read "+key)
		return body
	}

	_, err = client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	must(err, "create bucket")
	must(s3.NewBucketExistsWaiter(client).Wait(ctx, &s3.HeadBucketInput{Bucket: bucket}, time.Minute), "bucket exists")

	algorithms := append(types.ChecksumAlgorithm("").Values(), "")
	keys := []string{"plain", "empty", "dir/small.txt", "a b+c%20", "ünï/测试.txt", "quote'&amp;", "tilde~(x)!*"}
	for at, key := range keys {
		body := []byte(key)
		if key == "empty" {
			body = nil
		}
		_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String(key), Body: bytes.NewReader(body),
			ContentType: aws.String("text/x-test"), Metadata: map[string]string{"who": "me"},
			ChecksumAlgorithm: algorithms[at%len(algorithms)]})
		must(err, "put "+key)
		same(string(get(key, nil)), string(body), key)
	}
	head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("plain")})
	must(err, "head")
	same(*head.ContentType+head.Metadata["who"], "text/x-testme", "head")
	sort.Strings(keys)
	var listed []string
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		must(err, "list V2")
		for _, row := range page.Contents {
			listed = append(listed, *row.Key)
		}
	}
	same(strings.Join(listed, "|"), strings.Join(keys, "|"), "list V2")
	first, err := client.ListObjects(ctx, &s3.ListObjectsInput{Bucket: bucket, Delimiter: aws.String("/")})
	must(err, "list V1")
	var prefixes []string
	for _, row := range first.CommonPrefixes {
		prefixes = append(prefixes, *row.Prefix)
	}
	same(prefixes, []string{"dir/", "ünï/"}, "list V1")

	content := make([]byte, size)
	rand.New(rand.NewSource(7)).Read(content)
	uploader := manager.NewUploader(client)
	for key, algorithm := range map[string]types.ChecksumAlgorithm{"large": "", "summed": types.ChecksumAlgorithmCrc32c} {
		_, err = uploader.Upload(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String(key), Body: bytes.NewReader(content),
			ChecksumAlgorithm: algorithm})
		must(err, "upload in parts "+key)
		back := manager.NewWriteAtBuffer(make([]byte, 0, size))
		_, err = manager.NewDownloader(client).Download(ctx, back, &s3.GetObjectInput{Bucket: bucket, Key: aws.String(key)})
		must(err, "download by ranges "+key)
		same(bytes.Equal(back.Bytes(), content), true, "download by ranges "+key)
	}
	same(bytes.Equal(get("summed", aws.String("bytes=-7")), content[size-7:]), true, "the last bytes")

	_, err = client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"),
		CopySource: aws.String(*bucket + "/dir/small.txt")})
	must(err, "copy")
	same(string(get("copy", nil)), "dir/small.txt", "copy")
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("absent")})
	same(codeOf(err), "NoSuchKey", "absent")
	_, err = client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("absent")})
	same(codeOf(err), "NotFound", "absent by HEAD")
	_, err = client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	same(codeOf(err), "BucketNotEmpty", "a bucket that is not empty")

	presigner := s3.NewPresignClient(client, s3.WithPresignExpires(time.Minute))
	request, err := presigner.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("a b+c%20")})
	must(err, "presign")
	answer, err := http.Get(request.URL)
	must(err, "presigned get")
	body, err := io.ReadAll(answer.Body)
	must(err, "presigned get")
	same(string(body), "a b+c%20", "presigned get")
	request, err = presigner.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("by url")})
	must(err, "presign")
	put, err := http.NewRequest(request.Method, request.URL, strings.NewReader("by url"))
	must(err, "presign")
	answer, err = http.DefaultClient.Do(put)
	must(err, "presigned put")
	same(answer.StatusCode, 200, "presigned put")
	same(string(get("by url", nil)), "by url", "presigned put")

	all := append(keys, "large", "summed", "copy", "by url", "absent")
	var batch []types.ObjectIdentifier
	for _, key := range all {
		batch = append(batch, types.ObjectIdentifier{Key: aws.String(key)})
	}
	gone, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: batch}})
	must(err, "delete many")
	same(fmt.Sprint(len(gone.Deleted), len(gone.Errors)), fmt.Sprint(len(all), 0), "delete many")
	_, err = client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	must(err, "delete bucket")
	fmt.Println("done")
}
