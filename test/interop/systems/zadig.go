// What Zadig does with its storage, by the SDK it does it with. Settings come from the environment; it prints `done`,
// or what failed.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/s3"
)

var bucket = aws.String(os.Getenv("BUCKET"))

func check(what string, err error) {
	if err == nil {
		return
	}
	fmt.Println(what, err)
	os.Exit(1)
}

func must(what string, isTrue bool) {
	if !isTrue {
		check(what, fmt.Errorf("is not so"))
	}
}

// As pkg/tool/s3/client.go does. Every name leads to this machine, as a wildcard in the office's DNS would.
func newClient(secret string) *s3.S3 {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(os.Getenv("CA")))
	address := os.Getenv("ADDRESS")
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{RootCAs: pool},
	}
	config := &aws.Config{
		Credentials:      credentials.NewStaticCredentials(os.Getenv("ACCESS_KEY"), secret, ""),
		Endpoint:         aws.String(os.Getenv("ENDPOINT")),
		Region:           aws.String("ap-shanghai"),
		DisableSSL:       aws.Bool(os.Getenv("CA") == ""),
		S3ForcePathStyle: aws.Bool(os.Getenv("ADDRESSING") == "path"),
		HTTPClient:       &http.Client{Transport: transport},
	}
	return s3.New(session.Must(session.NewSession(config)))
}

func put(client *s3.S3, key string, body []byte) {
	_, err := client.PutObject(&s3.PutObjectInput{Bucket: bucket, Key: aws.String(key), Body: bytes.NewReader(body)})
	check("put "+key, err)
}

func get(client *s3.S3, key string) ([]byte, error) {
	output, err := client.GetObject(&s3.GetObjectInput{Bucket: bucket, Key: aws.String(key)})
	if err != nil {
		return nil, err
	}
	defer output.Body.Close()
	// Zadig reads this without asking whether it is there.
	length := *output.ContentLength
	body, err := io.ReadAll(output.Body)
	must("length of "+key, err != nil || int64(len(body)) == length)
	return body, err
}

func codeOf(err error) string {
	if failed, isAws := err.(awserr.Error); isAws {
		return failed.Code()
	}
	return fmt.Sprint(err)
}

func workspace(client *s3.S3) {
	key := "wf-demo/cache/svc/mod/zadig-build-cache.tar.gz"
	_, err := get(client, key)
	must("first build: "+codeOf(err), codeOf(err) == "NoSuchKey")
	for round := 1; round <= 2; round++ {
		body := bytes.Repeat([]byte{byte(round), 7, 9}, 1<<20)
		put(client, key, body)
		var pods sync.WaitGroup
		for pod := 0; pod < 8; pod++ {
			pods.Add(1)
			go func() {
				defer pods.Done()
				read, err := get(client, key)
				check("get workspace", err)
				must("workspace as written", bytes.Equal(read, body))
			}()
		}
		pods.Wait()
	}
}

func namesAndRetention(client *s3.S3) {
	odd := "team-a/wf-demo/12/jobé/junit/测试 a+b&c=d.html"
	put(client, odd, []byte("x"))
	put(client, "team-a/wf-demo/12/log/empty.log", nil)
	listed, err := client.ListObjects(&s3.ListObjectsInput{Bucket: bucket, Prefix: aws.String("team-a/wf-demo/12/job"), Delimiter: aws.String("")})
	check("list", err)
	must("one odd key", len(listed.Contents) == 1 && *listed.Contents[0].Key == odd)
	var objects []*s3.ObjectIdentifier
	for index := 0; index < 1500; index++ {
		objects = append(objects, &s3.ObjectIdentifier{Key: aws.String(fmt.Sprintf("wf-demo/12/f%04d", index))})
	}
	put(client, *objects[0].Key, []byte("x"))
	put(client, *objects[1499].Key, []byte("x"))
	deleted, err := client.DeleteObjects(&s3.DeleteObjectsInput{Bucket: bucket, Delete: &s3.Delete{Objects: objects}})
	check("delete 1,500", err)
	must("1,500 deleted", len(deleted.Deleted) == 1500 && len(deleted.Errors) == 0)
	_, err = get(client, *objects[1499].Key)
	must("gone", codeOf(err) == "NoSuchKey")
}

func charts(client *s3.S3) {
	source := "proj/service/svc/svc.tar.gz"
	put(client, source, []byte("chart"))
	_, err := client.CopyObject(&s3.CopyObjectInput{
		Bucket: bucket, CopySource: aws.String(*bucket + "/" + source), Key: aws.String("proj/service/svc/svc-7.tar.gz"),
	})
	check("copy", err)
	read, err := get(client, "proj/service/svc/svc-7.tar.gz")
	check("get copy", err)
	must("copy as its source", string(read) == "chart")
}

// The job of a build: its workspace first, three times at most, then the work, then the workspace back. Errors of both
// are ignored; what came of it is printed.
func build(client *s3.S3) {
	key := "wf-demo/cache/build/mod/zadig-build-cache.tar.gz"
	started := time.Now()
	kind := "full"
	for try := 0; try < 3; try++ {
		read, err := get(client, key)
		if err == nil {
			must("a workspace that is whole", bytes.Equal(read, bytes.Repeat(read[:3], len(read)/3)) && len(read) == 3<<20)
			kind = fmt.Sprintf("on %d", read[0])
			break
		}
		if codeOf(err) == "NoSuchKey" {
			break
		}
	}
	number, err := strconv.Atoi(os.Getenv("BUILD"))
	check("BUILD", err)
	_, err = client.PutObject(&s3.PutObjectInput{
		Bucket: bucket, Key: aws.String(key), Body: bytes.NewReader(bytes.Repeat([]byte{byte(number), 7, 9}, 1<<20)),
	})
	must("soon", time.Since(started) < time.Minute)
	fmt.Println(kind+",", map[bool]string{true: "kept", false: "not kept"}[err == nil])
}

// With the vendor away every read must end, and not as if there were nothing.
func down(client *s3.S3) {
	started := time.Now()
	_, err := get(client, "wf-demo/cache/svc/mod/zadig-build-cache.tar.gz")
	code := codeOf(err)
	must("error of an absent vendor: "+code, code == "ServiceUnavailable" || code == "SlowDown")
	must("soon", time.Since(started) < 30*time.Second)
}

func main() {
	client := newClient(os.Getenv("SECRET_KEY"))
	switch os.Getenv("PLAY") {
	case "down":
		down(client)
	case "build":
		build(client)
		return
	default:
		put(client, "team-a/.zadig-validate-test", []byte("test"))
		workspace(client)
		namesAndRetention(client)
		charts(client)
		_, err := get(newClient("not-the-secret"), "x")
		must("wrong secret: "+codeOf(err), codeOf(err) == "SignatureDoesNotMatch")
	}
	fmt.Println("done")
}
