# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The orders API of the shop: a small HTTP server over PostgreSQL, with uploads on a volume of its own."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2

VERSION = os.environ.get("SHOP_VERSION", "?")
UPLOADS = Path(os.environ.get("SHOP_UPLOADS", "/uploads"))
SCHEMA = "CREATE TABLE IF NOT EXISTS orders (id serial PRIMARY KEY, customer text NOT NULL, cents integer NOT NULL)"


def database():
    return psycopg2.connect(
        host=os.environ["SHOP_DB_HOST"], user="postgres", password=os.environ["SHOP_DB_PASSWORD"], connect_timeout=3
    )


def query(sql, arguments=()):
    """Runs one statement in a transaction of its own; rows as lists, none for what returns none."""
    connection = database()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, arguments or None)
            return [list(row) for row in cursor.fetchall()] if cursor.description else []
    finally:
        connection.close()


def place(customer, cents):
    return query("INSERT INTO orders (customer, cents) VALUES (%s, %s) RETURNING id", (customer, cents))


def of_customer(customer):
    return query("SELECT id, customer, cents FROM orders WHERE customer = %s ORDER BY id", (customer,))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        words = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/health":
            self.answer(200, {"version": VERSION, "database": query("SELECT 1")[0][0] == 1})
        elif url.path == "/orders":
            self.answer(200, of_customer(words.get("customer", "")))
        else:
            self.answer(404, {"error": "not found"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/orders":
            order = json.loads(body)
            self.answer(201, {"id": place(str(order["customer"]), int(order["cents"]))[0][0]})
        elif self.path.startswith("/uploads/"):
            name = os.path.basename(self.path)
            (UPLOADS / name).write_bytes(body)
            self.answer(201, {"name": name, "bytes": len(body)})
        else:
            self.answer(404, {"error": "not found"})

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format, *arguments):
        del format, arguments


if __name__ == "__main__":
    query(SCHEMA)
    ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
