package health

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// grpcCheck calls grpc.health.v1.Health/Check. Both messages have a single field, so that they are made and read by
// hand.
type grpcCheck struct{ client *http2Client }

func newGRPCCheck(p *probe, with *stock) (kind, error) {
	client, err := newHTTP2Client(p, with, func(r *http.Request) {
		r.Method, r.URL.Path, r.URL.RawQuery = http.MethodPost, "/grpc.health.v1.Health/Check", ""
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("Te", "trailers")
	}, healthRequest(p.Check.GRPC))
	return &grpcCheck{client}, err
}

// healthRequest is HealthCheckRequest{service: field 1, a string} behind gRPC's prefix: not compressed, length.
func healthRequest(service string) []byte {
	var body []byte
	if service != "" {
		body = append(body, 1<<3|2)
		body = binary.AppendUvarint(body, uint64(len(service)))
		body = append(body, service...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
}

// servingStatus is the values of HealthCheckResponse.status.
var servingStatus = []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

const serving = 1

var errBadMessage = errors.New("the answer is no HealthCheckResponse")

// healthStatus reads HealthCheckResponse{status: field 1, an enum} behind gRPC's prefix.
func healthStatus(message []byte) (uint64, error) {
	if len(message) < 5 || message[0] != 0 || int(binary.BigEndian.Uint32(message[1:])) != len(message)-5 {
		return 0, errBadMessage
	}
	status := uint64(0) // a field that is not there is 0
	for body := message[5:]; len(body) > 0; {
		tag, n := binary.Uvarint(body)
		if n <= 0 {
			return 0, errBadMessage
		}
		body = body[n:]
		v, n := binary.Uvarint(body)
		if n <= 0 {
			return 0, errBadMessage
		}
		body = body[n:]
		switch tag & 7 {
		case 0: // a number
			if tag>>3 == 1 {
				status = v
			}
		case 2: // bytes, of a field that later versions may have
			if v > uint64(len(body)) {
				return 0, errBadMessage
			}
			body = body[v:]
		default:
			return 0, errBadMessage
		}
	}
	return status, nil
}

func (c *grpcCheck) ask(ctx context.Context, p *probe) (outcome, func()) {
	begun := time.Now()
	a, failure, hangUp := c.client.do(ctx, p)
	if a.status == 0 {
		return failure, hangUp
	}
	return judgeGRPC(a, time.Since(begun)), hangUp
}

func judgeGRPC(a answer, took time.Duration) outcome {
	o := outcome{verdict: fail, took: took, wanted: servingStatus[serving]}
	if a.status != http.StatusOK {
		o.status, o.wanted = a.status, "200"
		return o
	}
	code := a.header.Get("Grpc-Status")
	if code == "" {
		return failedFor("the answer is not gRPC: it has no grpc-status")
	}
	if code != "0" {
		o.what = "gRPC status " + grpcCode(code)
		return o
	}
	status, err := healthStatus(a.body)
	if err != nil {
		return failedFor("%s", err)
	}
	if status == serving {
		return outcome{verdict: pass, what: servingStatus[serving], took: took}
	}
	o.what = fmt.Sprintf("status %d", status)
	if status < uint64(len(servingStatus)) {
		o.what = servingStatus[status]
	}
	return o
}

// grpcCodes are the names of gRPC's status codes.
var grpcCodes = []string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

func grpcCode(text string) string {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n >= len(grpcCodes) {
		return printable(text)
	}
	return strconv.Itoa(n) + " " + grpcCodes[n]
}
