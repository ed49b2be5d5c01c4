package accounts

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// cheap is enough work to be argon2 and little enough for the race detector.
var cheap = PasswordParams{MemoryKiB: 64, Time: 1, Threads: 1}

func TestPasswordRoundTrip(t *testing.T) {
	h := NewHasher(cheap, 0)
	stored, err := h.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=64,t=1,p=1$") || strings.Contains(stored, "correct horse") {
		t.Errorf("stored form is %q", stored)
	}
	again, err := h.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if again == stored {
		t.Error("two hashes of one password are the same: there is no salt")
	}
	other := NewHasher(PasswordParams{MemoryKiB: 128, Time: 1, Threads: 1}, 0)
	for _, tt := range []struct {
		name, stored, password string
		hasher                 *Hasher
		ok, stale              bool
	}{
		{"right", stored, "correct horse", h, true, false},
		{"wrong", stored, "correct horsf", h, false, false},
		{"empty", stored, "", h, false, false},
		{"right, made with other parameters", stored, "correct horse", other, true, true},
		{"wrong, made with other parameters", stored, "wrong", other, false, false},
		{"nobody", "", "correct horse", h, false, false},
		{"nobody, without a password", "", "", h, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ok, stale, err := tt.hasher.Verify(t.Context(), tt.stored, tt.password)
			if err != nil || ok != tt.ok || stale != tt.stale {
				t.Errorf("got %v, %v, %v; want %v, %v", ok, stale, err, tt.ok, tt.stale)
			}
		})
	}
}

func TestPasswordOfNobodyCostsTheSame(t *testing.T) {
	h := NewHasher(PasswordParams{}, 0)
	stored, err := h.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	somebody, err := parsePHC(stored)
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := parsePHC(h.decoy)
	if err != nil {
		t.Fatal(err)
	}
	if somebody.params != DefaultPasswordParams || nobody.params != somebody.params ||
		len(nobody.salt) != len(somebody.salt) || len(nobody.key) != len(somebody.key) {
		t.Errorf("work for nobody %+v differs from work for somebody %+v", nobody.params, somebody.params)
	}
}

func TestPasswordHashThatIsMalformed(t *testing.T) {
	const salt, key = "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	if _, err := parsePHC("$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key); err != nil {
		t.Fatalf("the model that the others are made from: %v", err)
	}
	h := NewHasher(cheap, 0)
	for _, stored := range []string{
		"x", "$argon2id$", "$2a$10$" + salt,
		"$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + key,
		"$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=64,t=1$" + salt + "$" + key,
		"$argon2id$v=19$t=1,m=64,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=0,t=1,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=64,t=0,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=64,t=1,p=0$" + salt + "$" + key,
		"$argon2id$v=19$m=64,t=1,p=257$" + salt + "$" + key, // 1 in a byte
		"$argon2id$v=19$m=4194304,t=1,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=64,t=1000000,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=064,t=1,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=+64,t=1,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=64,t=1,p=1$" + salt + "=$" + key,
		"$argon2id$v=19$m=64,t=1,p=1$$" + key,
		"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$",
		"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key + "$",
	} {
		ok, _, err := h.Verify(t.Context(), stored, "correct horse")
		if ok || !errors.Is(err, errPasswordHash) {
			t.Errorf("%q: got %v, %v; want errPasswordHash", stored, ok, err)
		}
		if err != nil && strings.Contains(err.Error(), salt) {
			t.Errorf("the error quotes the hash: %v", err)
		}
	}
}

func TestPasswordHashingWaitsForItsTurn(t *testing.T) {
	h := NewHasher(cheap, 2)
	if !h.turns.TryAcquire(2) {
		t.Fatal("two turns are not free")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := h.Hash(ctx, "correct horse"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hash while all turns are taken: %v, want deadline exceeded", err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := h.Hash(t.Context(), "correct horse"); err != nil {
				t.Errorf("hash: %v", err)
			}
		})
	}
	h.turns.Release(2)
	group.Wait()
	if !h.turns.TryAcquire(2) {
		t.Error("a turn was not given back")
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add(NewHasher(cheap, 1).decoy)
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5")
	f.Add("$argon2id$v=19$m=99999999999999999999,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePHC(s)
		if err != nil {
			return
		}
		if !p.params.valid() || len(p.salt) == 0 || len(p.key) < 16 {
			t.Errorf("%q gave %+v", s, p)
		}
		if p.String() != s {
			t.Errorf("%q is written back as %q", s, p)
		}
	})
}

func BenchmarkPasswordHash(b *testing.B) {
	h := NewHasher(PasswordParams{}, 0)
	for b.Loop() {
		if _, err := h.Hash(b.Context(), "correct horse"); err != nil {
			b.Fatal(err)
		}
	}
}
