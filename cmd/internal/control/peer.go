package control

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Role is what a peer may do. Each role includes those below it.
type Role int

// The roles.
const (
	RoleNone     Role = iota
	RoleViewer        // may look
	RoleOperator      // may also rotate, retire, revoke, reinstate, cancel
	RoleApprover      // may also approve what another person asked for
)

// String returns the role as configuration calls those who have it.
func (r Role) String() string {
	switch r {
	case RoleViewer:
		return "viewer"
	case RoleOperator:
		return "operator"
	case RoleApprover:
		return "approver"
	default:
		return "nobody"
	}
}

func (r Role) phrase() string {
	if r == RoleNone {
		return "no role"
	}
	return "the role " + r.String()
}

// Policy says who has which role. Members are written user:NAME, group:NAME,
// uid:NUMBER or gid:NUMBER. root has every role.
type Policy struct {
	Viewers, Operators, Approvers []string
}

// Role returns the highest role that a peer has.
func (p Policy) Role(peer Peer) Role {
	switch {
	case peer.UID == 0, peer.among(p.Approvers):
		return RoleApprover
	case peer.among(p.Operators):
		return RoleOperator
	case peer.among(p.Viewers):
		return RoleViewer
	default:
		return RoleNone
	}
}

// Peer is the process at the other end of a connection, by the kernel's word.
type Peer struct {
	UID uint32
	// Name is empty if the system does not know the uid.
	Name string
	// GIDs are the primary group and the supplementary ones, Groups their names
	// as far as the system knows them.
	GIDs   []uint32
	Groups []string
}

// Actor returns how the audit trail names the peer.
func (p Peer) Actor() string {
	uid := "uid " + strconv.FormatUint(uint64(p.UID), 10)
	if p.Name == "" {
		return uid
	}
	return p.Name + " (" + uid + ")"
}

func (p Peer) among(members []string) bool {
	return slices.ContainsFunc(members, p.is)
}

func (p Peer) is(member string) bool {
	form, value, _ := strings.Cut(member, ":")
	switch form {
	case "user":
		return p.Name != "" && value == p.Name
	case "group":
		return slices.Contains(p.Groups, value)
	case "uid":
		return value == strconv.FormatUint(uint64(p.UID), 10)
	case "gid":
		return slices.ContainsFunc(p.GIDs, func(gid uint32) bool { return value == strconv.FormatUint(uint64(gid), 10) })
	default:
		return false
	}
}

type peerKey struct{}

// withPeer is an [http.Server]'s ConnContext: it remembers who connected.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	peer, err := peerOf(c)
	if err != nil {
		return ctx // without a peer every request is refused
	}
	return context.WithValue(ctx, peerKey{}, peer)
}

func peerFrom(ctx context.Context) (Peer, bool) {
	p, ok := ctx.Value(peerKey{}).(Peer)
	return p, ok
}

// peerOf asks the kernel who is at the other end.
func peerOf(c net.Conn) (Peer, error) {
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return Peer{}, fmt.Errorf("connection of type %T has no credentials", c)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return Peer{}, fmt.Errorf("read peer credentials: %w", err)
	}
	var cred *unix.Ucred
	var gids []uint32
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		gids = peerGroups(fd)
	})
	if err != nil || credErr != nil {
		return Peer{}, fmt.Errorf("read peer credentials: %w", errors.Join(err, credErr))
	}
	return named(cred.Uid, cred.Gid, gids), nil
}

// peerGroups returns the supplementary groups of the process that connected, as
// the kernel has them: also those of a directory that this binary, which is
// built without the C library, cannot ask. Kernels before 4.13 do not tell.
func peerGroups(fd uintptr) []uint32 {
	buf := make([]byte, 4*1024)
	size := uint32(len(buf))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
		uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || int(size) > len(buf) {
		return nil
	}
	gids := make([]uint32, 0, size/4)
	for b := buf[:size]; len(b) >= 4; b = b[4:] {
		gids = append(gids, binary.NativeEndian.Uint32(b))
	}
	return gids
}

// named looks up the names that go with the numbers.
func named(uid, gid uint32, gids []uint32) Peer {
	p := Peer{UID: uid, GIDs: append([]uint32{gid}, gids...)}
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err == nil {
		p.Name = u.Username
	}
	if err == nil && gids == nil {
		p.GIDs = append(p.GIDs, groupsOf(u)...)
	}
	for _, id := range p.GIDs {
		if g, err := user.LookupGroupId(strconv.FormatUint(uint64(id), 10)); err == nil {
			p.Groups = append(p.Groups, g.Name)
		}
	}
	return p
}

// groupsOf returns a user's groups by the system's files.
func groupsOf(u *user.User) (gids []uint32) {
	ids, err := u.GroupIds()
	if err != nil {
		return nil
	}
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			gids = append(gids, uint32(n))
		}
	}
	return gids
}
