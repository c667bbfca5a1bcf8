"""Clients that write to hurt: each function attacks a server until an event is set. For tests/faults/hostile_test.py.

Every attacker keeps its bodies in memory once, so that the load is the server's and not this process's."""
import contextlib
import json
import selectors
import socket
import threading

import harness

update_bytes_max = 1 << 20
batch_bytes_max = 16 << 20


def head_of(krn, length, *, batch=False, token=None, more=""):
    return (f"POST /clients/{krn}/progress{'/batch' if batch else ''} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {harness.bearer(token)['Authorization']}\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\n{more}Content-Length: {length}\r\n\r\n").encode()


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def exchange(server, head, body):
    """The status of the answer; None where the connection ended without one."""
    with contextlib.suppress(OSError), connect(server) as connection:
        connection.settimeout(60)
        with contextlib.suppress(OSError):  # it may answer, and close, before it has read everything
            connection.sendall(head)
            connection.sendall(body)
        answer = connection.recv(64)
        while connection.recv(1 << 16):
            pass
        return int(answer.split(b" ")[1]) if answer else None
    return None


class Held:
    """One POST that stops one byte short, and begins again where the server ends it."""

    def __init__(self, server, request):
        self.server, self.request = server, request
        self.connection, self.sent = None, 0

    def step(self):
        """Sends what the socket takes at once. False when there is nothing to do but to hold on."""
        try:
            if self.connection is None:
                self.connection, self.sent = connect(self.server), 0
                self.connection.setblocking(False)
            while self.sent < len(self.request):
                self.sent += self.connection.send(self.request[self.sent:self.sent + (1 << 18)])
            if not self.connection.recv(1 << 16):
                self.close()
                return True
        except BlockingIOError:
            return False
        except OSError:
            self.close()
        return True

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def held_posts(server, stop, *, krn="krn:hostile:held", count=500, length=update_bytes_max, batch=False, token=None):
    """`count` connections, each of which has sent all of a body but its last byte."""
    body = b'{"filename":"' + b" " * (length - 13)
    request = memoryview(head_of(krn, length, batch=batch, token=token) + body[:-1])
    held = [Held(server, request) for _ in range(count)]
    while not stop.is_set():
        for one in held:
            if stop.is_set():
                break
            one.step()
        stop.wait(0.05)
    for one in held:
        one.close()


def repeat(server, stop, head, body, answers=None):
    while not stop.is_set():
        status = exchange(server, head, body)
        if answers is not None:
            answers.append(status)
        stop.wait(0.05 if status == 200 else 0.2)


def array_bombs(server, stop, *, krn="krn:hostile:arrays", token=None, answers=None, size=batch_bytes_max):
    """Batches of one element that would become a tree of many times its size."""
    body = b"[[" + b"0," * ((size - 8) // 2) + b"0]]"
    repeat(server, stop, head_of(krn, len(body), batch=True, token=token), body, answers)


def message_bombs(server, stop, *, krn="krn:hostile:messages", token=None, answers=None, size=batch_bytes_max):
    """Batches of as many empty messages as there is room for: some million."""
    items = b"[" + b",".join([b'{"message":""}'] * 10_000) + b"]"
    parts, total = [], 2
    while total < size - len(items) * 2 - 200:
        parts.append(b'{"filename":"m%d","counts":{"done":1,"warn":0,"failed":0},"errors":%s,"warnings":%s}'
                     % (len(parts), items, items))
        total += len(parts[-1]) + 1
    body = b"[" + b",".join(parts) + b"]"
    repeat(server, stop, head_of(krn, len(body), batch=True, token=token), body, answers)


def many_small(server, stop, *, krn="krn:hostile:small", token=None, answers=None):
    """Batches of 10,000 updates of files of their own, with as many small errors as a record keeps."""
    number = 0
    while not stop.is_set():
        number += 1
        items = ",".join(['{"message":""}'] * 100)
        body = ("[" + ",".join(f'{{"filename":"s{number}-{i}","counts":{{"done":1,"warn":0,"failed":0}},'
                               f'"errors":[{items}]}}' for i in range(10_000)) + "]").encode()
        status = exchange(server, head_of(krn, len(body), batch=True, token=token), body)
        if answers is not None:
            answers.append(status)
        stop.wait(0.2)


def slow_heads(server, stop, *, count=1000):
    """Heads that never end, a byte at a time."""
    trickle(server, stop, b"GET /clients/krn:x/progress HTTP/1.1\r\nHost: x\r\nX-Slow: ", count, byte=b"a")


def large_heads(server, stop, *, count=1000, bytes_each=7800):
    """Connections that have sent one large request each, and then are idle."""
    request = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nX-Large: " + b"h" * bytes_each + b"\r\n\r\n"
    trickle(server, stop, request, count, byte=None)


def trickle(server, stop, request, count, byte):
    with contextlib.ExitStack() as opened, selectors.DefaultSelector() as readable:
        for _ in range(count):
            if stop.is_set():
                return
            with contextlib.suppress(OSError):
                connection = opened.enter_context(connect(server))
                connection.sendall(request)
                connection.setblocking(False)
                readable.register(connection, selectors.EVENT_READ)
        while not stop.wait(0.5):
            for key, _ in readable.select(0):
                with contextlib.suppress(OSError):
                    if key.fileobj.recv(1 << 16):
                        continue
                readable.unregister(key.fileobj)
            if byte is not None:
                for key in list(readable.get_map().values()):
                    with contextlib.suppress(OSError):
                        key.fileobj.send(byte)


def bulk(server, stop, *, krn="krn:bulk", senders=8, files=100_000, updates=10_000, token=None, answers=None,
         errors=1):
    """Honest senders of large batches, each with files of its own: a backlog that is being caught up with."""
    threads = [threading.Thread(target=bulk_sender, args=(server, stop, f"{krn}:{number}", number, files // senders, updates, token,
                                                          answers, errors))
               for number in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def bulk_sender(server, stop, krn, number, files, updates, token, answers, errors):
    bodies, token = [], token or harness.mint(f"bulk-{number}@example.com")
    for begin in range(0, files, updates):
        batch = [harness.update(f"{number}/file-{i}.csv", done=i,
                                errors=[{"line": i, "message": f"row {i} is not valid"}] * errors)
                 for i in range(begin, begin + updates)]
        bodies.append(json.dumps(batch).encode())
    for turn in range(1 << 30):
        body = bodies[turn % len(bodies)]
        key = f'Idempotency-Key: "bulk-{number}-{turn}"\r\nPrefer: return=minimal\r\n'
        status = exchange(server, head_of(krn, len(body), batch=True, token=token, more=key), body)
        if answers is not None:
            answers.append(status)
        if stop.wait(0 if status == 200 else 0.2):
            return
