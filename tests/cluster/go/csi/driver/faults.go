// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Faults that a test injects.

// fault is read anew from the faults file before every call, so that a test can switch it on and off.
type fault struct {
	Code     codes.Code    `json:"code"`
	Message  string        `json:"message"`
	Delay    time.Duration `json:"delay_ns"`     // before the call does anything
	After    time.Duration `json:"after_ns"`     // between what it does and its answer
	NotReady time.Duration `json:"not_ready_ns"` // snapshots: cut, but not ready to use
	Times    int           `json:"times"`        // only so many calls since the file was written; 0: all
	Match    string        `json:"match"`        // only where the request's text holds this
	From     string        `json:"from"`         // CreateVolume: only "snapshot", "volume" or "empty"
}

// counters knows how often each call met its fault since the faults file was written.
type counters struct {
	mu      sync.Mutex
	written time.Time
	by      map[string]int
}

func (c *counters) next(written time.Time, call string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil || !c.written.Equal(written) {
		c.written, c.by = written, map[string]int{}
	}
	c.by[call]++
	return c.by[call]
}

func (d *driver) fault(call string) (f fault, written time.Time) {
	var all map[string]fault
	if stat, err := os.Stat(d.faults); err == nil {
		written = stat.ModTime()
	}
	raw, err := os.ReadFile(d.faults)
	if err == nil {
		_ = json.Unmarshal(raw, &all)
	}
	return all[call], written
}

// notReady is how long what the call made stays not ready; text is what Match is looked for in.
func (d *driver) notReady(call, text string) time.Duration {
	f, _ := d.fault(call)
	if !strings.Contains(text, f.Match) {
		return 0
	}
	return f.NotReady
}

// meets: whether the fault is for this request.
func (f fault) meets(req any) bool {
	if f.Match != "" && !strings.Contains(fmt.Sprint(req), f.Match) {
		return false
	}
	r, ok := req.(*csi.CreateVolumeRequest)
	if f.From == "" || !ok {
		return f.From == ""
	}
	source := "empty"
	if r.GetVolumeContentSource().GetSnapshot() != nil {
		source = "snapshot"
	} else if r.GetVolumeContentSource().GetVolume() != nil {
		source = "volume"
	}
	return f.From == source
}

func (d *driver) inject(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	call := filepath.Base(info.FullMethod)
	f, written := d.fault(call)
	if !f.meets(req) || (f.Times > 0 && d.seen.next(written, call) > f.Times) {
		f = fault{}
	}
	// A caller that gave up meanwhile does not stop the work, as with a real array.
	time.Sleep(f.Delay)
	if f.Code != codes.OK {
		return nil, status.Error(f.Code, f.Message)
	}
	out, err := next(ctx, req)
	time.Sleep(f.After)
	if err != nil {
		log.Printf("%s: %v", info.FullMethod, err)
		return nil, err
	}
	return out, nil
}
