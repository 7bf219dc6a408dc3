// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Command csi-local is a CSI driver for one node with two backends, chosen by the StorageClass: a volume is a Btrfs
// subvolume and a snapshot a read-only one, or a volume is a disk in a file and a snapshot a reflink of it. Either is
// O(1) and one moment of the volume. Where the state directory is not on Btrfs the driver copies.
package main

import (
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registerapi "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	csi.UnimplementedGroupControllerServer
	name, node, state, faults, mounts string
	btrfs                             bool
	capacity                          int64
	mu                                sync.Mutex
	seen                              counters
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
	flag.StringVar(&d.mounts, "mounts", "", "directory where this node mounts disks; empty: mounts in the state directory")
	flag.Int64Var(&d.capacity, "capacity", 0, "largest volume in bytes; 0: no limit")
	flag.Parse()
	if d.faults == "" {
		d.faults = filepath.Join(d.state, "faults.json")
	}
	if d.mounts == "" {
		d.mounts = filepath.Join(d.state, "mounts")
	}
	for _, folder := range []string{d.path("volumes", ""), d.path("snapshots", ""), d.path("groups", ""), d.mounts} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			log.Fatal(err)
		}
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.state, &fs); err != nil {
		log.Fatal(err)
	}
	d.btrfs = fs.Type == 0x9123683E
	if err := d.prepareImages(); err != nil {
		log.Fatal(err)
	}
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
