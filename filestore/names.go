package filestore

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// Every name below the directory is made here, of hexadecimal digits of hashes and
// of constants. Names that are not of these forms are not ours: they are ignored and
// left alone.

const (
	subjectsDir = "subjects"
	tempPrefix  = ".tmp-"
	markSuffix  = ".revoked"

	hashLen = 2 * sha256.Size
)

// farFuture is the modification time of everything that is not a record, so that a
// clean-up by age does not find it. Not later, because some file systems end in 2106.
var farFuture = time.Date(2100, time.January, 1, 0, 0, 0, 0, time.UTC)

const hexDigits = "0123456789abcdef"

func hexByte(b byte) string { return string([]byte{hexDigits[b>>4], hexDigits[b&15]}) }

// folderName is where the sessions lie whose keys begin with i.
func folderName(i byte) string { return hexByte(i) }

func isFolder(name string) bool {
	return len(name) == 2 && strings.IndexByte(hexDigits, name[0]) >= 0 && strings.IndexByte(hexDigits, name[1]) >= 0
}

// lockName is the file that is locked for them.
func lockName(i byte) string { return locksDir + "/" + hexByte(i) }

// recordName is a session's file.
func recordName(key beaker.RecordKey) string {
	var b [3 + hashLen]byte
	b[0], b[1], b[2] = hexDigits[key[0]>>4], hexDigits[key[0]&15], '/'
	hex.Encode(b[3:], key[:])
	return string(b[:])
}

// tempName is a name in dir that nobody uses. With the lock held a fixed one would
// do, but then a lock that does not hold would let one writer rename another's half
// of a file.
func tempName(dir string) string { return dir + "/" + tempPrefix + rand.Text() }

// parentOf is the folder that a folder lies in.
func parentOf(dir string) string { return path.Dir(dir) }

func isTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// subjectHash stands for a subject in names: subjects hold any character.
func subjectHash(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return hex.EncodeToString(sum[:])
}

func firstByte(hash string) byte {
	var b [1]byte
	_, _ = hex.Decode(b[:], []byte(hash[:2])) // ours or checked: always two digits
	return b[0]
}

// shardName is where the index entries lie of the subjects whose hash begins with i.
func shardName(i byte) string { return subjectsDir + "/" + hexByte(i) }

// markerName is the index entry that says: this session may be one of that subject.
//
// It is one file in a folder that many subjects share, and not one in a folder for
// each subject: an empty folder takes a block of the disk, and removing it when the
// last session ends would have to be kept apart from a sign-in that begins.
func markerName(hash string, key beaker.RecordKey) string {
	return shardName(firstByte(hash)) + "/" + hash + "." + key.String()
}

// markName holds when the subject was last revoked.
func markName(hash string) string {
	return shardName(firstByte(hash)) + "/" + hash + markSuffix
}

// parseKey reads a file name as a record key.
func parseKey(name string) (key beaker.RecordKey, ok bool) {
	if len(name) != hashLen {
		return key, false
	}
	for i := range len(name) {
		if strings.IndexByte(hexDigits, name[i]) < 0 { // upper case is not ours
			return key, false
		}
	}
	_, err := hex.Decode(key[:], []byte(name))
	return key, err == nil
}

// parseMarker reads a name in a shard as an index entry.
func parseMarker(name string) (hash string, key beaker.RecordKey, ok bool) {
	if len(name) != 2*hashLen+1 || name[hashLen] != '.' {
		return "", key, false
	}
	if _, ok := parseKey(name[:hashLen]); !ok {
		return "", key, false
	}
	key, ok = parseKey(name[hashLen+1:])
	return name[:hashLen], key, ok
}

// parseMark reads a name in a shard as a revocation mark.
func parseMark(name string) (hash string, ok bool) {
	hash, ok = strings.CutSuffix(name, markSuffix)
	if ok {
		_, ok = parseKey(hash)
	}
	return hash, ok
}
