// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"net/http"
	"os"
	"time"
)

// serve answers with a certificate that it reads once: out of TLS_CRT and TLS_KEY, or out of files.
func serve(arguments []string, ended <-chan os.Signal) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	address := flags.String("listen", ":8443", "where to listen")
	cert := flags.String("cert", "", "file of the certificate, unless TLS_CRT is set")
	key := flags.String("key", "", "file of the key")
	_ = flags.Parse(arguments)
	pair, err := own(*cert, *key)
	if err != nil {
		return err
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello\n")) })
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	return untilEnded(&http.Server{Addr: *address, Handler: hello, TLSConfig: config}, ended)
}

func own(cert, key string) (tls.Certificate, error) {
	if text := os.Getenv("TLS_CRT"); text != "" {
		return tls.X509KeyPair([]byte(text), []byte(os.Getenv("TLS_KEY")))
	}
	return tls.LoadX509KeyPair(cert, key)
}

// untilEnded serves until it is told to end, and ends what was begun.
func untilEnded(server *http.Server, ended <-chan os.Signal) error {
	failed := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			failed <- server.ListenAndServeTLS("", "")
		} else {
			failed <- server.ListenAndServe()
		}
	}()
	select {
	case err := <-failed:
		return err
	case <-ended:
	}
	patient, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(patient); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
