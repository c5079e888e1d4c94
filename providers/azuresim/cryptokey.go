package azuresim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"hash"
	"math/big"
	"net/http"
	"strings"
)

// cryptoOperation maps the path of a cryptographic operation; the version may
// be left out for the newest.
func cryptoOperation(p []string) (string, string, vaultHandler) {
	verb := p[3]
	if verb == "" {
		verb = p[2]
	}
	permissions := map[string]string{
		"encrypt": "encrypt", "decrypt": "decrypt", "sign": "sign", "verify": "verify",
		"wrapkey": "wrap", "unwrapkey": "unwrap",
	}
	permission, ok := permissions[strings.ToLower(verb)]
	if !ok {
		return "", "", nil
	}
	return "key-" + permission, "Microsoft.KeyVault/vaults/keys/" + permission + "/action",
		func(s *Server, c *call, name, id string) *answer {
			if strings.EqualFold(id, verb) {
				id = ""
			}
			return s.compute(c, name, id, permission)
		}
}

// operationName is the word of messages and of key_ops.
func operationName(permission string) string {
	switch permission {
	case "wrap", "unwrap":
		return permission + "Key"
	default:
		return permission
	}
}

// compute checks that a version may be used and uses it.
func (s *Server) compute(c *call, name, id, permission string) *answer {
	k := c.vault.key(name)
	if k == nil || !k.state.exists || k.state.deleted != nil {
		return s.notFound(c, name, id)
	}
	v := k.state.find(id)
	if v == nil {
		return s.notFound(c, name, id)
	}
	if a := refuseUse(c, v, operationName(permission)); a != nil {
		return a
	}
	d, err := decodeDoc(c.body)
	if err != nil {
		return problem(http.StatusBadRequest, "BadParameter", "The request body is not valid JSON.")
	}
	if alg := text(d, "alg"); knownAlgorithm(alg) {
		return unsimulated("not simulated: algorithm " + alg)
	}
	out, err := s.perform(v, permission, d)
	if err != nil {
		return problem(http.StatusBadRequest, "BadParameter", "%s", err)
	}
	out["kid"], c.answered = k.uri(v), k.uri(v)
	if permission == "verify" {
		delete(out, "kid")
	}
	return reply(http.StatusOK, out)
}

// refuseUse answers for versions that may not be used: disabled ones, and
// expired or future ones for what protects new data (facts §2, §6). What the
// facts leave open is a quirk.
func refuseUse(c *call, v *version, operation string) *answer {
	uses := operation == "encrypt" || operation == "wrapKey" || operation == "verify"
	if !v.enabled && (!uses || c.sim.quirk(quirkDisabled) != "protects") {
		return innerProblem(http.StatusForbidden, "Forbidden", "KeyDisabled",
			"Operation "+operation+" is not allowed on a disabled key.")
	}
	protects := operation == "encrypt" || operation == "wrapKey" ||
		operation == "sign" && c.sim.quirk(quirkExpiredSign) == quirkRefused
	if protects && v.exp != 0 && c.now.Unix() >= v.exp {
		return innerProblem(http.StatusForbidden, "Forbidden", "KeyExpired",
			"Operation "+operation+" is not allowed on an expired key.")
	}
	if protects && v.nbf != 0 && c.now.Unix() < v.nbf {
		return innerProblem(http.StatusForbidden, "Forbidden", "KeyNotYetValid",
			"Operation "+operation+" is not allowed on a key that is not yet valid.")
	}
	for _, allowed := range v.ops {
		if strings.EqualFold(allowed, operation) {
			return nil
		}
	}
	return innerProblem(http.StatusForbidden, "Forbidden", "KeyOperationForbidden",
		"Operation "+operation+" is not permitted on this key.")
}

// perform does the operation with the real key.
func (s *Server) perform(v *version, permission string, d doc) (doc, error) {
	alg := text(d, "alg")
	switch permission {
	case "encrypt", "wrap":
		return s.encipher(v, alg, d)
	case "decrypt", "unwrap":
		return s.decipher(v, alg, d)
	case "sign":
		return s.signDigest(v, alg, d)
	default:
		return s.verifyDigest(v, alg, d)
	}
}

// decode64 reads a base64url member, padded or not.
func decode64(d doc, name string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text(d, name), "="))
	if err != nil {
		return nil, fmt.Errorf("property %s has invalid value", name)
	}
	return b, nil
}

