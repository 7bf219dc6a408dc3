// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Command csi-local is a CSI driver for one node: a volume is a Btrfs subvolume, a snapshot a
// read-only one, so both are O(1) and atomic. Where the state directory is not on Btrfs it copies.
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
	name, node, state, faults string
	btrfs                     bool
	capacity                  int64
	mu                        sync.Mutex
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
