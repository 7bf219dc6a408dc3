// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The CSI GroupController service: several volumes cut together.
//
// Disks in files (backend image) on Btrfs are cut at one moment: all lie in one subvolume, of which one snapshot is
// taken, and the members are copied out of that. A write that was complete (flushed) before a write to another member
// began is in the group where the later one is. Subvolumes can only be cut one after the other while writers go on:
// such a group is not atomic. The class's parameter atomic: "true" makes the driver refuse a group it cannot cut so.

func (d *driver) GroupControllerGetCapabilities(context.Context, *csi.GroupControllerGetCapabilitiesRequest) (*csi.GroupControllerGetCapabilitiesResponse, error) {
	return &csi.GroupControllerGetCapabilitiesResponse{Capabilities: []*csi.GroupControllerServiceCapability{{
		Type: &csi.GroupControllerServiceCapability_Rpc{Rpc: &csi.GroupControllerServiceCapability_RPC{
			Type: csi.GroupControllerServiceCapability_RPC_CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT}}}}}, nil
}

func (d *driver) toGroup(g *group) (*csi.VolumeGroupSnapshot, error) {
	out := &csi.VolumeGroupSnapshot{GroupSnapshotId: g.ID, CreationTime: timestamppb.New(g.Created), ReadyToUse: true}
	for _, id := range g.Snapshots {
		s, err := load[snapshot](d, "snapshots", id)
		if err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
		member := d.toSnapshot(s)
		out.ReadyToUse = out.ReadyToUse && member.ReadyToUse
		out.Snapshots = append(out.Snapshots, member)
	}
	return out, nil
}

func (d *driver) CreateVolumeGroupSnapshot(_ context.Context, r *csi.CreateVolumeGroupSnapshotRequest) (*csi.CreateVolumeGroupSnapshotResponse, error) {
	if r.Name == "" || len(r.SourceVolumeIds) == 0 {
		return nil, status.Error(codes.InvalidArgument, "name and source volumes are required")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id := idFor("group/" + r.Name)
	g, err := load[group](d, "groups", id)
	if err != nil {
		g, err = d.cutGroup(id, r)
		if err != nil {
			return nil, asStatus(err)
		}
	} else {
		have, want := []string{}, append([]string{}, r.SourceVolumeIds...)
		for _, sid := range g.Snapshots {
			if s, err := load[snapshot](d, "snapshots", sid); err == nil {
				have = append(have, s.Volume)
			}
		}
		sort.Strings(have)
		sort.Strings(want)
		if fmt.Sprint(have) != fmt.Sprint(want) {
			return nil, status.Error(codes.AlreadyExists, "the group snapshot exists for other volumes")
		}
	}
	out, err := d.toGroup(g)
	return &csi.CreateVolumeGroupSnapshotResponse{GroupSnapshot: out}, err
}

// cutGroup makes the group anew; what a failure leaves half made is made again under the same names.
func (d *driver) cutGroup(id string, r *csi.CreateVolumeGroupSnapshotRequest) (*group, error) {
	atomic, err := d.atomic(r)
	if err != nil {
		return nil, err
	}
	if err := d.erase("groups", id); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(d.path("groups", id), 0o755); err != nil {
		return nil, err
	}
	g := &group{ID: id, Name: r.Name, Created: time.Now()}
	from := ""
	if atomic {
		for _, v := range r.SourceVolumeIds { // what an earlier attempt cut is of another moment
			if err := d.erase("snapshots", idFor(r.Name+"/"+v)); err != nil {
				return nil, err
			}
		}
		from = d.data("groups", id, backendSubvolume)
		if err := run("btrfs", "subvolume", "snapshot", "-r", d.images(), from); err != nil {
			return nil, err
		}
		defer run("btrfs", "subvolume", "delete", from)
	}
	for _, v := range r.SourceVolumeIds {
		s, err := d.snap(r.Name+"/"+v, v, id, from)
		if err != nil {
			return nil, err
		}
		g.Snapshots = append(g.Snapshots, s.ID)
	}
	return g, save(d, "groups", id, g)
}

// atomic: whether all members can be cut at one moment; an error where the class asks for it and they cannot.
func (d *driver) atomic(r *csi.CreateVolumeGroupSnapshotRequest) (bool, error) {
	can := d.btrfs
	for _, id := range r.SourceVolumeIds {
		v, err := load[volume](d, "volumes", id)
		if err != nil {
			return false, status.Error(codes.NotFound, "no such volume")
		}
		can = can && v.Backend == backendImage
	}
	if r.Parameters["atomic"] == "true" && !can {
		return false, status.Error(codes.FailedPrecondition, "only volumes of the backend "+backendImage+" can be cut at one moment")
	}
	return can, nil
}

func (d *driver) DeleteVolumeGroupSnapshot(_ context.Context, r *csi.DeleteVolumeGroupSnapshotRequest) (*csi.DeleteVolumeGroupSnapshotResponse, error) {
	if r.GroupSnapshotId == "" {
		return nil, status.Error(codes.InvalidArgument, "group snapshot id is required")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	g, err := load[group](d, "groups", r.GroupSnapshotId)
	if err != nil {
		return &csi.DeleteVolumeGroupSnapshotResponse{}, nil
	}
	for _, id := range g.Snapshots {
		if err := d.erase("snapshots", id); err != nil {
			return nil, err
		}
	}
	return &csi.DeleteVolumeGroupSnapshotResponse{}, d.erase("groups", g.ID)
}

func (d *driver) GetVolumeGroupSnapshot(_ context.Context, r *csi.GetVolumeGroupSnapshotRequest) (*csi.GetVolumeGroupSnapshotResponse, error) {
	if r.GroupSnapshotId == "" {
		return nil, status.Error(codes.InvalidArgument, "group snapshot id is required")
	}
	g, err := load[group](d, "groups", r.GroupSnapshotId)
	if err != nil {
		return nil, status.Error(codes.NotFound, "no such group snapshot")
	}
	out, err := d.toGroup(g)
	return &csi.GetVolumeGroupSnapshotResponse{GroupSnapshot: out}, err
}
