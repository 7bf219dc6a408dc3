// Command csi-local is a CSI driver for one node: a volume is a Btrfs subvolume, a snapshot a
// read-only one, so both are O(1) and atomic. Where the state directory is not on Btrfs it copies.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	registerapi "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

type volume struct {
	ID, Name, Source string
	Bytes            int64
	Block            bool
}

type snapshot struct {
	ID, Name, Volume, Group string
	Bytes                   int64
	Created                 time.Time
}

type group struct {
	ID, Name  string
	Snapshots []string
	Created   time.Time
}

// fault is read anew from the faults file before every call, so that a test can switch it on and off.
type fault struct {
	Code     codes.Code    `json:"code"`
	Message  string        `json:"message"`
	Delay    time.Duration `json:"delay_ns"`
	NotReady time.Duration `json:"not_ready_ns"`
}

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	csi.UnimplementedGroupControllerServer
	name, node, state, faults string
	btrfs             bool
	capacity          int64
	mu                sync.Mutex
}

func (d *driver) path(kind, id string) string { return filepath.Join(d.state, kind, id) }
func (d *driver) data(kind, id string) string { return filepath.Join(d.state, kind, id, "data") }

func idFor(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

func load[T any](d *driver, kind, id string) (*T, error) {
	if id == "" || filepath.Base(id) != id {
		return nil, os.ErrNotExist
	}
	raw, err := os.ReadFile(filepath.Join(d.path(kind, id), "meta.json"))
	if err != nil {
		return nil, err
	}
	v := new(T)
	return v, json.Unmarshal(raw, v)
}

func save(d *driver, kind, id string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := filepath.Join(d.path(kind, id), "meta.json.tmp")
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(d.path(kind, id), "meta.json"))
}

func list[T any](d *driver, kind string) ([]*T, error) {
	entries, err := os.ReadDir(filepath.Join(d.state, kind))
	if err != nil {
		return nil, err
	}
	var out []*T
	for _, e := range entries {
		if v, err := load[T](d, kind, e.Name()); err == nil {
			out = append(out, v)
		}
	}
	return out, nil
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return status.Errorf(codes.Internal, "%s %v: %v: %s", name, args, err, out)
	}
	return nil
}

// clone makes dst a point-in-time copy of src.
func (d *driver) clone(src, dst string, readonly bool) error {
	if d.btrfs {
		args := []string{"subvolume", "snapshot"}
		if readonly {
			args = append(args, "-r")
		}
		return run("btrfs", append(args, src, dst)...)
	}
	return run("cp", "-a", "--reflink=auto", src, dst)
}

