// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Loop devices. They belong to the whole machine, so each of ours carries the node's name in lo_file_name: whoever
// cleans up after a node that died finds exactly its devices, even where the paths behind them are gone.

var errElsewhere = errors.New("the volume is in use by another node")

// attached names the device that holds image, "" where there is none. Another node's (two clusters may share one
// state directory) is an error: one file system mounted twice through two devices would be destroyed.
func attached(image string) (string, error) {
	found, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return "", err
	}
	tail := filepath.Join("images", filepath.Base(image))
	for _, path := range found {
		raw, err := os.ReadFile(path)
		if err != nil { // detached meanwhile
			continue
		}
		switch behind := strings.TrimSpace(string(raw)); {
		case behind == image:
			return "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(path))), nil
		case strings.HasSuffix(behind, "/"+tail):
			return "", errElsewhere
		}
	}
	return "", nil
}

// attach gives a device that holds image, open: one with autoclear goes when the last user closes it.
// Direct I/O: no second page cache between the file system and the file that snapshots copy.
func (d *driver) attach(image, id string, autoclear bool) (*os.File, error) {
	device, err := attached(image)
	if err != nil {
		return nil, err
	}
	if device != "" {
		return os.OpenFile(device, os.O_RDWR, 0)
	}
	backing, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer backing.Close()
	config := unix.LoopConfig{Fd: uint32(backing.Fd())}
	config.Info.Flags = unix.LO_FLAGS_DIRECT_IO
	if autoclear {
		config.Info.Flags |= unix.LO_FLAGS_AUTOCLEAR
	}
	copy(config.Info.File_name[:], d.node+" "+id)
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for attempt := 0; attempt < 100; attempt++ {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, err
		}
		device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", number), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			return device, nil
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) { // EBUSY: somebody else took the number between the two calls
			return nil, fmt.Errorf("%s: %w", device.Name(), err)
		}
	}
	return nil, errors.New("no free loop device in 100 attempts")
}

// detach frees the device now, or with its last user.
func detach(device string) error {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = unix.IoctlRetInt(int(f.Fd()), unix.LOOP_CLR_FD)
	if errors.Is(err, unix.ENXIO) { // free already
		return nil
	}
	return err
}

func devNumber(device uint64) string {
	return fmt.Sprintf("%d:%d", unix.Major(device), unix.Minor(device))
}
