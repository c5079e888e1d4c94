package dashboard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"
)

const (
	// cookieName has the prefix by which browsers take it from this host alone, over
	// TLS alone.
	cookieName = "__Host-cmkd"
	// sessionTime is how long a browser stays logged in.
	sessionTime = 12 * time.Hour

	nonceSize   = 16
	sessionSize = 8 + nonceSize + sha256.Size
)

// sessions makes and checks what browsers show instead of the token: when it ends, a
// random number, and a MAC over both and the token, with a key made at the start.
// So nothing is kept per session, and a new token ends all of them.
type sessions struct{ key []byte }

func newSessions() *sessions {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails, by its documentation
	return &sessions{key: key}
}

func (s *sessions) mac(claim []byte, token secret) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(claim)
	h.Write(token[:])
	return h.Sum(nil)
}

func (s *sessions) begin(token secret, now time.Time) string {
	claim := binary.BigEndian.AppendUint64(nil, uint64(now.Add(sessionTime).Unix()))
	nonce := make([]byte, nonceSize)
	rand.Read(nonce) // never fails, by its documentation
	claim = append(claim, nonce...)
	return base64.RawURLEncoding.EncodeToString(append(claim, s.mac(claim, token)...))
}

func (s *sessions) valid(value string, token secret, now time.Time) bool {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(raw) != sessionSize {
		return false
	}
	claim, mac := raw[:8+nonceSize], raw[8+nonceSize:]
	return hmac.Equal(mac, s.mac(claim, token)) && now.Unix() < int64(binary.BigEndian.Uint64(claim))
}

// matches compares a token with the one demanded, in a time that tells nothing.
func (t secret) matches(token string) bool {
	digest := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(digest[:], t[:]) == 1
}

// admitted reports whether a request may see data.
func (s *Server) admitted(r *http.Request) bool {
	if s.token == nil {
		return true
	}
	token := s.token.get()
	if scheme, value, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return token.matches(strings.TrimSpace(value))
	}
	cookie, err := r.Cookie(cookieName)
	return err == nil && s.sessions.valid(cookie.Value, token, time.Now())
}

// setCookie logs the browser in.
func (s *Server) setCookie(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: s.sessions.begin(s.token.get(), time.Now()), Path: "/",
		MaxAge: int(sessionTime / time.Second), HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode,
	})
}