// value is the body of a result.
func value(b []byte) doc { return doc{"value": base64.RawURLEncoding.EncodeToString(b)} }

// knownAlgorithm says whether Key Vault has an algorithm that is not simulated
// (example keyvault-7.3-preview/keys.json, JsonWebKeyEncryptionAlgorithm).
func knownAlgorithm(alg string) bool {
	return alg == "RSA1_5" || alg == "RSNULL" || alg == "ES256K" ||
		(strings.HasPrefix(alg, "A128") || strings.HasPrefix(alg, "A192") || strings.HasPrefix(alg, "A256"))
}

// oaepHash returns the hash of an OAEP algorithm.
func oaepHash(alg string) (hash.Hash, error) {
	switch alg {
	case "RSA-OAEP":
		return sha1.New(), nil // RSA-OAEP is defined with SHA-1
	case "RSA-OAEP-256":
		return sha256.New(), nil
	}
	return nil, fmt.Errorf("algorithm %s is not supported by this key", alg)
}

// encipher encrypts or wraps.
func (s *Server) encipher(v *version, alg string, d doc) (doc, error) {
	plaintext, err := decode64(d, "value")
	if err != nil {
		return nil, err
	}
	h, err := oaepHash(alg)
	if err != nil {
		return nil, err
	}
	key, err := s.forge.rsa(v.material)
	if err != nil {
		return nil, err
	}
	out, err := rsa.EncryptOAEP(h, rand.Reader, &key.PublicKey, plaintext, nil)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return value(out), nil
}

// decipher decrypts or unwraps.
func (s *Server) decipher(v *version, alg string, d doc) (doc, error) {
	ciphertext, err := decode64(d, "value")
	if err != nil {
		return nil, err
	}
	h, err := oaepHash(alg)
	if err != nil {
		return nil, err
	}
	key, err := s.forge.rsa(v.material)
	if err != nil {
		return nil, err
	}
	out, err := rsa.DecryptOAEP(h, rand.Reader, key, ciphertext, nil)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	return value(out), nil
}

// digestOf returns the hash that an algorithm's name ends in.
func digestOf(alg string) crypto.Hash {
	switch {
	case strings.HasSuffix(alg, "384"):
		return crypto.SHA384
	case strings.HasSuffix(alg, "512"):
		return crypto.SHA512
	default:
		return crypto.SHA256
	}
}

// signDigest signs a digest that the caller made.
func (s *Server) signDigest(v *version, alg string, d doc) (doc, error) {
	digest, err := decode64(d, "value")
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(alg, "ES") {
		return s.signEC(v, digest)
	}
	key, err := s.forge.rsa(v.material)
	if err != nil {
		return nil, err
	}
	var out []byte
	if strings.HasPrefix(alg, "PS") {
		out, err = rsa.SignPSS(rand.Reader, key, digestOf(alg), digest, nil)
	} else {
		out, err = rsa.SignPKCS1v15(rand.Reader, key, digestOf(alg), digest)
	}
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return value(out), nil
}

// signEC answers with r and s side by side, as JSON web signatures want it.
func (s *Server) signEC(v *version, digest []byte) (doc, error) {
	key, err := s.forge.ec(v.material)
	if err != nil {
		return nil, err
	}
	raw, err := ecdsa.SignASN1(rand.Reader, key, digest)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(raw, &pair); err != nil {
		return nil, fmt.Errorf("read signature: %w", err)
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	out := append(pair.R.FillBytes(make([]byte, size)), pair.S.FillBytes(make([]byte, size))...)
	return value(out), nil
}

// verifyDigest says whether a signature fits a digest.
func (s *Server) verifyDigest(v *version, alg string, d doc) (doc, error) {
	digest, err := decode64(d, "digest")
	if err != nil {
		return nil, err
	}
	signature, err := decode64(d, "value")
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(alg, "ES") {
		key, err := s.forge.ec(v.material)
		if err != nil {
			return nil, err
		}
		half := len(signature) / 2
		r, t := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
		return doc{"value": ecdsa.Verify(&key.PublicKey, digest, r, t)}, nil
	}
	key, err := s.forge.rsa(v.material)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(alg, "PS") {
		err = rsa.VerifyPSS(&key.PublicKey, digestOf(alg), digest, signature, nil)
	} else {
		err = rsa.VerifyPKCS1v15(&key.PublicKey, digestOf(alg), digest, signature)
	}
	return doc{"value": err == nil}, nil
}
