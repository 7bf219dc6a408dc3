// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Where the bytes of volumes and snapshots are, by backend.
//
// subvolume: a volume is a Btrfs subvolume (a folder where the state directory is not on Btrfs), a snapshot a read-only one.
// image: a volume is a file, a disk of its own with ext4 or nothing (volumeMode Block) on it; a snapshot is a reflink of
// the file. Btrfs holds the file's lock while it copies the list of extents, so that a copy is one moment of the disk:
// every write that was complete is in it, as after a power cut. Nothing is flushed on the application's behalf.
const (
	backendSubvolume = "subvolume"
	backendImage     = "image"
)

// backendOf reads the StorageClass's parameter.
func backendOf(parameters map[string]string) (string, error) {
	switch b := parameters["backend"]; b {
	case "", backendSubvolume:
		return backendSubvolume, nil
	case backendImage:
		return backendImage, nil
	default:
		return "", status.Errorf(codes.InvalidArgument, "parameter backend: %q is neither %s nor %s", b, backendSubvolume, backendImage)
	}
}

// images is one subvolume with the disks of all volumes, so that one Btrfs snapshot cuts any number of them at once.
func (d *driver) images() string { return filepath.Join(d.state, "images") }

func (d *driver) prepareImages() error {
	if _, err := os.Stat(d.images()); !os.IsNotExist(err) {
		return err
	}
	if d.btrfs {
		return run("btrfs", "subvolume", "create", d.images())
	}
	return os.Mkdir(d.images(), 0o755)
}

// data is where the bytes are.
func (d *driver) data(kind, id, backend string) string {
	switch {
	case backend != backendImage:
		return filepath.Join(d.path(kind, id), "data")
	case kind == "volumes":
		return filepath.Join(d.images(), id+".img")
	default:
		return filepath.Join(d.path(kind, id), "image")
	}
}

// create makes the empty data of a new volume.
func (d *driver) create(v *volume) error {
	target := d.data("volumes", v.ID, v.Backend)
	if v.Backend == backendImage {
		if err := sparse(target, v.Bytes); err != nil || v.Block {
			return err
		}
		return makeFilesystem(target)
	}
	if d.btrfs {
		if err := run("btrfs", "subvolume", "create", target); err != nil {
			return err
		}
	} else if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	return os.Chmod(target, 0o777)
}

func sparse(path string, bytes int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(bytes)
}

// makeFilesystem: everyone may write to the root folder and it is empty, as with the other backend.
func makeFilesystem(image string) error {
	if err := run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", image); err != nil {
		return err
	}
	for _, request := range []string{"rmdir lost+found", "set_inode_field <2> mode 040777"} {
		if err := run("debugfs", "-w", "-R", request, image); err != nil {
			return err
		}
	}
	return nil
}

// clone makes target a copy of source as it is at one moment.
func (d *driver) clone(backend, source, target string, readonly bool) error {
	switch {
	case backend == backendImage && d.btrfs:
		return reflink(source, target)
	case backend == backendImage:
		return run("cp", "--reflink=auto", "--sparse=always", source, target)
	case !d.btrfs:
		return run("cp", "-a", "--reflink=auto", source, target)
	case readonly:
		return run("btrfs", "subvolume", "snapshot", "-r", source, target)
	default:
		return run("btrfs", "subvolume", "snapshot", source, target)
	}
}

func reflink(source, target string) error {
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(target, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer to.Close()
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
}

// fill makes v's data a copy of a snapshot or of another volume, grown to v's size.
func (d *driver) fill(v *volume, source, backend string, bytes int64) error {
	if backend == "" { // stored before there was a choice
		backend = backendSubvolume
	}
	if backend != v.Backend {
		return status.Errorf(codes.InvalidArgument, "the source is a %s, the class asks for a %s", backend, v.Backend)
	}
	if v.Backend == backendImage && v.Bytes < bytes {
		return status.Errorf(codes.OutOfRange, "%d bytes do not fit into %d", bytes, v.Bytes)
	}
	target := d.data("volumes", v.ID, v.Backend)
	if err := d.clone(v.Backend, source, target, false); err != nil {
		return err
	}
	if v.Backend != backendImage || v.Bytes == bytes {
		return nil
	}
	if err := os.Truncate(target, v.Bytes); err != nil || v.Block {
		return err
	}
	return grow(target)
}

// grow makes a file system as large as its disk, before anybody mounts it: growing a mounted one takes CAP_SYS_RESOURCE,
// which is not to be had everywhere. The journal of the copy is played back first, as the mount would do it.
func grow(image string) error {
	var done *exec.ExitError
	err := exec.Command("e2fsck", "-f", "-y", image).Run()
	if err != nil && !(errors.As(err, &done) && done.ExitCode() == 1) { // 1: it was not clean and is now
		return fmt.Errorf("e2fsck %s: %w", image, err)
	}
	return run("resize2fs", image)
}

// erase removes a volume, snapshot or what a crash left half made of one.
func (d *driver) erase(kind, id string) error {
	subvolume := d.data(kind, id, backendSubvolume)
	if _, err := os.Stat(subvolume); err == nil && d.btrfs {
		if err := run("btrfs", "subvolume", "delete", subvolume); err != nil {
			return err
		}
	}
	if err := os.Remove(d.data(kind, id, backendImage)); err != nil && !os.IsNotExist(err) {
		return status.Error(codes.Internal, err.Error())
	}
	return os.RemoveAll(d.path(kind, id))
}
