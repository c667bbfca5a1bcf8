"""Clients that read to hurt: each function attacks a server until an event is set. The counterpart of hostile_writes.py.

They come from an address of their own of the loopback network: a server shares by addresses where there are no tokens."""
import contextlib
import socket
import threading

import harness
import httpx
from api_support import Api, path_of

address = "127.66.0.1"


def connect(server, source=address, receive_bytes=None):
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.bind((source, 0))
    connection.settimeout(10)
    connection.connect(("127.0.0.1", server.port))
    return connection


def client_from(server, source=address):
    return httpx.Client(base_url=server.url, trust_env=False, timeout=60,
                        transport=httpx.HTTPTransport(local_address=source))


def slow_readers(server, paths, stop, count=32, pause_s=0.5):
    """Readers that take a few bytes now and then, and begin again where they are cut off."""
    readers = [None] * count
    while not stop.is_set():
        for number, reader in enumerate(readers):
            if reader is not None and is_at_its_end(reader):
                reader.close()
                readers[number] = reader = None
            if reader is None:
                with contextlib.suppress(OSError):
                    readers[number] = begin(server, paths[number % len(paths)])
        stop.wait(pause_s)
    for reader in readers:
        if reader is not None:
            reader.close()


def begin(server, path):
    reader = connect(server, receive_bytes=4096)
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    reader.setblocking(False)
    return reader


def is_at_its_end(reader):
    """Takes a few bytes; all of an answer that is no export."""
    try:
        piece = reader.recv(16)
        is_refused = piece.startswith(b"HTTP/1.1 ") and not piece.startswith(b"HTTP/1.1 200")
        return not piece or is_refused
    except BlockingIOError:
        return False
    except OSError:
        return True


def repeated(server, path, stop, many=8):
    """The same request again and again, of so many clients at once."""
    def ask():
        with client_from(server) as client:
            while not stop.is_set():
                with contextlib.suppress(httpx.HTTPError):
                    client.get(path)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def searches(server, krn, record_id, stop, many=8):
    """For a text that matches nearly everywhere, and nowhere."""
    repeated(server, path_of(krn, record_id, "errors") + "?contains=" + "a" * 255 + "b", stop, many)


def invented_names(server, stop, many=8):
    """Summaries, feeds and lists of clients that do not exist, each asked for once."""
    numbers = iter(range(1 << 40))

    def ask():
        with client_from(server) as client:
            while not stop.is_set():
                krn = f"krn:invented:{next(numbers)}"
                for path in (f"/clients/{krn}/summary", f"/clients/{krn}/events?format=ndjson", path_of(krn)):
                    with contextlib.suppress(httpx.HTTPError):
                        client.get(path)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def large_file(server, krn):
    """The id of a file of this tenant with 4 MB of errors that are alike."""
    api = Api(server)
    for _ in range(5):
        items = [{"line": number + 1, "message": "a" * 8000} for number in range(100)]
        api.post(krn, harness.update("large", failed=100, errors=items))
    return api.record(krn, "large")["id"]


def attack_with_slow_readers(server, stop):
    krn = "krn:hostile:exports"
    export = path_of(krn, large_file(server, krn), "errors") + "?format=ndjson"
    slow_readers(server, [export, f"/clients/{krn}/events?format=ndjson"], stop, count=64)


def attack_with_searches(server, stop):
    krn = "krn:hostile:searches"
    searches(server, krn, large_file(server, krn), stop)


attackers = {"slow readers": attack_with_slow_readers, "searches": attack_with_searches,
             "invented names": invented_names}
