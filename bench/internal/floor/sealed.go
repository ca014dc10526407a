package floor

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"net/http"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// sealedRecords keep a session in its cookie: a binary record under AES-256-GCM with
// one key for all cookies, prepared once, bound to nothing.
type sealedRecords struct{ aead cipher.AEAD }

// Sealed keeps sessions in their cookies.
func Sealed() (*contest.Site, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: crypto/rand crashes the program instead
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	s := sealedRecords{aead}
	create := func(signedIn, large bool) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			vary(w)
			idOf(r)
			s.send(w, encode(pairs(signedIn, large)))
		})
	}
	change := func(f func([]byte) (string, error)) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			vary(w)
			rec, err := s.open(r)
			if err == nil {
				var next string
				if next, err = f(rec); err == nil {
					s.send(w, next)
					return
				}
			}
			fail(w, err)
		})
	}
	read := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			vary(w)
			rec, err := s.open(r)
			if err != nil {
				return
			}
			if from, to, err := field(rec, name); err == nil {
				answer(w, string(rec[from:to]))
			}
		})
	}
	return &contest.Site{
		Untouched:   http.HandlerFunc(untouched),
		Read:        read(contest.KeyUID),
		Number:      read(contest.KeyN),
		Increment:   change(incremented[[]byte]),
		Create:      create(true, false),
		CreateLarge: create(true, true),
		Anonymous:   create(false, false),
		SignIn:      change(func(rec []byte) (string, error) { return signedIn(string(rec)), nil }),
		KeepsID:     true, // the old cookie still opens
	}, nil
}

func (s sealedRecords) open(r *http.Request) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(idOf(r))
	if err != nil {
		return nil, err
	}
	return s.aead.Open(nil, nil, b, nil)
}

func (s sealedRecords) send(w http.ResponseWriter, rec string) {
	b := s.aead.Seal(nil, nil, []byte(rec), nil)
	setCookie(w, base64.RawURLEncoding.EncodeToString(b))
	answer(w, contest.OK)
}
