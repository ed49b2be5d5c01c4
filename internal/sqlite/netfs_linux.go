package sqlite

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// networkFS maps the magic number in statfs to the name of a network or cluster file system. FUSE is not here: it is as
// often a local disk.
var networkFS = map[uint32]string{
	unix.NFS_SUPER_MAGIC:   "nfs",
	unix.SMB_SUPER_MAGIC:   "smb",
	unix.SMB2_SUPER_MAGIC:  "smb",
	unix.CIFS_SUPER_MAGIC:  "cifs",
	unix.AFS_SUPER_MAGIC:   "afs",
	unix.AFS_FS_MAGIC:      "afs",
	unix.CODA_SUPER_MAGIC:  "coda",
	unix.NCP_SUPER_MAGIC:   "ncp",
	unix.CEPH_SUPER_MAGIC:  "ceph",
	unix.V9FS_MAGIC:        "9p",
	unix.OCFS2_SUPER_MAGIC: "ocfs2",
	0x0bd00bd0:             "lustre",
	0x47504653:             "gpfs",
	0x01161970:             "gfs2",
	0x19830326:             "beegfs",
}

func refuseNetworkFS(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("statfs %s: %w", dir, err)
	}
	return judgeFS(dir, uint32(st.Type))
}

func judgeFS(dir string, magic uint32) error {
	if name, ok := networkFS[magic]; ok {
		return &NetworkFSError{Dir: dir, Type: name}
	}
	return nil
}
