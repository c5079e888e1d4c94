package bolt

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"io"
)

// What bbolt writes, in the byte order of the machine: see its internal/common.
const (
	pageHeader    = 16 // id 8, flags 2, count 2, overflow 4
	elementSize   = 16
	bucketHeader  = 16 // root page 8, sequence 8
	branchPage    = 0x01
	leafPage      = 0x02
	bucketElement = 0x01
	metaMagic     = 0xED0CDAED
	metaVersion   = 2
	metaSize      = 64
	noFreelist    = ^uint64(0)
	maxDepth      = 64
	minPageSize   = 1 << 10
	maxPageSize   = 1 << 24
)

// header is the part of bbolt's meta page that decides what is reachable.
type header struct {
	pageSize int64
	root     uint64
	freelist uint64
	pages    uint64
	tx       uint64
	// spare is false when the other of the two meta pages is unreadable.
	spare bool
}

// readHeader returns the newer of the two valid meta pages.
func readHeader(f io.ReaderAt, size int64) (header, error) {
	first, ok := readMeta(f, 0)
	if ok {
		if second, ok := readMeta(f, first.pageSize); ok {
			first.spare, second.spare = true, true
			if second.tx > first.tx {
				return second, nil
			}
		}
		return first, nil
	}
	for page := int64(minPageSize); page <= maxPageSize && page < size; page *= 2 {
		if second, ok := readMeta(f, page); ok && second.pageSize == page {
			return second, nil
		}
	}
	return header{}, damagef("neither of its two header pages is valid: it is not a store, or its beginning was overwritten")
}

func readMeta(f io.ReaderAt, at int64) (header, bool) {
	b := make([]byte, metaSize)
	if _, err := f.ReadAt(b, at+pageHeader); err != nil {
		return header{}, false
	}
	n := binary.NativeEndian
	sum := fnv.New64a()
	_, _ = sum.Write(b[:56])
	if n.Uint32(b) != metaMagic || n.Uint32(b[4:]) != metaVersion || n.Uint64(b[56:]) != sum.Sum64() {
		return header{}, false
	}
	h := header{
		pageSize: int64(n.Uint32(b[8:])), root: n.Uint64(b[16:]),
		freelist: n.Uint64(b[32:]), pages: n.Uint64(b[40:]), tx: n.Uint64(b[48:]),
	}
	return h, h.pageSize >= minPageSize && h.pageSize <= maxPageSize
}

// checkPages reads every page that is reachable and reports the first that is
// not what it should be. It reads the file rather than a mapping of it, so that
// nothing in the file can make it fail in another way.
func checkPages(f io.ReaderAt, size int64) (header, error) {
	h, err := readHeader(f, size)
	if err != nil {
		return h, err
	}
	if need := int64(h.pages) * h.pageSize; h.pages > uint64(size) || need > size {
		return h, damagef("it was cut off: it has %d bytes of at least %d", size, need)
	}
	w := walker{file: f, header: h, seen: make([]uint64, h.pages/64+1)}
	w.seen[0] = 0b11 // the meta pages
	if h.freelist != noFreelist {
		if err := w.freelist(h.freelist); err != nil {
			return h, err
		}
	}
	return h, w.page(h.root, nil, nil, 0)
}

// walker follows the tree. Its buffers are by depth: a parent's bounds stay
// valid while its children are read.
type walker struct {
	file    io.ReaderAt
	header  header
	seen    []uint64
	buffers [maxDepth][]byte
}

// page checks the subtree at id, whose keys must be in [low, high).
func (w *walker) page(id uint64, low, high []byte, depth int) error {
	if depth >= maxDepth {
		return damagef("page %d is nested too deep", id)
	}
	b, err := w.read(id, depth)
	if err != nil {
		return err
	}
	return w.content(id, b, low, high, depth)
}

func (w *walker) read(id uint64, depth int) ([]byte, error) {
	if id < 2 || id >= w.header.pages {
		return nil, damagef("it refers to page %d of %d", id, w.header.pages)
	}
	b, err := w.load(id, 1, depth)
	if err != nil {
		return nil, err
	}
	if got := binary.NativeEndian.Uint64(b); got != id {
		return nil, damagef("page %d says that it is page %d", id, got)
	}
	n := uint64(binary.NativeEndian.Uint32(b[12:])) + 1
	if id+n > w.header.pages {
		return nil, damagef("page %d reaches beyond the end", id)
	}
	for i := id; i < id+n; i++ {
		if w.seen[i/64]&(1<<(i%64)) != 0 {
			return nil, damagef("page %d is referred to twice", i)
		}
		w.seen[i/64] |= 1 << (i % 64)
	}
	if n == 1 {
		return b, nil
	}
	return w.load(id, n, depth)
}

