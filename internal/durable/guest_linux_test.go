package durable_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"canseal/internal/durable"
	"canseal/internal/vmtest"
)

// TestOnFATAndOnAHostFolder runs what these packages say about the real folder on
// the file systems that a card may have.
func TestOnFATAndOnAHostFolder(t *testing.T) {
	if os.Getenv("CANSEAL_GUEST") != "" {
		t.Skip("internal/durable: this is the guest")
	}
	vmtest.Require(t, "internal/durable: FAT, and a folder of the host")
	disk := filepath.Join(t.TempDir(), "fat")
	if err := os.WriteFile(disk, fat16(), 0o600); err != nil {
		t.Fatal(err)
	}
	vmtest.Run(t, vmtest.Guest{
		Tests: map[string]string{"/durable.test": "canseal/internal/durable", "/twin.test": "canseal/internal/durable/memfs", "/segment.test": "canseal/segment"},
		Disk:  disk,
		Script: `env CANSEAL_GUEST 1
			mod fat
			mod nls_cp437
			mod nls_utf8
			mod vfat
			mount /dev/ubda /fat vfat codepage=437,iocharset=utf8,umask=0177,dmask=0077
			mount none /host hostfs ` + t.TempDir() + `
			env TMPDIR /fat
			run /durable.test -test.v -test.run Folder|Names|Entries|Lock|Space|Serial
			run /twin.test -test.v -test.run Real
			run /segment.test -test.v -test.run Real
			env TMPDIR /host
			run /durable.test -test.v
			run /twin.test -test.v -test.run Real
			run /segment.test -test.v -test.run Real`,
	})
}

func TestACardWithFATIsKnownByItsSerialNumber(t *testing.T) {
	if os.Getenv("CANSEAL_GUEST") == "" || os.Getenv("TMPDIR") != "/fat" {
		t.Skip("internal/durable: runs in the guest alone, started by TestOnFATAndOnAHostFolder")
	}
	for path, mount := range map[string]bool{"/fat": true, t.TempDir(): false} {
		if id, mounted, err := durable.Identity(path); id != "fat-12345678" || mounted != mount || err != nil {
			t.Errorf("%s: found %s, %v, %v", path, id, mounted, err)
		}
	}
}

// fat16 is an empty FAT16 file system of 16 MiB: one sector of head, two tables,
// 512 entries in the root.
func fat16() []byte {
	const sectors, table = 32768, 32
	image := make([]byte, sectors*512)
	copy(image, "\xEB\x3C\x90MSDOS5.0")
	le := binary.LittleEndian
	le.PutUint16(image[11:], 512)     // bytes in a sector
	image[13] = 4                     // sectors in a cluster
	le.PutUint16(image[14:], 1)       // sectors before the tables
	image[16] = 2                     // tables
	le.PutUint16(image[17:], 512)     // entries in the root
	le.PutUint16(image[19:], sectors) //
	image[21] = 0xF8                  // a fixed disk
	le.PutUint16(image[22:], table)   // sectors in a table
	copy(image[36:], "\x80\x00\x29\x78\x56\x34\x12CANSEAL    FAT16   ")
	copy(image[510:], "\x55\xAA")
	for i := range 2 {
		copy(image[(1+i*table)*512:], "\xF8\xFF\xFF\xFF")
	}
	return image
}
