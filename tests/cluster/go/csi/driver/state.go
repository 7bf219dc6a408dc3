// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What the driver keeps: one folder a volume, snapshot or group, with meta.json beside the data.

type volume struct {
	ID, Name, Source, Backend string
	Bytes                     int64
	Block                     bool
}

type snapshot struct {
	ID, Name, Volume, Group, Backend string
	Bytes                            int64
	Created                          time.Time
}

type group struct {
	ID, Name  string
	Snapshots []string
	Created   time.Time
}

func (d *driver) path(kind, id string) string { return filepath.Join(d.state, kind, id) }

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

// asStatus keeps an error that has a code of its own.
func asStatus(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.Internal, err.Error())
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return status.Errorf(codes.Internal, "%s %v: %v: %s", name, args, err, out)
	}
	return nil
}
