package azuresim

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// mint derives identifiers from the seed and the names of things. An identifier
// therefore depends on what it names and not on the order of requests, and
// adding a resource to a scenario changes no other.
type mint struct{ seed uint64 }

// sum hashes the seed and parts.
func (m mint) sum(parts ...any) [32]byte {
	h := sha256.New()
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], m.seed)
	h.Write(seed[:])
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "|%v", part) // a hash takes everything
	}
	return [32]byte(h.Sum(nil))
}

// hex32 returns 32 hexadecimal digits: the form of key versions (facts §2).
func (m mint) hex32(parts ...any) string {
	sum := m.sum(parts...)
	return hex.EncodeToString(sum[:16])
}

// guid returns a version 4 GUID.
func (m mint) guid(parts ...any) string {
	sum := m.sum(parts...)
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b)
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

// number returns a number in [0, n).
func (m mint) number(n uint64, parts ...any) uint64 {
	sum := m.sum(parts...)
	return binary.BigEndian.Uint64(sum[:8]) % n
}
