package sqlite

import (
	"errors"
	"testing"
)

func TestNetworkFileSystemsAreRefused(t *testing.T) {
	for magic, want := range map[uint32]string{
		0x6969: "nfs", 0xff534d42: "cifs", 0xfe534d42: "smb", 0x517b: "smb", 0x00c36400: "ceph", 0x01021997: "9p",
		0xef53: "", 0x58465342: "", 0x9123683e: "", 0x01021994: "", 0x794c7630: "", 0x65735546: "", // ext4 xfs btrfs tmpfs overlay fuse
	} {
		err := judgeFS("/data", magic)
		var refused *NetworkFSError
		if errors.As(err, &refused) != (want != "") {
			t.Errorf("%#x: %v, want refusal: %q", magic, err, want)
		} else if want != "" && refused.Type != want {
			t.Errorf("%#x: type %s, want %s", magic, refused.Type, want)
		}
	}
	if err := refuseNetworkFS(t.TempDir()); err != nil {
		t.Errorf("the test's own folder: %v", err)
	}
	if err := refuseNetworkFS("/nowhere/at/all"); err == nil {
		t.Error("a folder that is not there")
	}
}
