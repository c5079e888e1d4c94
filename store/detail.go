package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
	"unique"

	"cmkd/rotator"
)

// The cold part of a tracker is written for every piece of evidence, a thousand
// to a commit, and read in full at the start of a daemon: JSON would take a
// third of the time of a rotation. A struct stands as its fields in the order
// below, after their total length; a string after its length; both lengths as
// uvarint. A reader that finds a struct to be shorter than it expects, takes the
// missing fields as unset, and one that finds it longer passes over the rest: so
// fields may be added at the end, and only there.

// EncodeDetail returns the cold part of a tracker as a value.
func EncodeDetail(d *rotator.TrackerDetail) ([]byte, error) { return AppendDetail(nil, d) }

// AppendDetail appends the cold part of a tracker as a value.
func AppendDetail(dst []byte, d *rotator.TrackerDetail) ([]byte, error) {
	start := len(dst)
	w := &fieldWriter{b: appendFrame(dst)}
	first, rest := "", d.Via // the first stands where there was but one
	if len(rest) > 0 {
		first, rest = rest[0], rest[1:]
	}
	w.dependent(&d.Dependent)
	w.str(string(d.Binding))
	w.str(d.Before)
	w.str(d.Version)
	w.time(d.Applied)
	w.str(d.AppliedVersion)
	w.time(d.DoneAt)
	w.problem(d.Problem)
	w.observation(d.Last)
	w.str(first)
	w.str(d.Region)
	w.strs(rest)
	w.str(string(d.AppliedAction))
	w.bool(d.Removed)
	w.strs(d.Known)
	w.str(string(d.BoundBefore))
	w.uint(uint64(d.Window))
	w.strs(d.Blind)
	w.uint(uint64(d.Refused))
	w.problem(d.Refusal)
	w.strs(d.Needs)
	w.strs(d.KnownBefore)
	w.strs(d.AppliedTo)
	w.bool(d.Allowed)
	w.strs(d.Others)
	w.strs(d.NeedsYet)
	if w.err != nil {
		return nil, w.err
	}
	seal(w.b[start:])
	return w.b, nil
}

// DecodeDetail reads what EncodeDetail wrote.
func DecodeDetail(value []byte) (*rotator.TrackerDetail, error) {
	b, err := unseal(value)
	if err != nil {
		return nil, err
	}
	r := &fieldReader{b: b}
	d := &rotator.TrackerDetail{}
	r.dependent(&d.Dependent)
	d.Binding = rotator.Binding(r.str())
	d.Before = r.str()
	d.Version = r.str()
	d.Applied = r.time()
	d.AppliedVersion = r.str()
	d.DoneAt = r.time()
	d.Problem = r.problem()
	d.Last = r.observation()
	if via := r.str(); via != "" {
		d.Via = append(d.Via, via)
	}
	d.Region = r.str()
	d.Via = append(d.Via, r.strs()...)
	d.AppliedAction = rotator.Action(r.str())
	d.Removed = r.bool()
	for range r.count() {
		d.Known = append(d.Known, r.shared())
	}
	d.BoundBefore = rotator.Binding(r.str())
	d.Window = r.duration()
	for range r.count() {
		d.Blind = append(d.Blind, r.shared())
	}
	d.Refused = int(r.uint())
	d.Refusal = r.problem()
	for range r.count() {
		d.Needs = append(d.Needs, r.shared())
	}
	for range r.count() {
		d.KnownBefore = append(d.KnownBefore, r.shared())
	}
	for range r.count() {
		d.AppliedTo = append(d.AppliedTo, r.shared())
	}
	d.Allowed = r.bool()
	for range r.count() {
		d.Others = append(d.Others, r.shared())
	}
	for range r.count() {
		d.NeedsYet = append(d.NeedsYet, r.shared())
	}
	return d, r.err
}

// fieldWriter appends fields; the first error stays.
type fieldWriter struct {
	b   []byte
	err error
}

func (w *fieldWriter) uint(n uint64) { w.b = binary.AppendUvarint(w.b, n) }

func (w *fieldWriter) str(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *fieldWriter) strs(all []string) {
	w.uint(uint64(len(all)))
	for _, s := range all {
		w.str(s)
	}
}

func (w *fieldWriter) bool(v bool) { w.b = append(w.b, boolByte(v)) }

