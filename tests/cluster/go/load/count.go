// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"
)

// How many failures are kept word for word.
const kept = 20

// row is what one sort of connection came to: a target, a version of TLS, a certificate.
type row struct {
	Target      string `json:"target"`
	Version     string `json:"version"`
	Fingerprint string `json:"fingerprint"`
	OK          int    `json:"ok"`
	Failed      int    `json:"failed"`
}

type sort struct{ target, version, fingerprint string }

// tally counts connections. Gaps are the longest times of each target without one that succeeded, in milliseconds.
type tally struct {
	mu    sync.Mutex
	rows  map[sort]*row
	why   []string
	last  map[string]time.Time
	gaps  map[string]int64
	begun time.Time
}

func newTally() *tally {
	return &tally{rows: map[sort]*row{}, last: map[string]time.Time{}, gaps: map[string]int64{}, begun: time.Now()}
}

func (t *tally) note(target, version, served string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := sort{target, version, served}
	if t.rows[one] == nil {
		t.rows[one] = &row{Target: target, Version: version, Fingerprint: served}
	}
	now := time.Now()
	if err != nil {
		t.rows[one].Failed++
		if len(t.why) < kept {
			t.why = append(t.why, now.UTC().Format("15:04:05.000 ")+target+", "+version+": "+err.Error())
		}
		return
	}
	t.rows[one].OK++
	if before, known := t.last[target]; known {
		t.gaps[target] = max(t.gaps[target], now.Sub(before).Milliseconds())
	}
	t.last[target] = now
}

func (t *tally) text() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := make([]*row, 0, len(t.rows))
	for _, one := range t.rows {
		rows = append(rows, one)
	}
	told := map[string]any{"rows": rows, "why": t.why, "gaps_ms": t.gaps, "seconds": time.Since(t.begun).Seconds()}
	made, err := json.Marshal(told)
	if err != nil {
		log.Fatal(err)
	}
	return made
}

// tellUntil tells the counter what was counted so far, every half second and once at the end.
func (t *tally) tellUntil(over <-chan struct{}, url string) {
	name, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	for last := false; ; {
		if err := tell(url+"/"+name, t.text()); err != nil {
			log.Print("not told: ", err)
		} else if last {
			return
		}
		select {
		case <-over:
			last = true
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func tell(url string, text []byte) error {
	asked, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Timeout: 5 * time.Second}).Do(asked)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// count keeps what each client told last, by the client's host name, and gives it all as one object.
func count(arguments []string, ended <-chan os.Signal) error {
	flags := flag.NewFlagSet("count", flag.ExitOnError)
	address := flags.String("listen", ":8000", "where to listen")
	_ = flags.Parse(arguments)
	var mu sync.Mutex
	told := map[string]json.RawMessage{}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /{client}", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil || !json.Valid(text) {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		told[r.PathValue("client")] = text
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(w).Encode(told)
	})
	return untilEnded(&http.Server{Addr: *address, Handler: mux}, ended)
}
