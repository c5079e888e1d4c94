package azuresim

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strings"
)

// webKeyRequest is the private JSON web key of an import.
type webKeyRequest struct {
	Kty   string   `json:"kty"`
	Ops   []string `json:"key_ops"`
	Curve string   `json:"crv"`
	N     string   `json:"n"`
	E     string   `json:"e"`
	D     string   `json:"d"`
	P     string   `json:"p"`
	Q     string   `json:"q"`
}

// importKey stores a key that the caller brings [recording keyvault.key].
func (s *Server) importKey(c *call, name, _ string) *answer {
	r, bad := readKeyRequest(c.body)
	if bad != nil {
		return bad
	}
	if r.Key == nil {
		return problem(http.StatusBadRequest, "BadParameter", "Property key has invalid value\r\n")
	}
	m, err := r.Key.material()
	if err != nil {
		return problem(http.StatusBadRequest, "BadParameter", "%s", err)
	}
	kty := r.Key.Kty
	if r.HSM && !strings.HasSuffix(kty, "-HSM") {
		kty += "-HSM"
	}
	if r.Ops == nil {
		r.Ops = r.Key.Ops
	}
	return s.store(c, name, r, version{kty: kty, material: m})
}

// material reads the private key.
func (w webKeyRequest) material() (material, error) {
	base := strings.TrimSuffix(w.Kty, "-HSM")
	m := material{kty: base, curve: w.Curve}
	switch base {
	case "RSA":
		key, err := w.rsa()
		if err != nil {
			return m, err
		}
		m.bits, m.own = key.N.BitLen(), &ownKeys{rsa: key}
		return m, nil
	case "EC":
		key, err := w.ec()
		if err != nil {
			return m, err
		}
		m.own = &ownKeys{ec: key}
		return m, nil
	default:
		return m, fmt.Errorf("property kty has invalid value")
	}
}

func number64(s string) *big.Int {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return new(big.Int)
	}
	return new(big.Int).SetBytes(b)
}

// rsa reads the numbers as they are. Recorded imports have 1024 bits, which
// crypto/rsa would refuse to check but can carry.
func (w webKeyRequest) rsa() (*rsa.PrivateKey, error) {
	e := number64(w.E)
	if !e.IsInt64() || e.Int64() < 3 || number64(w.N).BitLen() < 512 {
		return nil, fmt.Errorf("property key has invalid value")
	}
	return &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: number64(w.N), E: int(e.Int64())},
		D:         number64(w.D), Primes: []*big.Int{number64(w.P), number64(w.Q)},
	}, nil
}

func (w webKeyRequest) ec() (*ecdsa.PrivateKey, error) {
	curve := curveOf(w.Curve)
	if curve == nil {
		return nil, fmt.Errorf("property crv has invalid value")
	}
	size := (curve.Params().BitSize + 7) / 8
	d := number64(w.D)
	if d.BitLen() > size*8 {
		return nil, fmt.Errorf("property d has invalid value")
	}
	key, err := ecdsa.ParseRawPrivateKey(curve, d.FillBytes(make([]byte, size)))
	if err != nil {
		return nil, fmt.Errorf("property d has invalid value: %w", err)
	}
	return key, nil
}
