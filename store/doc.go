// Package store turns the engine's records into bytes and back, for every
// backend: keys that sort as the engine reads them, values that carry a version
// and a checksum, and the hash chain of the event log. It knows bytes, not
// databases; see store/bolt and store/memory.
//
// # Values
//
// Every value begins with a version byte, so that a newer daemon reads what an
// older one wrote, and carries a CRC-32C of the rest: neither bbolt nor etcd
// notices a flipped bit in a value. Integers are big-endian. Fields that a store
// needs without decoding the whole record, to move an index entry or to filter,
// stand before the JSON:
//
//	key         version 1 | crc 4 | due 8 | JSON
//	operation   version 1 | crc 4 | revision 8 | due 8 | live 1 | key | JSON
//	sequence    version 1 | crc 4 | last id 8
//	alert, silence, timing
//	            version 1 | crc 4 | JSON
//	detail      version 1 | crc 4 | fields
//	event       version 1 | crc 4 | at 8 | operation 8 | key | fields
//	tracker     version 1 | state 1 | evidence 1 | 0 | failures 4 | looks 4 |
//	            due 8 | since 8 | seen 8 | crc 4
//
// where key is a name after its length in two bytes, and fields are strings,
// numbers and groups of them in a fixed order, to which fields may only be added
// at the end. Trackers and events are not JSON: thousands of them change
// together, and what is written each time decides the speed.
//
// # Times
//
// Outside JSON a time is its nanoseconds since 1970 with the sign bit flipped,
// so that earlier sorts first also before 1970; eight zero bytes are the zero
// time, absent.
package store
