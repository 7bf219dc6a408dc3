// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The CSI Controller service: snapshots.

func (d *driver) toSnapshot(s *snapshot) *csi.Snapshot {
	ready := !d.heldBack(s)
	return &csi.Snapshot{SnapshotId: s.ID, SourceVolumeId: s.Volume, SizeBytes: s.Bytes,
		CreationTime: timestamppb.New(s.Created), ReadyToUse: ready, GroupSnapshotId: s.Group}
}

// heldBack: a fault keeps the snapshot cut but not ready to use.
func (d *driver) heldBack(s *snapshot) bool {
	call := "CreateSnapshot"
	if s.Group != "" {
		call = "CreateVolumeGroupSnapshot"
	}
	return time.Since(s.Created) < d.notReady(call, s.Name+" "+s.Volume)
}

// snap cuts one volume; from, where it is not "", holds the disks of all volumes as they were at the group's cut.
func (d *driver) snap(name, source, group, from string) (*snapshot, error) {
	id := idFor(name)
	if s, err := load[snapshot](d, "snapshots", id); err == nil {
		if s.Volume != source {
			return nil, status.Error(codes.AlreadyExists, "the snapshot exists for another volume")
		}
		return s, nil
	}
	v, err := load[volume](d, "volumes", source)
	if err != nil {
		return nil, status.Error(codes.NotFound, "no such volume")
	}
	if err := d.erase("snapshots", id); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(d.path("snapshots", id), 0o755); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	s := &snapshot{ID: id, Name: name, Volume: source, Group: group, Backend: v.Backend, Bytes: v.Bytes, Created: time.Now()}
	data := d.data("volumes", source, v.Backend)
	if from != "" {
		data = filepath.Join(from, filepath.Base(data))
	}
	if err := d.clone(v.Backend, data, d.data("snapshots", id, v.Backend), true); err != nil {
		return nil, asStatus(err)
	}
	return s, save(d, "snapshots", id, s)
}

func (d *driver) CreateSnapshot(_ context.Context, r *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	if r.Name == "" || r.SourceVolumeId == "" {
		return nil, status.Error(codes.InvalidArgument, "name and source volume are required")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.snap(r.Name, r.SourceVolumeId, "", "")
	if err != nil {
		return nil, err
	}
	return &csi.CreateSnapshotResponse{Snapshot: d.toSnapshot(s)}, nil
}

func (d *driver) DeleteSnapshot(_ context.Context, r *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	if r.SnapshotId == "" {
		return nil, status.Error(codes.InvalidArgument, "snapshot id is required")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := load[snapshot](d, "snapshots", r.SnapshotId)
	if errors.Is(err, os.ErrNotExist) {
		return &csi.DeleteSnapshotResponse{}, nil
	}
	if err == nil && s.Group != "" {
		return nil, status.Error(codes.InvalidArgument, "the snapshot belongs to a group")
	}
	return &csi.DeleteSnapshotResponse{}, d.erase("snapshots", r.SnapshotId)
}

func (d *driver) ListSnapshots(_ context.Context, r *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := list[snapshot](d, "snapshots")
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	var hits []*snapshot
	for _, s := range all {
		if (r.SnapshotId == "" || r.SnapshotId == s.ID) && (r.SourceVolumeId == "" || r.SourceVolumeId == s.Volume) {
			hits = append(hits, s)
		}
	}
	from, to, next, err := page(len(hits), r.StartingToken, r.MaxEntries)
	if err != nil {
		return nil, err
	}
	out := &csi.ListSnapshotsResponse{NextToken: next}
	for _, s := range hits[from:to] {
		out.Entries = append(out.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: d.toSnapshot(s)})
	}
	return out, nil
}
