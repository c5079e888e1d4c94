package rotator

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Store keeps what must survive. Its implementations are interchangeable: they
// pass the one suite in store/storetest.
//
// Records are values: the store keeps no reference to what it is given and
// hands out nothing that it will change. All methods may be called from several
// goroutines. Once ctx is done a method returns its error promptly. A closed store
// fails with CodeUnavailable.
type Store interface {
	Reader
	// Stage does the part of a commit that does not depend on what is stored, for
	// instance the encoding, so that it is done while an earlier change is being
	// written. It fails if the change alone is to blame, and stores nothing. The
	// change must stay as it is until commit has returned or is given up.
	//
	// commit, called at most once, stores the change atomically and durably: when
	// it returns nil, the whole change survives a power cut. With [ErrConflict] (an
	// operation's revision does not follow the stored one), [ErrStoreFull], the
	// error of a ctx that was done in time, or any other error but [ErrUncertain]
	// nothing of it is stored. After an error the next commit is tried as if there
	// had been none: a store mends itself when it can. It gives the events their Seq, Prev and Hash in place.
	Stage(c *Change) (commit func(ctx context.Context) error, err error)
	// NextIDs hands out n ids of a sequence and returns the first; the others
	// follow it. Ids count from 1. None is handed out twice, whoever else uses the
	// store, also after a crash, and whatever became of the record: it may be
	// forgotten, or never have been stored. None is that of a record stored before.
	// A store reserves ahead, so that most calls write nothing; after a crash some
	// ids are left out. It fails with CodeInvalid unless n is 1 to [IDsMost].
	NextIDs(ctx context.Context, seq Sequence, n int) (first uint64, err error)
	// Space asks how much room there is. It fails with [ErrStoreReplaced] if what is
	// committed would be lost.
	Space() (Space, error)
	// Instance returns an identifier of this store, made when it was created.
	Instance() string
}

// Commit stages a change and commits it at once, see [Store].
func Commit(ctx context.Context, s Store, c *Change) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	commit, err := s.Stage(c)
	if err != nil {
		return err
	}
	return commit(ctx)
}

// Reader is what can be read of a [Store].
type Reader interface {
	// Keys returns the state of all keys, by name.
	Keys(ctx context.Context) ([]KeyState, error)
	// Operations returns operations, newest first.
	Operations(ctx context.Context, f OperationFilter) ([]Operation, error)
	// Trackers returns the trackers of one operation by number, from the given
	// number on, at most limit; limit 0 means all.
	Trackers(ctx context.Context, op OperationID, from uint32, limit int) ([]Tracker, error)
	// Progress returns the small part of every tracker of one operation, by number,
	// without Detail: it costs a fraction of reading them whole.
	Progress(ctx context.Context, op OperationID) ([]Tracker, error)
	// Events returns events by sequence number.
	Events(ctx context.Context, f EventFilter) ([]Event, error)
	// Due returns the keys and operations whose due time is not after until,
	// earliest first, at one time keys by name before operations by id, at most
	// limit; limit 0 means all.
	Due(ctx context.Context, until time.Time, limit int) ([]DueItem, error)
	ShelfReader
}

// ShelfReader reads what is kept beside keys and operations.
type ShelfReader interface {
	// Book returns alerts, silences, timings, attestations and freezes, as of one
	// moment.
	Book(ctx context.Context) (Book, error)
	// Standings returns the standings of the dependents of a key, by dependent.
	Standings(ctx context.Context, key KeyID) ([]Standing, error)
}

// Sequence names what ids are handed out for. A timing needs none: its kind, region
// and change are its id.
type Sequence string

// The sequences.
const (
	SequenceOperations   Sequence = "operations"
	SequenceSilences     Sequence = "silences"
	SequenceAttestations Sequence = "attestations"
	SequenceFreezes      Sequence = "freezes"
)

// Sequences lists the sequences.
func Sequences() []Sequence {
	return []Sequence{SequenceOperations, SequenceSilences, SequenceAttestations, SequenceFreezes}
}

// prefixes are what the ids of a sequence begin with.
var prefixes = map[Sequence]string{
	SequenceOperations: "op-", SequenceSilences: "s-", SequenceAttestations: "a-", SequenceFreezes: "f-",
}

