// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"errors"
	"os"
	"strconv"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The CSI Controller service: volumes.

func bytesOf(r *csi.CapacityRange) int64 {
	if r == nil || (r.RequiredBytes == 0 && r.LimitBytes == 0) {
		return 1 << 30
	}
	if r.RequiredBytes == 0 {
		return r.LimitBytes
	}
	return r.RequiredBytes
}

func (d *driver) toVolume(v *volume, src *csi.VolumeContentSource) *csi.Volume {
	return &csi.Volume{VolumeId: v.ID, CapacityBytes: v.Bytes, ContentSource: src}
}

func (d *driver) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	var caps []*csi.ControllerServiceCapability
	for _, t := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
		csi.ControllerServiceCapability_RPC_LIST_VOLUMES,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
	} {
		caps = append(caps, &csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: t}}})
	}
	return &csi.ControllerGetCapabilitiesResponse{Capabilities: caps}, nil
}

func (d *driver) CreateVolume(_ context.Context, r *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if r.Name == "" || len(r.VolumeCapabilities) == 0 {
		return nil, status.Error(codes.InvalidArgument, "name and volume capabilities are required")
	}
	backend, err := backendOf(r.Parameters)
	if err != nil {
		return nil, err
	}
	block := r.VolumeCapabilities[0].GetBlock() != nil
	if block && backend != backendImage {
		return nil, status.Error(codes.InvalidArgument, "only the backend "+backendImage+" has block volumes")
	}
	want := bytesOf(r.CapacityRange)
	if d.capacity > 0 && want > d.capacity {
		return nil, status.Errorf(codes.ResourceExhausted, "%d bytes asked, %d available", want, d.capacity)
	}
	id := idFor(r.Name)
	d.mu.Lock()
	defer d.mu.Unlock()
	if v, err := load[volume](d, "volumes", id); err == nil {
		limit := r.GetCapacityRange().GetLimitBytes()
		if v.Bytes < r.GetCapacityRange().GetRequiredBytes() || (limit > 0 && v.Bytes > limit) {
			return nil, status.Error(codes.AlreadyExists, "the volume exists with another size")
		}
		return &csi.CreateVolumeResponse{Volume: d.toVolume(v, r.VolumeContentSource)}, nil
	}
	v := &volume{ID: id, Name: r.Name, Backend: backend, Block: block, Bytes: want}
	if err := d.erase("volumes", id); err != nil { // what a crash left half made
		return nil, err
	}
	if err := os.MkdirAll(d.path("volumes", id), 0o755); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	switch src := r.GetVolumeContentSource(); {
	case src.GetSnapshot() != nil:
		s, e := load[snapshot](d, "snapshots", src.GetSnapshot().SnapshotId)
		if e != nil {
			return nil, status.Error(codes.NotFound, "no such snapshot")
		}
		v.Source, err = s.ID, d.fill(v, d.data("snapshots", s.ID, s.Backend), s.Backend, s.Bytes)
	case src.GetVolume() != nil:
		s, e := load[volume](d, "volumes", src.GetVolume().VolumeId)
		if e != nil {
			return nil, status.Error(codes.NotFound, "no such volume")
		}
		v.Source, err = s.ID, d.fill(v, d.data("volumes", s.ID, s.Backend), s.Backend, s.Bytes)
	default:
		err = d.create(v)
	}
	if err == nil {
		err = save(d, "volumes", id, v)
	}
	if err != nil {
		return nil, asStatus(err)
	}
	return &csi.CreateVolumeResponse{Volume: d.toVolume(v, r.VolumeContentSource)}, nil
}

func (d *driver) DeleteVolume(_ context.Context, r *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if r.VolumeId == "" {
		return nil, status.Error(codes.InvalidArgument, "volume id is required")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	v, err := load[volume](d, "volumes", r.VolumeId)
	if errors.Is(err, os.ErrNotExist) {
		return &csi.DeleteVolumeResponse{}, nil
	}
	if err == nil && v.Backend == backendImage {
		if device, err := attached(d.data("volumes", v.ID, v.Backend)); device != "" || err != nil {
			return nil, status.Errorf(codes.FailedPrecondition, "volume %s is in use (%s %v)", v.ID, device, err)
		}
	}
	return &csi.DeleteVolumeResponse{}, d.erase("volumes", r.VolumeId)
}

func (d *driver) ValidateVolumeCapabilities(_ context.Context, r *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if r.VolumeId == "" || len(r.VolumeCapabilities) == 0 {
		return nil, status.Error(codes.InvalidArgument, "volume id and capabilities are required")
	}
	if _, err := load[volume](d, "volumes", r.VolumeId); err != nil {
		return nil, status.Error(codes.NotFound, "no such volume")
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{VolumeCapabilities: r.VolumeCapabilities}}, nil
}

// page cuts n items to the window a list call asks for.
func page(n int, token string, max int32) (from, to int, next string, err error) {
	if token != "" {
		if from, err = strconv.Atoi(token); err != nil || from > n || from < 0 {
			return 0, 0, "", status.Error(codes.Aborted, "bad starting token")
		}
	}
	to = n
	if max > 0 && from+int(max) < n {
		to = from + int(max)
		next = strconv.Itoa(to)
	}
	return from, to, next, nil
}

func (d *driver) ListVolumes(_ context.Context, r *csi.ListVolumesRequest) (*csi.ListVolumesResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := list[volume](d, "volumes")
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	from, to, next, err := page(len(all), r.StartingToken, r.MaxEntries)
	if err != nil {
		return nil, err
	}
	out := &csi.ListVolumesResponse{NextToken: next}
	for _, v := range all[from:to] {
		out.Entries = append(out.Entries, &csi.ListVolumesResponse_Entry{Volume: d.toVolume(v, nil)})
	}
	return out, nil
}
