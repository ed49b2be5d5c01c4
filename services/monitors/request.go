package monitors

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/frogstats/uptime/internal/fault"
)

// Metadata that the gateway sets from a request's headers, and makes headers of in the answer.
const (
	ifMatchKey     = "if-match"
	idempotencyKey = "idempotency-key"
	etagKey        = "etag"
	httpCodeKey    = "x-http-code"
)

// answerHeaders sets the answer's metadata from pairs of key and value. It can only fail once the answer is on its way,
// and then nobody waits for them.
func answerHeaders(ctx context.Context, pairs ...string) {
	_ = grpc.SetHeader(ctx, metadata.Pairs(pairs...))
}

// ifMatch is the precondition of a change: the request's If-Match, if there is one, must name m's entity tag or "*". Weak
// tags never match, nor does what is not a list of tags: the change is then not made, which is the safe side.
func ifMatch(ctx context.Context, m Monitor) error {
	if ifMatchTag(ctx, m.ETag()) != nil {
		return errStale
	}
	return nil
}

// ifMatchTag is ifMatch for whatever has the entity tag.
func ifMatchTag(ctx context.Context, etag string) error {
	given := metadata.ValueFromIncomingContext(ctx, ifMatchKey)
	if len(given) == 0 {
		return nil
	}
	for tag := range strings.SplitSeq(strings.Join(given, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag {
			return nil
		}
	}
	return errStaleThing
}

var errStaleThing = fault.Precondition("it has changed since you read it; read it again").Because("ETAG_MISMATCH")

var errStale = fault.Precondition("the monitor has changed since you read it; read it again").Because("ETAG_MISMATCH")

const (
	maxIdempotencyKeyBytes = 200
	answerLife             = 24 * time.Hour
)

var errKeyReused = fault.Conflict("this Idempotency-Key was used for another request").Because("IDEMPOTENCY_KEY_REUSED")

// retry is the idempotency of one request. The zero value is a request without a key.
type retry struct {
	key         AnswerKey
	fingerprint []byte
	at          time.Time
}

// retryOf reads the request's key. The fingerprint is keyed, because a bare hash of a request could be used to try out
// guesses of the password in it.
func (s *Service) retryOf(ctx context.Context, method string, req proto.Message, at time.Time) (retry, error) {
	given := metadata.ValueFromIncomingContext(ctx, idempotencyKey)
	if len(given) == 0 {
		return retry{}, nil
	}
	key := strings.TrimSpace(given[0])
	if len(given) > 1 || key == "" || len(key) > maxIdempotencyKeyBytes {
		return retry{}, fault.Invalid("", fault.Field{
			Name: "Idempotency-Key", Message: fmt.Sprintf("must be one key of 1 to %d bytes", maxIdempotencyKeyBytes),
		})
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return retry{}, fmt.Errorf("fingerprint of request: %w", err)
	}
	h := hmac.New(sha256.New, s.pageKey)
	h.Write([]byte("frogup idempotency\x00" + method + "\x00"))
	h.Write(body)
	return retry{
		key: AnswerKey{OrganizationID: organization(ctx), Key: key}, fingerprint: h.Sum(nil), at: at,
	}, nil
}

// answers is where first answers are kept: the store, or a transaction of it.
type answers interface {
	Answer(ctx context.Context, k AnswerKey, since time.Time) (Answer, bool, error)
}

// first reads the answer that this request had before into out; false if it is the first of its kind.
func (r retry) first(ctx context.Context, from answers, out proto.Message) (etag string, found bool, err error) {
	if r.key.Key == "" {
		return "", false, nil
	}
	a, found, err := from.Answer(ctx, r.key, r.at.Add(-answerLife))
	if err != nil || !found {
		return "", false, err
	}
	if !hmac.Equal(a.Fingerprint, r.fingerprint) {
		return "", false, errKeyReused
	}
	if err := proto.Unmarshal(a.Body, out); err != nil {
		return "", false, fmt.Errorf("read first answer: %w", err)
	}
	return a.ETag, true, nil
}

// keep stores the answer in the transaction of the change.
func (r retry) keep(ctx context.Context, tx Tx, out proto.Message, etag string) error {
	if r.key.Key == "" {
		return nil
	}
	body, err := proto.Marshal(out)
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return tx.KeepAnswer(ctx, r.key, Answer{Fingerprint: r.fingerprint, Body: body, ETag: etag, At: r.at}, r.at.Add(-answerLife))
}