func (w *fieldWriter) time(t time.Time) {
	n, err := EncodeTime(t)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.b = binary.BigEndian.AppendUint64(w.b, n)
}

func (w *fieldWriter) pairs(m map[string]string) {
	w.uint(uint64(len(m)))
	var few [8]string // most maps are small, and need no room of their own
	keys := few[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		w.str(k)
		w.str(m[k])
	}
}

// group writes the fields of a struct after their length.
func (w *fieldWriter) group(fields func()) {
	const room = 3 // a length of up to 2 MiB
	start := len(w.b)
	w.b = append(w.b, 0, 0, 0)
	fields()
	n := len(w.b) - start - room
	if n >= 1<<(7*room) {
		w.err = rotator.Errorf(rotator.CodeInvalid, "record of %d bytes is too large", n)
		return
	}
	// A uvarint of fixed size: the reader does not mind the leading zeros.
	w.b[start], w.b[start+1], w.b[start+2] = byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)
}

func (w *fieldWriter) dependent(d *rotator.Dependent) {
	w.group(func() {
		w.str(d.ID)
		w.str(d.Kind)
		w.str(d.Name)
		w.str(string(d.Nudge))
		w.bool(d.Recreate)
		w.uint(uint64(d.Window))
		w.uint(uint64(d.Poll))
		w.str(d.Excluded)
		w.bool(d.Discovered)
		w.pairs(d.Settings)
	})
}

func (w *fieldWriter) problem(p *rotator.Problem) {
	w.bool(p != nil)
	if p == nil {
		return
	}
	w.group(func() {
		w.str(string(p.Code))
		w.str(p.Message)
		w.str(p.Hint)
		w.str(string(p.Class))
	})
}

func (w *fieldWriter) observation(o *rotator.Observation) {
	w.bool(o != nil)
	if o == nil {
		return
	}
	w.group(func() {
		w.time(o.At)
		w.noUse()
		w.bool(o.Updating)
		w.str(string(o.Access))
		w.str(o.AccessCode)
		w.str(string(o.AccessEvidence))
		w.problem(o.Problem)
		w.str("")
		w.pairs(o.Facts)
		w.str(o.Region)
		w.uint(uint64(len(o.Uses)))
		for i := range o.Uses {
			w.use(&o.Uses[i])
		}
		w.uint(uint64(len(o.BlindSpots)))
		for _, b := range o.BlindSpots {
			w.group(func() { w.str(b.What); w.str(b.Why) })
		}
		w.bool(o.Partial)
	})
}

// noUse leaves the fields unset in which an observation had its one use, before it
// could have several: see [fieldReader.oneUse].
func (w *fieldWriter) noUse() {
	w.str("")
	w.str("")
	w.str("")
	w.uint(0)
	w.time(time.Time{})
}

// use writes a use; a held version of the use's own key stands without that key.
func (w *fieldWriter) use(u *rotator.Use) {
	w.group(func() {
		w.str(u.Path)
		w.str(string(u.Key))
		w.str(string(u.Binding))
		w.str(u.Version)
		w.time(u.RotatedAt)
		w.uint(uint64(len(u.Held)))
		for _, h := range u.Held {
			key := h.Key
			if key == u.Key {
				key = ""
			}
			w.str(string(key))
			w.str(h.Version)
		}
		w.str(u.Via)
		w.bool(u.Microsoft)
		w.problem(u.Unknown)
		w.bool(u.Setting)
		w.bool(u.Previous)
		w.str(u.ByHand)
		w.uint(uint64(u.Window))
		w.bool(u.Passing)
	})
}

// fieldReader takes fields off the front; the first error stays, and from then
// on every field is unset. At the end of a struct the fields are unset without
// an error.
type fieldReader struct {
	b   []byte
	err error
}

func (r *fieldReader) uint() uint64 {
	if len(r.b) == 0 {
		return 0
	}
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail("number")
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *fieldReader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s is cut off: %w", what, ErrDamaged)
	}
	r.b = nil
}

func (r *fieldReader) take(what string, n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail(what)
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *fieldReader) str() string { return string(r.take("string", r.uint())) }

func (r *fieldReader) strs() (all []string) {
	for range r.count() {
		all = append(all, r.str())
	}
	return all
}

// shared reads a text that many records have, which is kept once.
func (r *fieldReader) shared() string { return unique.Make(r.str()).Value() }

