// aws-sdk-go V1's round: what its users do with the client, the transfer manager and presigned URLs.
// The environment says where and with which keys. Ends with "done", or with 1 and what differed.
package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/s3"
	"github.com/aws/aws-sdk-go/service/s3/s3manager"
)

func must(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func fail(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func same(found, wanted interface{}, what string) {
	if fmt.Sprint(found) != fmt.Sprint(wanted) {
		fail("%s: found %v, expected %v", what, found, wanted)
	}
}

func codeOf(err error) string {
	if failure, ok := err.(awserr.Error); ok {
		return failure.Code()
	}
	return fmt.Sprint(err)
}

func main() {
	bucket := aws.String(os.Getenv("BUCKET"))
	size, err := strconv.Atoi(os.Getenv("SIZE"))
	must(err, "SIZE")
	sess := session.Must(session.NewSession(&aws.Config{
		Endpoint:         aws.String(os.Getenv("ENDPOINT")),
		Region:           aws.String("us-east-1"),
		S3ForcePathStyle: aws.Bool(true),
		MaxRetries:       aws.Int(0),
		Credentials:      credentials.NewStaticCredentials(os.Getenv("ACCESS_KEY"), os.Getenv("SECRET_KEY"), ""),
	}))
	client := s3.New(sess)
	get := func(key string, span *string) []byte {
		answer, err := client.GetObject(&s3.GetObjectInput{Bucket: bucket, Key: aws.String(key), Range: span})
		must(err, "get "+key)
		body, err := io.ReadAll(answer.Body)
		must(err, "read "+key)
		return body
	}

	_, err = client.CreateBucket(&s3.CreateBucketInput{Bucket: bucket})
	must(err, "create bucket")
	must(client.WaitUntilBucketExists(&s3.HeadBucketInput{Bucket: bucket}), "bucket exists")

	keys := []string{"plain", "empty", "dir/small.txt", "a b+c%20", "ünï/测试.txt", "quote'&amp;", "tilde~(x)!*"}
	for _, key := range keys {
		body := []byte(key)
		if key == "empty" {
			body = nil
		}
		_, err = client.PutObject(&s3.PutObjectInput{Bucket: bucket, Key: aws.String(key), Body: bytes.NewReader(body),
			ContentType: aws.String("text/x-test"), Metadata: map[string]*string{"Who": aws.String("me")}})
		must(err, "put "+key)
		same(string(get(key, nil)), string(body), key)
	}
	head, err := client.HeadObject(&s3.HeadObjectInput{Bucket: bucket, Key: aws.String("plain")})
	must(err, "head")
	same(*head.ContentType+*head.Metadata["Who"], "text/x-testme", "head")
	sort.Strings(keys)
	var listed []string
	must(client.ListObjectsV2Pages(&s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int64(2)},
		func(page *s3.ListObjectsV2Output, last bool) bool {
			for _, row := range page.Contents {
				listed = append(listed, *row.Key)
			}
			return true
		}), "list V2")
	same(strings.Join(listed, "|"), strings.Join(keys, "|"), "list V2")
	var prefixes []string
	must(client.ListObjectsPages(&s3.ListObjectsInput{Bucket: bucket, Delimiter: aws.String("/"), MaxKeys: aws.Int64(3)},
		func(page *s3.ListObjectsOutput, last bool) bool {
			for _, row := range page.CommonPrefixes {
				prefixes = append(prefixes, *row.Prefix)
			}
			return true
		}), "list V1")
	same(prefixes, []string{"dir/", "ünï/"}, "list V1")

	content := make([]byte, size)
	rand.New(rand.NewSource(7)).Read(content)
	uploader := s3manager.NewUploader(sess)
	_, err = uploader.Upload(&s3manager.UploadInput{Bucket: bucket, Key: aws.String("large"), Body: bytes.NewReader(content)})
	must(err, "upload in parts")
	back := aws.NewWriteAtBuffer(make([]byte, 0, size))
	_, err = s3manager.NewDownloader(sess).Download(back, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("large")})
	must(err, "download by ranges")
	same(bytes.Equal(back.Bytes(), content), true, "download by ranges")
	same(bytes.Equal(get("large", aws.String("bytes=-7")), content[size-7:]), true, "the last bytes")

	_, err = client.CopyObject(&s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: aws.String(*bucket + "/ünï/测试.txt")})
	must(err, "copy")
	same(string(get("copy", nil)), "ünï/测试.txt", "copy")
	_, err = client.GetObject(&s3.GetObjectInput{Bucket: bucket, Key: aws.String("absent")})
	same(codeOf(err), "NoSuchKey", "absent")
	_, err = client.HeadObject(&s3.HeadObjectInput{Bucket: bucket, Key: aws.String("absent")})
	same(codeOf(err), "NotFound", "absent by HEAD")
	_, err = client.DeleteBucket(&s3.DeleteBucketInput{Bucket: bucket})
	same(codeOf(err), "BucketNotEmpty", "a bucket that is not empty")

	request, _ := client.GetObjectRequest(&s3.GetObjectInput{Bucket: bucket, Key: aws.String("a b+c%20")})
	url, err := request.Presign(time.Minute)
	must(err, "presign")
	answer, err := http.Get(url)
	must(err, "presigned get")
	body, _ := io.ReadAll(answer.Body)
	same(string(body), "a b+c%20", "presigned get")
	request, _ = client.PutObjectRequest(&s3.PutObjectInput{Bucket: bucket, Key: aws.String("by url")})
	url, err = request.Presign(time.Minute)
	must(err, "presign")
	put, _ := http.NewRequest("PUT", url, strings.NewReader("by url"))
	answer, err = http.DefaultClient.Do(put)
	must(err, "presigned put")
	same(answer.StatusCode, 200, "presigned put")

	all := append(keys, "large", "copy", "by url", "absent")
	var batch []*s3.ObjectIdentifier
	for _, key := range all {
		batch = append(batch, &s3.ObjectIdentifier{Key: aws.String(key)})
	}
	gone, err := client.DeleteObjects(&s3.DeleteObjectsInput{Bucket: bucket, Delete: &s3.Delete{Objects: batch}})
	must(err, "delete many")
	same(fmt.Sprint(len(gone.Deleted), len(gone.Errors)), fmt.Sprint(len(all), 0), "delete many")
	_, err = client.DeleteBucket(&s3.DeleteBucketInput{Bucket: bucket})
	must(err, "delete bucket")
	fmt.Println("done")
}
