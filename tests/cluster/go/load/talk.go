// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
)

// talk does one connection's work and gives the fingerprint served, as far as it came.
type talk func(net.Conn, *tls.Config) (string, error)

var protocols = map[string]talk{"http": talkHTTP, "postgres": talkPostgres}

func handshake(raw net.Conn, config *tls.Config) (*tls.Conn, string, error) {
	channel := tls.Client(raw, config)
	if err := channel.Handshake(); err != nil {
		return nil, "", fmt.Errorf("handshake: %w", err)
	}
	sum := sha256.Sum256(channel.ConnectionState().PeerCertificates[0].Raw)
	return channel, "sha256:" + hex.EncodeToString(sum[:]), nil
}

func talkHTTP(raw net.Conn, config *tls.Config) (string, error) {
	channel, served, err := handshake(raw, config)
	if err != nil {
		return "", err
	}
	if _, err = fmt.Fprintf(channel, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", config.ServerName); err != nil {
		return served, fmt.Errorf("request: %w", err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(channel), nil)
	if err != nil {
		return served, fmt.Errorf("answer: %w", err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return served, fmt.Errorf("answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK || !bytes.HasPrefix(body, []byte("hello")) {
		return served, fmt.Errorf("answer: %s, %d bytes", answer.Status, len(body))
	}
	return served, nil
}

// Numbers of https://www.postgresql.org/docs/15/protocol-message-formats.html.
const sslRequest, protocol3 = 80877103, 196608

func message(kind byte, body []byte) []byte {
	var made []byte
	if kind != 0 {
		made = append(made, kind)
	}
	made = binary.BigEndian.AppendUint32(made, uint32(len(body)+4))
	return append(made, body...)
}

// untilReady reads messages up to ReadyForQuery; the bodies of the data rows together.
func untilReady(from io.Reader) ([]byte, error) {
	var rows []byte
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(from, head); err != nil {
			return nil, fmt.Errorf("answer: %w", err)
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return nil, fmt.Errorf("answer: %w", err)
		}
		switch head[0] {
		case 'E':
			return nil, fmt.Errorf("answer: %q", body)
		case 'D':
			rows = append(rows, body...)
		case 'Z':
			return rows, nil
		}
	}
}

// talkPostgres asks for TLS as libpq does before PostgreSQL 17, logs in and runs a query.
func talkPostgres(raw net.Conn, config *tls.Config) (string, error) {
	if _, err := raw.Write(message(0, binary.BigEndian.AppendUint32(nil, sslRequest))); err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	willing := make([]byte, 1)
	if _, err := io.ReadFull(raw, willing); err != nil || willing[0] != 'S' {
		return "", fmt.Errorf("connect: the answer to SSLRequest is %q, %v", willing, err)
	}
	channel, served, err := handshake(raw, config)
	if err != nil {
		return "", err
	}
	who := append(binary.BigEndian.AppendUint32(nil, protocol3), "user\x00postgres\x00database\x00postgres\x00\x00"...)
	if _, err = channel.Write(message(0, who)); err != nil {
		return served, fmt.Errorf("request: %w", err)
	}
	if _, err = untilReady(channel); err != nil {
		return served, err
	}
	if _, err = channel.Write(message('Q', []byte("SELECT 'hel' || 'lo'\x00"))); err != nil {
		return served, fmt.Errorf("request: %w", err)
	}
	rows, err := untilReady(channel)
	if err == nil && !bytes.Contains(rows, []byte("hello")) {
		err = fmt.Errorf("answer: %q", rows)
	}
	_, _ = channel.Write(message('X', nil))
	return served, err
}
