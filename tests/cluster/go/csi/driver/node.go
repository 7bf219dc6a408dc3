// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The CSI Node service: volumes are bind-mounted where the kubelet wants them.
//
// There is no staging: a disk is attached and mounted by the first publish and let go by the last unpublish, so that
// nothing of a volume is in use any more once its pods are gone.

func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node}, nil
}

func (d *driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{Capabilities: []*csi.NodeServiceCapability{{Type: &csi.NodeServiceCapability_Rpc{
		Rpc: &csi.NodeServiceCapability_RPC{Type: csi.NodeServiceCapability_RPC_GET_VOLUME_STATS}}}}}, nil
}

func mounted(target string) bool {
	return exec.Command("mountpoint", "-q", target).Run() == nil || device(target) != ""
}

// device: the block device that a file is, "" where it is none.
func device(path string) string {
	var s syscall.Stat_t
	if syscall.Stat(path, &s) != nil || s.Mode&syscall.S_IFMT != syscall.S_IFBLK {
		return ""
	}
	real, err := filepath.EvalSymlinks("/sys/dev/block/" + devNumber(s.Rdev))
	if err != nil {
		return ""
	}
	return "/dev/" + filepath.Base(real)
}

func (d *driver) NodePublishVolume(_ context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if r.VolumeId == "" || r.TargetPath == "" || r.VolumeCapability == nil {
		return nil, status.Error(codes.InvalidArgument, "volume id, target path and capability are required")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	v, err := load[volume](d, "volumes", r.VolumeId)
	if err != nil {
		return nil, status.Error(codes.NotFound, "no such volume")
	}
	if mounted(r.TargetPath) {
		return &csi.NodePublishVolumeResponse{}, nil
	}
	if r.VolumeCapability.GetBlock() != nil {
		err = d.publishDevice(v, r.TargetPath)
	} else {
		err = d.publishFolder(v, r.TargetPath, r.Readonly)
	}
	if errors.Is(err, errElsewhere) {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	if err != nil {
		return nil, asStatus(err)
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (d *driver) publishFolder(v *volume, target string, readonly bool) error {
	folder := d.data("volumes", v.ID, v.Backend)
	if v.Backend == backendImage {
		folder = filepath.Join(d.mounts, v.ID)
		if err := d.mountImage(v, folder); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(target, 0o750); err != nil {
		return err
	}
	options := "bind"
	if readonly {
		options = "bind,ro"
	}
	return run("mount", "-o", options, folder, target)
}

// mountImage mounts the volume's disk once; targets are bound to it.
func (d *driver) mountImage(v *volume, folder string) error {
	if mounted(folder) {
		return nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	disk, err := d.attach(d.data("volumes", v.ID, v.Backend), v.ID, true)
	if err != nil {
		return err
	}
	defer disk.Close() // from here on the mount keeps the device
	return run("mount", "-t", "ext4", "-o", "noinit_itable", disk.Name(), folder)
}

func (d *driver) publishDevice(v *volume, target string) error {
	if v.Backend != backendImage {
		return status.Error(codes.InvalidArgument, "only the backend "+backendImage+" has block volumes")
	}
	disk, err := d.attach(d.data("volumes", v.ID, v.Backend), v.ID, false)
	if err != nil {
		return err
	}
	defer disk.Close()
	if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
		return err
	}
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		return err
	}
	return run("mount", "-o", "bind", disk.Name(), target)
}

func (d *driver) NodeUnpublishVolume(_ context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if r.VolumeId == "" || r.TargetPath == "" {
		return nil, status.Error(codes.InvalidArgument, "volume id and target path are required")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	disk := device(r.TargetPath)
	if mounted(r.TargetPath) {
		if err := run("umount", r.TargetPath); err != nil {
			return nil, err
		}
	}
	if err := os.RemoveAll(r.TargetPath); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if err := d.release(r.VolumeId, disk); err != nil {
		return nil, asStatus(err)
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// release lets go of a volume's disk when nothing is bound to it any more.
func (d *driver) release(id, disk string) error {
	if filepath.Base(id) != id {
		return nil
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if disk != "" && !strings.Contains(string(mounts), " /"+filepath.Base(disk)+" ") {
		return detach(disk)
	}
	folder := filepath.Join(d.mounts, id)
	if !mounted(folder) || uses(string(mounts), folder) > 1 {
		return nil
	}
	if err := run("umount", folder); err != nil {
		return err
	}
	return os.Remove(folder)
}

// uses counts the mounts of the file system that is mounted at folder, that one included.
func uses(mountinfo, folder string) int {
	number, by := "", map[string]int{}
	for _, line := range strings.Split(mountinfo, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		by[fields[2]]++
		if fields[4] == folder {
			number = fields[2]
		}
	}
	return by[number]
}

func (d *driver) NodeGetVolumeStats(_ context.Context, r *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	if r.VolumeId == "" || r.VolumePath == "" {
		return nil, status.Error(codes.InvalidArgument, "volume id and path are required")
	}
	v, err := load[volume](d, "volumes", r.VolumeId)
	if err != nil {
		return nil, status.Error(codes.NotFound, "no such volume")
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(r.VolumePath, &s); err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	usage := &csi.VolumeUsage{Unit: csi.VolumeUsage_BYTES,
		Total: int64(s.Blocks) * s.Bsize, Available: int64(s.Bavail) * s.Bsize, Used: int64(s.Blocks-s.Bfree) * s.Bsize}
	if v.Block {
		usage = &csi.VolumeUsage{Unit: csi.VolumeUsage_BYTES, Total: v.Bytes}
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{usage}}, nil
}