func (d *driver) erase(kind, id string) error {
	if d.btrfs {
		if _, err := os.Stat(d.data(kind, id)); err == nil {
			if err := run("btrfs", "subvolume", "delete", d.data(kind, id)); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(d.path(kind, id))
}

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

func (d *driver) fault(call string) fault {
	var all map[string]fault
	raw, err := os.ReadFile(d.faults)
	if err == nil {
		_ = json.Unmarshal(raw, &all)
	}
	return all[call]
}

func (d *driver) toSnapshot(s *snapshot) *csi.Snapshot {
	ready := time.Since(s.Created) >= d.fault("CreateSnapshot").NotReady
	return &csi.Snapshot{SnapshotId: s.ID, SourceVolumeId: s.Volume, SizeBytes: s.Bytes,
		CreationTime: timestamppb.New(s.Created), ReadyToUse: ready, GroupSnapshotId: s.Group}
}

// Identity

func (d *driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: d.name, VendorVersion: "1"}, nil
}

func (d *driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

func (d *driver) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	var caps []*csi.PluginCapability
	for _, t := range []csi.PluginCapability_Service_Type{csi.PluginCapability_Service_CONTROLLER_SERVICE,
		csi.PluginCapability_Service_GROUP_CONTROLLER_SERVICE} {
		caps = append(caps, &csi.PluginCapability{Type: &csi.PluginCapability_Service_{Service: &csi.PluginCapability_Service{Type: t}}})
	}
	return &csi.GetPluginCapabilitiesResponse{Capabilities: caps}, nil
}

// Controller

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
	for _, c := range r.VolumeCapabilities {
		if c.GetBlock() != nil {
			return nil, status.Error(codes.InvalidArgument, "block volumes are not supported")
		}
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
	v := &volume{ID: id, Name: r.Name, Bytes: want}
	if err := d.erase("volumes", id); err != nil { // what a crash left half made
		return nil, err
	}
	if err := os.MkdirAll(d.path("volumes", id), 0o755); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	var err error
	switch src := r.GetVolumeContentSource(); {
	case src.GetSnapshot() != nil:
		s, e := load[snapshot](d, "snapshots", src.GetSnapshot().SnapshotId)
		if e != nil {
			return nil, status.Error(codes.NotFound, "no such snapshot")
		}
		v.Source, err = s.ID, d.clone(d.data("snapshots", s.ID), d.data("volumes", id), false)
	case src.GetVolume() != nil:
		s, e := load[volume](d, "volumes", src.GetVolume().VolumeId)
		if e != nil {
			return nil, status.Error(codes.NotFound, "no such volume")
		}
		v.Source, err = s.ID, d.clone(d.data("volumes", s.ID), d.data("volumes", id), false)
	case d.btrfs:
		err = run("btrfs", "subvolume", "create", d.data("volumes", id))
	default:
		err = os.Mkdir(d.data("volumes", id), 0o755)
	}
	if err == nil && r.GetVolumeContentSource() == nil {
		err = os.Chmod(d.data("volumes", id), 0o777)
	}
	if err == nil {
		err = save(d, "volumes", id, v)
	}
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.CreateVolumeResponse{Volume: d.toVolume(v, r.VolumeContentSource)}, nil
}

func (d *driver) DeleteVolume(_ context.Context, r *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if r.VolumeId == "" {
		return nil, status.Error(codes.InvalidArgument, "volume id is required")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := load[volume](d, "volumes", r.VolumeId); errors.Is(err, os.ErrNotExist) {
		return &csi.DeleteVolumeResponse{}, nil
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

func (d *driver) snap(name, source, group string) (*snapshot, error) {
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
	s := &snapshot{ID: id, Name: name, Volume: source, Group: group, Bytes: v.Bytes, Created: time.Now()}
	if err := d.clone(d.data("volumes", source), d.data("snapshots", id), true); err != nil {
		return nil, err
	}
	return s, save(d, "snapshots", id, s)
}

func (d *driver) CreateSnapshot(_ context.Context, r *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	if r.Name == "" || r.SourceVolumeId == "" {
		return nil, status.Error(codes.InvalidArgument, "name and source volume are required")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.snap(r.Name, r.SourceVolumeId, "")
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

// Group controller

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
		out.Snapshots = append(out.Snapshots, d.toSnapshot(s))
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
		g = &group{ID: id, Name: r.Name, Created: time.Now()}
		for _, v := range r.SourceVolumeIds {
			s, err := d.snap(r.Name+"/"+v, v, id)
			if err != nil {
				return nil, err
			}
			g.Snapshots = append(g.Snapshots, s.ID)
		}
		if err := os.MkdirAll(d.path("groups", id), 0o755); err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
		if err := save(d, "groups", id, g); err != nil {
			return nil, status.Error(codes.Internal, err.Error())
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
	return &csi.DeleteVolumeGroupSnapshotResponse{}, os.RemoveAll(d.path("groups", g.ID))
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

// Node

func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node}, nil
}

func (d *driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{Capabilities: []*csi.NodeServiceCapability{{Type: &csi.NodeServiceCapability_Rpc{
		Rpc: &csi.NodeServiceCapability_RPC{Type: csi.NodeServiceCapability_RPC_GET_VOLUME_STATS}}}}}, nil
}

func mounted(target string) bool {
	return exec.Command("mountpoint", "-q", target).Run() == nil
}

func (d *driver) NodePublishVolume(_ context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if r.VolumeId == "" || r.TargetPath == "" || r.VolumeCapability == nil {
		return nil, status.Error(codes.InvalidArgument, "volume id, target path and capability are required")
	}
	if _, err := load[volume](d, "volumes", r.VolumeId); err != nil {
		return nil, status.Error(codes.NotFound, "no such volume")
	}
	if mounted(r.TargetPath) {
		return &csi.NodePublishVolumeResponse{}, nil
	}
	if err := os.MkdirAll(r.TargetPath, 0o750); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	opts := "bind"
	if r.Readonly {
		opts = "bind,ro"
	}
	return &csi.NodePublishVolumeResponse{}, run("mount", "-o", opts, d.data("volumes", r.VolumeId), r.TargetPath)
}

func (d *driver) NodeUnpublishVolume(_ context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if r.VolumeId == "" || r.TargetPath == "" {
		return nil, status.Error(codes.InvalidArgument, "volume id and target path are required")
	}
	if mounted(r.TargetPath) {
		if err := run("umount", r.TargetPath); err != nil {
			return nil, err
		}
	}
	return &csi.NodeUnpublishVolumeResponse{}, os.RemoveAll(r.TargetPath)
}

func (d *driver) NodeGetVolumeStats(_ context.Context, r *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	if r.VolumeId == "" || r.VolumePath == "" {
		return nil, status.Error(codes.InvalidArgument, "volume id and path are required")
	}
	if _, err := load[volume](d, "volumes", r.VolumeId); err != nil {
		return nil, status.Error(codes.NotFound, "no such volume")
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(r.VolumePath, &s); err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{{Unit: csi.VolumeUsage_BYTES,
		Total: int64(s.Blocks) * s.Bsize, Available: int64(s.Bavail) * s.Bsize, Used: int64(s.Blocks-s.Bfree) * s.Bsize}}}, nil
}

// registrar answers the kubelet's plugin watcher, what node-driver-registrar does elsewhere.
type registrar struct {
	registerapi.UnimplementedRegistrationServer
	name, endpoint string
}

func (r *registrar) GetInfo(context.Context, *registerapi.InfoRequest) (*registerapi.PluginInfo, error) {
	return &registerapi.PluginInfo{Type: registerapi.CSIPlugin, Name: r.name, Endpoint: r.endpoint, SupportedVersions: []string{"1.0.0"}}, nil
}

func (r *registrar) NotifyRegistrationStatus(_ context.Context, s *registerapi.RegistrationStatus) (*registerapi.RegistrationStatusResponse, error) {
	log.Printf("kubelet registration: %v %s", s.PluginRegistered, s.Error)
	return &registerapi.RegistrationStatusResponse{}, nil
}

func (d *driver) inject(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	f := d.fault(filepath.Base(info.FullMethod))
	if f.Delay > 0 {
		time.Sleep(f.Delay)
	}
	if f.Code != codes.OK {
		return nil, status.Error(f.Code, f.Message)
	}
	out, err := next(ctx, req)
	if err != nil {
		log.Printf("%s: %v", info.FullMethod, err)
		return nil, err
	}
	return out, nil
}

func listen(path string) net.Listener {
	_ = os.Remove(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		log.Fatal(err)
	}
	return l
}

func main() {
	d := &driver{}
	endpoint := flag.String("endpoint", "", "path of the CSI socket")
	registry := flag.String("plugins-registry", "", "kubelet's plugins_registry directory; empty: no kubelet")
	flag.StringVar(&d.name, "driver-name", "local.csi.knowngood.test", "CSI driver name")
	flag.StringVar(&d.node, "node-id", "", "node name")
	flag.StringVar(&d.state, "state-dir", "", "directory of volumes and snapshots")
	flag.StringVar(&d.faults, "faults", "", "file of faults to inject; empty: faults.json in the state directory")
	flag.Int64Var(&d.capacity, "capacity", 0, "largest volume in bytes; 0: no limit")
	flag.Parse()
	if d.faults == "" {
		d.faults = filepath.Join(d.state, "faults.json")
	}
	for _, kind := range []string{"volumes", "snapshots", "groups"} {
		if err := os.MkdirAll(filepath.Join(d.state, kind), 0o755); err != nil {
			log.Fatal(err)
		}
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.state, &fs); err != nil {
		log.Fatal(err)
	}
	d.btrfs = fs.Type == 0x9123683E
	log.Printf("state %s, btrfs %v", d.state, d.btrfs)
	s := grpc.NewServer(grpc.UnaryInterceptor(d.inject))
	csi.RegisterIdentityServer(s, d)
	csi.RegisterControllerServer(s, d)
	csi.RegisterNodeServer(s, d)
	csi.RegisterGroupControllerServer(s, d)
	go func() { log.Fatal(s.Serve(listen(*endpoint))) }()
	if *registry != "" {
		r := grpc.NewServer()
		registerapi.RegisterRegistrationServer(r, &registrar{name: d.name, endpoint: *endpoint})
		go func() { log.Fatal(r.Serve(listen(filepath.Join(*registry, d.name+"-reg.sock")))) }()
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	s.Stop()
}