// ID writes a number of the sequence as an id, for instance s-7.
func (s Sequence) ID(n uint64) string { return prefixes[s] + strconv.FormatUint(n, 10) }

// Number returns 7 for s-7, and zero for what was not written by ID.
func (s Sequence) Number(id string) uint64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(id, prefixes[s]), 10, 64)
	if err != nil || s.ID(n) != id {
		return 0
	}
	return n
}

// IDsMost is how many ids are handed out at once.
const IDsMost = 1 << 16

// CheckIDs is what every store refuses of [Store.NextIDs].
func CheckIDs(seq Sequence, n int) error {
	if !slices.Contains(Sequences(), seq) {
		return Errorf(CodeInvalid, "there is no sequence %q", seq)
	}
	if n < 1 || n > IDsMost {
		return Errorf(CodeInvalid, "%d ids cannot be had at once", n)
	}
	return nil
}

// Space is how much room a store has, in bytes.
type Space struct {
	// Used is the size of the store on disk.
	Used uint64
	// Free is what the daemon's user may still write to the file system that the
	// store is on; Total is the size of that file system.
	Free, Total uint64
}

// Change is everything that one decision, or a group of them, changes. A record
// that cannot be stored makes the whole change CodeInvalid:
//
//   - a key without a name, an operation without an id;
//   - an unknown state, evidence or severity;
//   - an alert, a silence, an attestation or a freeze without an id, a silence that
//     selects nothing, a timing without a kind, a change or a histogram, an attestation
//     or a standing without a key or a dependent;
//   - a name or an id of more than 1,024 bytes, and one of the book's that is not
//     UTF-8;
//   - a time outside 1677 to 2262.
type Change struct {
	Keys []KeyState
	// Operations keep their KeyID for good. Their counts of trackers agree with the
	// trackers stored: a change that alters a tracker's state has both.
	Operations []Operation
	// Trackers belong to an operation that is stored or in the same change, and
	// are numbered from 0 without gaps. A new one has Detail; one whose Detail is
	// nil keeps the stored one.
	Trackers []Tracker
	// Events are appended. On failure they stay as they are.
	Events []Event
	// What follows replaces that of the same id, a timing that of the same kind, region
	// and change, a standing that of the same key and dependent; of two in one change the
	// later one stays.
	Alerts       []Alert
	Silences     []Silence
	Timings      []Timing
	Attestations []Attestation
	Freezes      []Freeze
	Standings    []Standing
	// Forget names records to remove, also if the same change brings them; those that
	// do not exist are no error.
	Forget Forget
}

// Forget names records by their ids, standings by their key and dependent.
type Forget struct {
	Alerts, Silences, Attestations, Freezes []string
	Standings                               []StandingID
}

// StandingID names a standing.
type StandingID struct {
	KeyID     KeyID
	Dependent string
}

// Empty reports whether there is nothing to store.
func (c *Change) Empty() bool {
	return len(c.Keys) == 0 && len(c.Operations) == 0 && len(c.Trackers) == 0 && len(c.Events) == 0 &&
		len(c.Alerts) == 0 && len(c.Silences) == 0 && len(c.Timings) == 0 &&
		len(c.Attestations) == 0 && len(c.Freezes) == 0 && len(c.Standings) == 0 && c.Forget.empty()
}

func (f *Forget) empty() bool {
	return len(f.Alerts) == 0 && len(f.Silences) == 0 && len(f.Attestations) == 0 && len(f.Freezes) == 0 && len(f.Standings) == 0
}

// OperationFilter selects operations; the zero value selects all.
type OperationFilter struct {
	ID OperationID
	// KeyID is the key.
	KeyID KeyID
	// Live leaves out final operations.
	Live bool
	// Before is the id to continue below, for paging.
	Before OperationID
	Limit  int
}

// EventFilter selects events; the zero value selects all.
type EventFilter struct {
	// After is the sequence number to continue after.
	After     uint64
	Key       string
	Operation OperationID
	Since     time.Time
	// Last selects the newest Limit events instead of the oldest.
	Last  bool
	Limit int
}

// DueItem is an entry of the due index: a key whose schedule fires, or an
// operation with something to do, at a time.
type DueItem struct {
	At time.Time
	// Key is the key's identifier in lower case.
	Key       string
	Operation OperationID
}
