// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// How long a connection may take, all of it.
const patience = 20 * time.Second

// target is one server: NAME=HOST:PORT[/PROTOCOL]. Its address is looked up once: names are not what is tried here.
type target struct {
	name, host, address string
	talk                talk
}

func parseTarget(text string) (*target, error) {
	name, rest, named := strings.Cut(text, "=")
	where, protocol, _ := strings.Cut(rest, "/")
	host, port, err := net.SplitHostPort(where)
	if !named || err != nil {
		return nil, fmt.Errorf("target %q is not NAME=HOST:PORT[/PROTOCOL]", text)
	}
	if protocol == "" {
		protocol = "http"
	}
	if protocols[protocol] == nil {
		return nil, fmt.Errorf("target %q: no such protocol", text)
	}
	found, err := net.LookupHost(host)
	if err != nil {
		return nil, err
	}
	return &target{name, host, net.JoinHostPort(found[0], port), protocols[protocol]}, nil
}

// trust is the text of TRUST, else the file: read once, as most programs do.
func trust(file string) (*x509.CertPool, error) {
	text := []byte(os.Getenv("TRUST"))
	if len(text) == 0 {
		read, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		text = read
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("there is no certificate in what is to be trusted")
	}
	return pool, nil
}

// asking is who asks: what it trusts and shows, whom it asks and how often, and whom it tells.
type asking struct {
	config  *tls.Config
	targets []*target
	threads int
	pause   time.Duration
	counts  string
}

func parseLoad(arguments []string) (*asking, error) {
	who := &asking{config: &tls.Config{}}
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	ca := flags.String("ca", "", "file of trusted CAs; TRUST, where it is set, is taken instead")
	cert := flags.String("cert", "", "file of the client's certificate, for servers that ask for one")
	key := flags.String("key", "", "file of its key")
	flags.IntVar(&who.threads, "threads", 8, "connections at a time")
	flags.DurationVar(&who.pause, "pause", 0, "of a thread between two connections")
	flags.StringVar(&who.counts, "counts", "", "URL of the counter")
	_ = flags.Parse(arguments)
	var err error
	if who.config.RootCAs, err = trust(*ca); err != nil {
		return nil, err
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return nil, err
		}
		who.config.Certificates = []tls.Certificate{pair}
	}
	for _, text := range flags.Args() {
		one, err := parseTarget(text)
		if err != nil {
			return nil, err
		}
		who.targets = append(who.targets, one)
	}
	return who, nil
}

// load runs threads over the targets, each with one version of TLS, until it is told to end; then each ends the
// connection it has, and the last counts are told.
func load(arguments []string, ended <-chan os.Signal) error {
	who, err := parseLoad(arguments)
	if err != nil {
		return err
	}
	seen := newTally()
	var stop atomic.Bool
	var group sync.WaitGroup
	for number := range who.threads {
		version := []uint16{tls.VersionTLS12, tls.VersionTLS13}[number/len(who.targets)%2]
		group.Go(func() { ask(who.targets[number%len(who.targets)], who.config, version, who.pause, &stop, seen) })
	}
	over := make(chan struct{})
	told := make(chan struct{})
	go func() { seen.tellUntil(over, who.counts); close(told) }()
	<-ended
	stop.Store(true)
	group.Wait()
	close(over)
	<-told
	return nil
}

func ask(to *target, base *tls.Config, version uint16, pause time.Duration, stop *atomic.Bool, seen *tally) {
	config := base.Clone()
	config.ServerName, config.MinVersion, config.MaxVersion = to.host, version, version
	// No ClientSessionCache: every connection is a handshake of its own.
	for !stop.Load() {
		served, err := once(to, config)
		seen.note(to.name, tls.VersionName(version), served, err)
		time.Sleep(pause)
	}
}

// once is a fresh connection with application bytes both ways; it gives the fingerprint of the certificate served.
func once(to *target, config *tls.Config) (string, error) {
	raw, err := net.DialTimeout("tcp", to.address, patience)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer raw.Close()
	// What was answered is answered: no port is to be kept waiting, or they would run out.
	_ = raw.(*net.TCPConn).SetLinger(0)
	_ = raw.SetDeadline(time.Now().Add(patience))
	return to.talk(raw, config)
}
