// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Command tlsload asks TLS servers without a pause and counts what they serve (load), keeps the counts of all who ask
// (count), and is a server that reads its certificate once, when it starts (serve).
package main

import (
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log.SetFlags(log.Lmicroseconds)
	modes := map[string]func([]string, <-chan os.Signal) error{"load": load, "count": count, "serve": serve}
	if len(os.Args) < 2 || modes[os.Args[1]] == nil {
		log.Fatal("usage: tlsload load|count|serve FLAGS")
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	if err := modes[os.Args[1]](os.Args[2:], ended); err != nil {
		log.Fatal(err)
	}
}
