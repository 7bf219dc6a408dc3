// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Faults that a test injects.

// fault is read anew from the faults file before every call, so that a test can switch it on and off.
type fault struct {
	Code     codes.Code    `json:"code"`
	Message  string        `json:"message"`
	Delay    time.Duration `json:"delay_ns"`
	NotReady time.Duration `json:"not_ready_ns"`
}

func (d *driver) fault(call string) fault {
	var all map[string]fault
	raw, err := os.ReadFile(d.faults)
	if err == nil {
		_ = json.Unmarshal(raw, &all)
	}
	return all[call]
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
