package azuresim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "embed"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"sync"
)

// primesText holds ready-made primes, one "bits base62" a line. Two of them
// make a real RSA key of the size that was asked for without a search of
// hundreds of milliseconds, and the same one in every run.
//
//go:embed primes.txt
var primesText string

// material names the cryptographic content of a key version; the keys
// themselves are made when somebody uses them.
type material struct {
	kty   string   // RSA, EC or oct, without -HSM
	bits  int      // RSA and oct
	curve string   // EC
	pick  uint64   // which of the possible keys
	own   *ownKeys // imported keys
}

// ownKeys is material that a client brought along.
type ownKeys struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

// forge makes keys from material and remembers the RSA ones, whose
// precomputation costs milliseconds.
type forge struct {
	mu     sync.Mutex
	primes map[int][]*big.Int
	keys   map[string]*rsa.PrivateKey
}

func newForge() *forge {
	return &forge{primes: map[int][]*big.Int{}, keys: map[string]*rsa.PrivateKey{}}
}

// rsa returns the key of m.
func (f *forge) rsa(m material) (*rsa.PrivateKey, error) {
	if m.own != nil {
		return m.own.rsa, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	name := fmt.Sprintf("%d/%d", m.bits, m.pick)
	if key, ok := f.keys[name]; ok {
		return key, nil
	}
	primes := f.pool(m.bits / 2)
	if len(primes) < 2 {
		return nil, fmt.Errorf("make RSA key of %d bits: sizes are 2048, 3072, 4096", m.bits)
	}
	key, err := rsaFrom(choosePair(primes, m.pick))
	if err != nil {
		return nil, err
	}
	f.keys[name] = key
	return key, nil
}

// pool returns the primes of a size, read on first use.
func (f *forge) pool(bits int) []*big.Int {
	if len(f.primes) == 0 {
		for line := range strings.Lines(primesText) {
			size, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
			n, _ := strconv.Atoi(size)
			if p, ok := new(big.Int).SetString(digits, 62); ok {
				f.primes[n] = append(f.primes[n], p)
			}
		}
	}
	return f.primes[bits]
}

// choosePair returns two different primes.
func choosePair(primes []*big.Int, pick uint64) (p, q *big.Int) {
	n := uint64(len(primes))
	i := pick % n
	j := (i + 1 + pick/n%(n-1)) % n
	return primes[i], primes[j]
}

// rsaFrom makes the key of two primes. Both have their two top bits set, so
// the modulus has exactly twice their size.
func rsaFrom(p, q *big.Int) (*rsa.PrivateKey, error) {
	one := big.NewInt(1)
	totient := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D:         new(big.Int).ModInverse(big.NewInt(65537), totient),
		Primes:    []*big.Int{p, q},
	}
	key.Precompute()
	if err := key.Validate(); err != nil {
		return nil, fmt.Errorf("make RSA key: %w", err)
	}
	return key, nil
}

// ec returns the key of m, derived from its pick.
func (f *forge) ec(m material) (*ecdsa.PrivateKey, error) {
	if m.own != nil {
		return m.own.ec, nil
	}
	curve := curveOf(m.curve)
	if curve == nil {
		return nil, fmt.Errorf("make EC key: curve %q is not simulated", m.curve)
	}
	size := (curve.Params().BitSize + 7) / 8
	raw := make([]byte, 0, size)
	for i := 0; len(raw) < size; i++ {
		sum := mint{m.pick}.sum("ec", m.curve, i)
		raw = append(raw, sum[:]...)
	}
	// Clearing the top byte keeps the number below the order of every curve.
	raw = raw[:size]
	raw[0] = 0
	if size > 1 && m.curve == "P-521" {
		raw[1] &= 0x7f
	}
	key, err := ecdsa.ParseRawPrivateKey(curve, raw)
	if err != nil {
		return nil, fmt.Errorf("make EC key: %w", err)
	}
	return key, nil
}

// curveOf returns the curve of a JSON web key, nil when it is not simulated.
func curveOf(name string) elliptic.Curve {
	switch name {
	case "P-256":
		return elliptic.P256()
	case "P-384":
		return elliptic.P384()
	case "P-521":
		return elliptic.P521()
	default:
		return nil
	}
}