func (w *walker) load(id, n uint64, depth int) ([]byte, error) {
	size := int64(n) * w.header.pageSize
	if int64(cap(w.buffers[depth])) < size {
		w.buffers[depth] = make([]byte, size)
	}
	b := w.buffers[depth][:size]
	if _, err := w.file.ReadAt(b, int64(id)*w.header.pageSize); err != nil {
		return nil, damagef("page %d cannot be read: %s", id, err)
	}
	return b, nil
}

// freelist checks the page of a stored free list, which we do not write but
// other tools do.
func (w *walker) freelist(id uint64) error {
	b, err := w.read(id, 0)
	if err != nil {
		return err
	}
	count, start := uint64(binary.NativeEndian.Uint16(b[10:])), uint64(pageHeader)
	if count == 0xFFFF {
		count, start = binary.NativeEndian.Uint64(b[pageHeader:]), pageHeader+8
	}
	if binary.NativeEndian.Uint16(b[8:]) != 0x10 || count > w.header.pages || start+8*count > uint64(len(b)) {
		return damagef("page %d is not a valid free list", id)
	}
	return nil
}

// content checks the elements of a page, or of a small bucket inside one.
func (w *walker) content(id uint64, b, low, high []byte, depth int) error {
	kind, count := binary.NativeEndian.Uint16(b[8:]), int(binary.NativeEndian.Uint16(b[10:]))
	if kind != branchPage && kind != leafPage || kind == branchPage && count == 0 {
		return damagef("page %d is of no valid type", id)
	}
	if pageHeader+count*elementSize > len(b) {
		return damagef("page %d claims %d elements", id, count)
	}
	var last []byte
	for i := range count {
		e := element(b, kind, i)
		if !e.inside(len(b)) {
			return damagef("element %d of page %d reaches beyond it", i, id)
		}
		key := e.key(b)
		if len(key) == 0 || i > 0 && bytes.Compare(last, key) >= 0 ||
			low != nil && bytes.Compare(key, low) < 0 || high != nil && bytes.Compare(key, high) >= 0 {
			return damagef("the keys of page %d are out of order", id)
		}
		last = key
		if err := w.child(id, b, i, count, e, high, depth); err != nil {
			return err
		}
	}
	return nil
}

// child descends from an element, if there is anything below it.
func (w *walker) child(id uint64, b []byte, i, count int, e elem, high []byte, depth int) error {
	switch {
	case e.branch:
		if i+1 < count {
			next := element(b, branchPage, i+1)
			if !next.inside(len(b)) {
				return damagef("element %d of page %d reaches beyond it", i+1, id)
			}
			high = next.key(b)
		}
		return w.page(e.page, e.key(b), high, depth+1)
	case e.flags&bucketElement != 0:
		return w.bucket(id, e.value(b), depth)
	default:
		return nil
	}
}

func (w *walker) bucket(id uint64, value []byte, depth int) error {
	if len(value) < bucketHeader {
		return damagef("a bucket in page %d is cut off", id)
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return w.page(root, nil, nil, depth+1)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || binary.NativeEndian.Uint16(inline[8:]) != leafPage {
		return damagef("a bucket in page %d has no valid content", id)
	}
	return w.content(id, inline, nil, nil, depth)
}

// elem is an element of a branch or leaf page.
type elem struct {
	branch       bool
	flags        uint32
	page         uint64
	start        uint64 // of the key, from the beginning of the page
	ksize, vsize uint64
}

func element(b []byte, kind uint16, i int) elem {
	at := pageHeader + i*elementSize
	h, n := b[at:at+elementSize], binary.NativeEndian
	if kind == branchPage {
		return elem{
			branch: true, start: uint64(at) + uint64(n.Uint32(h)),
			ksize: uint64(n.Uint32(h[4:])), page: n.Uint64(h[8:]),
		}
	}
	return elem{
		flags: n.Uint32(h), start: uint64(at) + uint64(n.Uint32(h[4:])),
		ksize: uint64(n.Uint32(h[8:])), vsize: uint64(n.Uint32(h[12:])),
	}
}

func (e elem) inside(size int) bool  { return e.start+e.ksize+e.vsize <= uint64(size) }
func (e elem) key(b []byte) []byte   { return b[e.start : e.start+e.ksize] }
func (e elem) value(b []byte) []byte { return b[e.start+e.ksize : e.start+e.ksize+e.vsize] }
