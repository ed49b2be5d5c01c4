package accounts

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"
)

const (
	saltBytes     = 16
	passwordBytes = 32

	// A stored hash that asks for more than these was not written by us, and obeying it could stop the machine.
	maxMemoryKiB = 1 << 20
	maxTime      = 64
	maxThreads   = 64
)

// PasswordParams is the work that one argon2id hash takes.
type PasswordParams struct {
	MemoryKiB uint32
	Time      uint32 // passes over the memory
	Threads   uint8
}

// DefaultPasswordParams takes about 40 ms of one core.
var DefaultPasswordParams = PasswordParams{MemoryKiB: 19 << 10, Time: 2, Threads: 1}

func (p PasswordParams) valid() bool {
	return p.MemoryKiB >= 1 && p.MemoryKiB <= maxMemoryKiB && p.Time >= 1 && p.Time <= maxTime &&
		p.Threads >= 1 && p.Threads <= maxThreads
}

// errPasswordHash reports a stored hash that cannot be read. It never quotes it.
var errPasswordHash = errors.New("stored password hash is malformed")

// Hasher hashes passwords, a bounded number at a time, so that a flood of sign-ins waits instead of taking every core and
// all memory. It is safe for concurrent use.
type Hasher struct {
	params PasswordParams
	turns  *semaphore.Weighted
	decoy  string // a hash that no password fits
}

// NewHasher makes a hasher. Zero params mean DefaultPasswordParams; concurrency 0 means the number of CPUs.
func NewHasher(params PasswordParams, concurrency int) *Hasher {
	if params == (PasswordParams{}) {
		params = DefaultPasswordParams
	}
	if concurrency <= 0 {
		concurrency = runtime.NumCPU()
	}
	decoy := phc{params: params, salt: random(saltBytes), key: random(passwordBytes)}
	return &Hasher{params: params, turns: semaphore.NewWeighted(int64(concurrency)), decoy: decoy.String()}
}

// Hash returns the PHC string of password with a fresh salt. It fails only when ctx ends before its turn comes.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	p := phc{params: h.params, salt: random(saltBytes)}
	key, err := h.derive(ctx, password, p, passwordBytes)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	p.key = key
	return p.String(), nil
}

// Verify reports whether password is the one behind stored, and whether stored should be replaced because it was made with
// other parameters than today's. An empty stored means that there is no such user: the work is the same, the answer no.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (ok, stale bool, err error) {
	known := stored != ""
	if !known {
		stored = h.decoy
	}
	p, err := parsePHC(stored)
	if err != nil {
		return false, false, err
	}
	key, err := h.derive(ctx, password, p, len(p.key))
	if err != nil {
		return false, false, fmt.Errorf("verify password: %w", err)
	}
	ok = subtle.ConstantTimeCompare(key, p.key) == 1 && known
	return ok, ok && (p.params != h.params || len(p.key) != passwordBytes), nil
}

func (h *Hasher) derive(ctx context.Context, password string, p phc, n int) ([]byte, error) {
	if err := h.turns.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("wait for a turn: %w", err)
	}
	defer h.turns.Release(1)
	return argon2.IDKey([]byte(password), p.salt, p.params.Time, p.params.MemoryKiB, p.params.Threads, uint32(n)), nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: the runtime ends the program first
	return b
}

// phc is a hash in the string format of the Password Hashing Competition:
// $argon2id$v=19$m=19456,t=2,p=1$salt$key
type phc struct {
	params PasswordParams
	salt   []byte
	key    []byte
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, p.params.MemoryKiB, p.params.Time, p.params.Threads, b64(p.salt), b64(p.key))
}

func parsePHC(s string) (phc, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return phc{}, errPasswordHash
	}
	var p phc
	var err error
	if p.params, err = parseParams(parts[3]); err != nil {
		return phc{}, err
	}
	b64 := base64.RawStdEncoding.Strict()
	if p.salt, err = b64.DecodeString(parts[4]); err != nil || len(p.salt) < 8 || len(p.salt) > 64 {
		return phc{}, errPasswordHash
	}
	if p.key, err = b64.DecodeString(parts[5]); err != nil || len(p.key) < 16 || len(p.key) > 128 {
		return phc{}, errPasswordHash
	}
	if p.String() != s { // one spelling only: base64 and numbers have others
		return phc{}, errPasswordHash
	}
	return p, nil
}

// parseParams reads "m=19456,t=2,p=1", in this order.
func parseParams(s string) (PasswordParams, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return PasswordParams{}, errPasswordHash
	}
	var n [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(fields[i], name)
		v, err := strconv.ParseUint(digits, 10, 24)
		if !ok || err != nil {
			return PasswordParams{}, errPasswordHash
		}
		n[i] = v
	}
	if n[2] > maxThreads {
		return PasswordParams{}, errPasswordHash
	}
	p := PasswordParams{MemoryKiB: uint32(n[0]), Time: uint32(n[1]), Threads: uint8(n[2])}
	if !p.valid() {
		return PasswordParams{}, errPasswordHash
	}
	return p, nil
}
