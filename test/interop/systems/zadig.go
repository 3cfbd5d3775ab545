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
func newClient(key, secret string) *s3.S3 {
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
		Credentials:      credentials.NewStaticCredentials(key, secret, ""),
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
	// Two builds of one service end together: the next gets what one of them left, never some of both.
	var builds sync.WaitGroup
	for build := 3; build <= 6; build++ {
		builds.Add(1)
		go func(build byte) {
			defer builds.Done()
			put(client, key, bytes.Repeat([]byte{build, 7, 9}, 1<<20))
		}(byte(build))
	}
	builds.Wait()
	read, err := get(client, key)
	check("get workspace of several writers", err)
	must("a workspace of one writer", bytes.Equal(read, bytes.Repeat(read[:3], 1<<20)) && read[0] >= 3)
}

func keysOf(client *s3.S3, prefix, delimiter string) []string {
	// One page: Zadig asks for no second.
	listed, err := client.ListObjects(&s3.ListObjectsInput{Bucket: bucket, Prefix: aws.String(prefix), Delimiter: aws.String(delimiter)})
	check("list "+prefix, err)
	var keys []string
	for _, object := range listed.Contents {
		keys = append(keys, *object.Key)
	}
	return keys
}

// Logs once at the end of a job, files of a step one after another, reports looked for under their folder.
func logsAndArtifacts(client *s3.S3) {
	log := bytes.Repeat([]byte("line\n"), 200)
	logKey := "team-a/wf-demo/12/log/build-job-1.log"
	put(client, logKey, log)
	read, err := get(client, logKey)
	check("get log", err)
	must("log as written", bytes.Equal(read, log))
	put(client, "team-a/wf-demo/12/log/empty.log", nil)
	read, err = get(client, "team-a/wf-demo/12/log/empty.log")
	check("get empty log", err)
	must("an empty log", len(read) == 0)

	folder := "team-a/wf-demo/12/build-job-1/archive/"
	must("no artifacts yet", len(keysOf(client, folder, "")) == 0)
	files := []string{"app.tar.gz", "bin/app", "docs/指南 v1.md", "junit/merged.xml"}
	for _, file := range files {
		put(client, folder+file, []byte(file))
	}
	found := keysOf(client, folder, "")
	must(fmt.Sprint("artifacts in order ", found), len(found) == len(files))
	for index, key := range found {
		must("artifact "+key, key == folder+files[index])
		read, err := get(client, key)
		check("get artifact", err)
		must("artifact as written", string(read) == files[index])
	}
	// The old reaper lists by the whole key, and reads the first it finds.
	found = keysOf(client, folder+"app.tar.gz", "/")
	must("found by its whole key", len(found) == 1 && found[0] == folder+"app.tar.gz")
	_, err = get(client, "wf-demo/12/test/html-report/htmlReportArchived.tar.gz")
	must("no report: "+codeOf(err), codeOf(err) == "NoSuchKey")
	keysOf(client, "", "/")
}

// A tool is fetched from its origin where the cache has none, for whatever reason.
func tool(client *s3.S3) {
	key := "cache/helm-v3.12.0/helm.tar.gz"
	_, err := get(client, key)
	must("no tool", err != nil)
	put(client, key, []byte("tool"))
	read, err := get(client, key)
	check("get tool", err)
	must("tool as written", string(read) == "tool")
}

func namesAndRetention(client *s3.S3) {
	odd := "team-a/wf-demo/12/jobé/junit/测试 a+b&c=d.html"
	put(client, odd, []byte("x"))
	names := keysOf(client, "team-a/wf-demo/12/job", "")
	must("one odd key", len(names) == 1 && names[0] == odd)

	// Of each task one page is found, and all pages go in one request: what is beyond the first page stays.
	retained, err := strconv.Atoi(os.Getenv("RETAINED"))
	check("RETAINED", err)
	putMany(client, "wf-demo/12/f%04d", retained)
	putMany(client, "wf-demo/13/f%04d", 10)
	put(client, "wf-demo/120/other", []byte("x"))
	keys := append(keysOf(client, "wf-demo/12/", ""), keysOf(client, "wf-demo/13/", "")...)
	beyond := retained - 1000
	if beyond < 0 {
		beyond = 0
	}
	must(fmt.Sprint("one page of each task: ", len(keys)), len(keys) == retained-beyond+10)
	for index := 0; len(keys) < 1500; index++ {
		keys = append(keys, fmt.Sprintf("wf-demo/14/gone%04d", index))
	}
	var objects []*s3.ObjectIdentifier
	for _, key := range keys {
		objects = append(objects, &s3.ObjectIdentifier{Key: aws.String(key)})
	}
	deleted, err := client.DeleteObjects(&s3.DeleteObjectsInput{Bucket: bucket, Delete: &s3.Delete{Objects: objects}})
	check("delete 1,500", err)
	must("1,500 deleted", len(deleted.Deleted) == 1500 && len(deleted.Errors) == 0)
	left := keysOf(client, "wf-demo/1", "")
	must(fmt.Sprint("left: ", left), len(left) == beyond+1 && left[beyond] == "wf-demo/120/other")
	_, err = get(client, keys[0])
	must("gone", codeOf(err) == "NoSuchKey")
}

func putMany(client *s3.S3, name string, count int) {
	numbers := make(chan int)
	var writers sync.WaitGroup
	for writer := 0; writer < 16; writer++ {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for number := range numbers {
				put(client, fmt.Sprintf(name, number), []byte("x"))
			}
		}()
	}
	for number := 0; number < count; number++ {
		numbers <- number
	}
	close(numbers)
	writers.Wait()
}

// A chart is put under its name and copied to its revision. The source stands in the header as it is, unescaped.
func charts(client *s3.S3) {
	for _, service := range []string{"svc", "svc+é 1"} {
		folder := "proj/service/" + service + "/"
		put(client, folder+"svc.tar.gz", []byte("chart of "+service))
		_, err := client.CopyObject(&s3.CopyObjectInput{
			Bucket: bucket, CopySource: aws.String(*bucket + "/" + folder + "svc.tar.gz"), Key: aws.String(folder + "svc-7.tar.gz"),
		})
		check("copy", err)
		read, err := get(client, folder+"svc-7.tar.gz")
		check("get copy", err)
		must("copy as its source", string(read) == "chart of "+service)
	}
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
	client := newClient(os.Getenv("ACCESS_KEY"), os.Getenv("SECRET_KEY"))
	switch os.Getenv("PLAY") {
	case "down":
		down(client)
	case "build":
		build(client)
		return
	default:
		put(client, "team-a/.zadig-validate-test", []byte("test"))
		workspace(client)
		logsAndArtifacts(client)
		tool(client)
		namesAndRetention(client)
		charts(client)
		_, err := get(newClient(os.Getenv("ACCESS_KEY"), "not-the-secret"), "x")
		must("wrong secret: "+codeOf(err), codeOf(err) == "SignatureDoesNotMatch")
		_, err = get(newClient(os.Getenv("ACCESS_KEY")+"X", os.Getenv("SECRET_KEY")), "x")
		must("unknown key: "+codeOf(err), codeOf(err) == "InvalidAccessKeyId")
	}
	fmt.Println("done")
}
