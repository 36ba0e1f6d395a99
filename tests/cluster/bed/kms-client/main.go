// Command kms-client speaks to a KMS v2 plugin as kube-apiserver does: grpc-go, the published messages, authority
// localhost, waiting for the socket.
//
//	kms-client SOCKET                       one JSON request per line in, one JSON answer per line out
//	kms-client -load OP -callers N ...      calls by N callers, and how long they took, as JSON
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sort"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	kms "k8s.io/kms/apis/v2"
)

// Request is one line of input; bytes are base64.
type Request struct {
	Op          string            `json:"op"`
	Plaintext   []byte            `json:"plaintext"`
	Ciphertext  []byte            `json:"ciphertext"`
	UID         string            `json:"uid"`
	KeyID       string            `json:"keyId"`
	Annotations map[string][]byte `json:"annotations"`
	Seconds     float64           `json:"seconds"` // the call's deadline; 3 by default, as kube-apiserver's
}

// Answer is one line of output.
type Answer struct {
	Version     string            `json:"version,omitempty"`
	Healthz     string            `json:"healthz,omitempty"`
	KeyID       string            `json:"keyId,omitempty"`
	Plaintext   []byte            `json:"plaintext,omitempty"`
	Ciphertext  []byte            `json:"ciphertext,omitempty"`
	Annotations map[string][]byte `json:"annotations,omitempty"`
	Code        string            `json:"code"`
	Error       string            `json:"error,omitempty"`
	Seconds     float64           `json:"seconds"`
}

// Figures of a load.
type Figures struct {
	Calls   int     `json:"calls"`
	Failed  int     `json:"failed"`
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50"` // milliseconds, like those below
	P90     float64 `json:"p90"`
	P99     float64 `json:"p99"`
	Max     float64 `json:"max"`
}

func dial(socket string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+socket,
		grpc.WithAuthority("localhost"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithContextDialer(func(ctx context.Context, path string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", path)
		}))
}

func call(client kms.KeyManagementServiceClient, asked Request) Answer {
	limit := 3 * time.Second
	if asked.Seconds > 0 {
		limit = time.Duration(asked.Seconds * float64(time.Second))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var answer Answer
	var err error
	began := time.Now()
	switch asked.Op {
	case "status":
		var r *kms.StatusResponse
		if r, err = client.Status(ctx, &kms.StatusRequest{}); err == nil {
			answer = Answer{Version: r.Version, Healthz: r.Healthz, KeyID: r.KeyId}
		}
	case "encrypt":
		var r *kms.EncryptResponse
		if r, err = client.Encrypt(ctx, &kms.EncryptRequest{Plaintext: asked.Plaintext, Uid: asked.UID}); err == nil {
			answer = Answer{Ciphertext: r.Ciphertext, KeyID: r.KeyId, Annotations: r.Annotations}
		}
	case "decrypt":
		var r *kms.DecryptResponse
		request := &kms.DecryptRequest{
			Ciphertext: asked.Ciphertext, Uid: asked.UID, KeyId: asked.KeyID, Annotations: asked.Annotations}
		if r, err = client.Decrypt(ctx, request); err == nil {
			answer = Answer{Plaintext: r.Plaintext}
		}
	default:
		err = fmt.Errorf("no operation %q", asked.Op)
	}
	answer.Seconds = time.Since(began).Seconds()
	answer.Code = status.Code(err).String()
	if err != nil {
		answer.Error = status.Convert(err).Message()
	}
	return answer
}

func lines(client kms.KeyManagementServiceClient) error {
	out := json.NewEncoder(os.Stdout)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var asked Request
		if err := json.Unmarshal(in.Bytes(), &asked); err != nil {
			return err
		}
		if err := out.Encode(call(client, asked)); err != nil {
			return err
		}
	}
	return in.Err()
}

// load makes calls by callers that each wait for their answer; with a rate, each starts its calls at times of its own.
func load(client kms.KeyManagementServiceClient, asked Request, callers, calls int, rate float64) Figures {
	took := make([][]float64, callers)
	failed := make([]int, callers)
	var group sync.WaitGroup
	began := time.Now()
	for caller := range callers {
		group.Go(func() {
			gap := time.Duration(0)
			if rate > 0 {
				gap = time.Duration(float64(callers) / rate * float64(time.Second))
			}
			next := began.Add(time.Duration(rand.Float64() * float64(gap)))
			for range calls / callers {
				time.Sleep(time.Until(next))
				next = next.Add(gap)
				answer := call(client, asked)
				took[caller] = append(took[caller], answer.Seconds*1e3)
				if answer.Code != "OK" {
					failed[caller]++
				}
			}
		})
	}
	group.Wait()
	figures := Figures{Seconds: time.Since(began).Seconds()}
	var all []float64
	for caller := range callers {
		all = append(all, took[caller]...)
		figures.Failed += failed[caller]
	}
	sort.Float64s(all)
	at := func(share float64) float64 { return all[min(int(share*float64(len(all))), len(all)-1)] }
	figures.Calls, figures.P50, figures.P90, figures.P99, figures.Max = len(all), at(.5), at(.9), at(.99), at(1)
	return figures
}

func main() {
	op := flag.String("load", "", "status, encrypt or decrypt, again and again")
	callers := flag.Int("callers", 100, "callers at once")
	calls := flag.Int("calls", 10000, "calls altogether")
	rate := flag.Float64("rate", 0, "calls started a second; 0: as many as get answered")
	flag.Parse()
	connection, err := dial(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	client := kms.NewKeyManagementServiceClient(connection)
	if *op == "" {
		if err := lines(client); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	asked := Request{Op: *op, Plaintext: make([]byte, 32), UID: "load"}
	if *op == "decrypt" {
		made := call(client, Request{Op: "encrypt", Plaintext: asked.Plaintext, UID: "load"})
		asked.Ciphertext, asked.KeyID, asked.Annotations = made.Ciphertext, made.KeyID, made.Annotations
	}
	json.NewEncoder(os.Stdout).Encode(load(client, asked, *callers, *calls, *rate))
}