func (r *fieldReader) bool() bool {
	return len(r.b) > 0 && r.take("flag", 1)[0] != 0
}

func (r *fieldReader) time() time.Time {
	if len(r.b) == 0 {
		return time.Time{}
	}
	b := r.take("time", 8)
	if b == nil {
		return time.Time{}
	}
	return DecodeTime(binary.BigEndian.Uint64(b))
}

// duration reads a time span, which is never negative.
func (r *fieldReader) duration() time.Duration { return time.Duration(r.uint()) }

func (r *fieldReader) pairs() map[string]string {
	n := r.count()
	if n == 0 {
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		k := r.str()
		m[k] = r.str()
	}
	return m
}

// count reads the number of elements that follow, each of at least a byte.
func (r *fieldReader) count() uint64 {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail("list")
		return 0
	}
	return n
}

// group reads the fields of a struct and passes over what it does not know.
func (r *fieldReader) group(fields func(*fieldReader)) {
	inner := &fieldReader{b: r.take("struct", r.uint())}
	fields(inner)
	if inner.err != nil && r.err == nil {
		r.err = inner.err
	}
}

func (r *fieldReader) dependent(d *rotator.Dependent) {
	r.group(func(r *fieldReader) {
		d.ID = r.str()
		d.Kind = r.str()
		d.Name = r.str()
		d.Nudge = rotator.Nudge(r.str())
		d.Recreate = r.bool()
		d.Window = r.duration()
		d.Poll = r.duration()
		d.Excluded = r.str()
		d.Discovered = r.bool()
		d.Settings = r.pairs()
	})
}

func (r *fieldReader) problem() *rotator.Problem {
	if !r.bool() {
		return nil
	}
	p := &rotator.Problem{}
	r.group(func(r *fieldReader) {
		p.Code = rotator.Reason(r.str())
		p.Message = r.str()
		p.Hint = r.str()
		p.Class = rotator.Code(r.str())
	})
	return p
}

func (r *fieldReader) observation() *rotator.Observation {
	if !r.bool() {
		return nil
	}
	o := &rotator.Observation{}
	r.group(func(r *fieldReader) {
		o.At = r.time()
		use := r.oneUse()
		o.Updating = r.bool()
		o.Access = rotator.Access(r.str())
		o.AccessCode = r.str()
		o.AccessEvidence = rotator.Evidence(r.str())
		o.Problem = r.problem()
		use.Via = r.str()
		o.Facts = r.pairs()
		o.Region = r.str()
		if use.Key != "" || use.Version != "" || len(use.Held) > 0 {
			o.Uses = append(o.Uses, use)
		}
		for range r.count() {
			o.Uses = append(o.Uses, r.use())
		}
		for range r.count() {
			r.group(func(r *fieldReader) {
				o.BlindSpots = append(o.BlindSpots, rotator.BlindSpot{What: r.shared(), Why: r.shared()})
			})
		}
		o.Partial = r.bool()
	})
	return o
}

// oneUse reads the use that an observation had before it could have several, but for
// what was looked at. Its held versions were of its own key, or of that of the
// operation where the dependent was given another: which of them was not written.
func (r *fieldReader) oneUse() (u rotator.Use) {
	u.Key = rotator.KeyID(r.str())
	u.Binding = rotator.Binding(r.str())
	u.Version = r.str()
	for range r.count() {
		u.Held = append(u.Held, rotator.Held{Key: u.Key, Version: r.str()})
	}
	u.RotatedAt = r.time()
	return u
}

func (r *fieldReader) use() (u rotator.Use) {
	r.group(func(r *fieldReader) {
		u.Path = r.shared()
		u.Key = rotator.KeyID(r.str())
		u.Binding = rotator.Binding(r.shared())
		u.Version = r.str()
		u.RotatedAt = r.time()
		for range r.count() {
			h := rotator.Held{Key: rotator.KeyID(r.str())}
			if h.Key == "" {
				h.Key = u.Key
			}
			h.Version = r.str()
			u.Held = append(u.Held, h)
		}
		u.Via = r.str()
		u.Microsoft = r.bool()
		u.Unknown = r.problem()
		u.Setting = r.bool()
		u.Previous = r.bool()
		u.ByHand = r.shared()
		u.Window = r.duration()
		u.Passing = r.bool()
	})
	return u
}
