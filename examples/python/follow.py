#!/usr/bin/env python3
"""Follows what happens to a client's files, one line of JSON per event, and keeps its place in a file: started again, it
goes on where it was, and tells each event once to who reads its output to the end. Standard library only.

Exits 0 with --once when all there is was told, 2 on wrong usage, 3 when Pebbles stayed away too long.
"""
import argparse
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


def ask(url, token, patience):
    """The answer's JSON. Asks again while the service is busy, stopping or away."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    deadline, pause = time.monotonic() + patience, 1
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            if refusal.code not in (408, 429, 500, 502, 503, 504):
                sys.exit(f"follow: {refusal.code}: {refusal.read().decode(errors='replace')}")
            pause = int(refusal.headers.get("Retry-After") or pause)
        except OSError:
            pass
        if time.monotonic() + pause > deadline:
            print("follow: the service stays away", file=sys.stderr)
            sys.exit(3)
        time.sleep(pause)


def keep(path, cursor):
    """In one step, so that there is always a whole cursor there."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(cursor)
    beside.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("PEBBLES_URL", "http://127.0.0.1:8081"))
    parser.add_argument("--token", default=os.environ.get("PEBBLES_TOKEN"), help="only where reads need one")
    parser.add_argument("--client", required=True)
    parser.add_argument("--place", type=pathlib.Path, required=True, help="the file that the place is kept in")
    parser.add_argument("--pause", type=float, default=2, help="seconds, when there is nothing new (2)")
    parser.add_argument("--retry-seconds", type=float, default=300)
    parser.add_argument("--once", action="store_true", help="end when all there is was told")
    rules = parser.parse_args()
    feed = f"{rules.url}/clients/{urllib.parse.quote(rules.client, safe=':')}/events"
    cursor = rules.place.read_text() if rules.place.exists() else None
    while True:
        page = ask(feed + (f"?after={urllib.parse.quote(cursor)}" if cursor else ""), rules.token, rules.retry_seconds)
        for event in page["events"]:
            print(json.dumps(event, ensure_ascii=False))
        sys.stdout.flush()
        cursor = page["next"]
        keep(rules.place, cursor)
        if not page["more"]:
            if rules.once:
                return 0
            time.sleep(rules.pause)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
