"""Stands between Pebbles and one mongod, reads the commands that pass, and can break the line around one of them."""
import contextlib
import socket
import struct
import threading

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from harness import cut

op_msg = 2013
any_time = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)  # Python has no years above 9999


def command_of(message):
    """The command in an OP_MSG, its document sequences put back as arrays; None for any other message."""
    if struct.unpack_from("<i", message, 12)[0] != op_msg:
        return None
    checksum = 4 if struct.unpack_from("<I", message, 16)[0] & 1 else 0
    body, sequences, at, end = {}, {}, 20, len(message) - checksum
    while at < end:
        kind, size = message[at], struct.unpack_from("<i", message, at + 1)[0]
        section = message[at + 1:at + 1 + size]
        if kind == 0:
            body = bson.decode(section, any_time)
        else:
            name, documents = section[4:].split(b"\0", 1)
            sequences[name.decode()] = bson.decode_all(documents, any_time)
        at += 1 + size
    return {**body, **sequences}


def read_message(connection):
    head = read_bytes(connection, 4)
    return head + read_bytes(connection, struct.unpack("<i", head)[0] - 4)


def read_bytes(connection, wanted):
    out = b""
    while len(out) < wanted:
        part = connection.recv(wanted - len(out))
        if not part:
            raise EOFError
        out += part
    return out


class WireProxy:
    """`commands` has every command that has passed. `cut_around(name, times)` lets the next commands of that name
    through to the server, waits for the answer, and cuts the connection instead of handing it over."""

    def __init__(self, upstream_port):
        self.upstream_port = upstream_port
        self.commands, self.to_cut, self.cuts = [], {}, 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def uri(self, database):
        return f"mongodb://127.0.0.1:{self.port}/{database}?directConnection=true"

    def cut_around(self, name, times, collection=None):
        with self.lock:
            self.to_cut[name, collection] = times

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def note(self, command):
        """Whether the answer to this command is to be lost."""
        name = next(iter(command))
        with self.lock:
            self.commands.append(command)
            for key in ((name, None), (name, command[name])):
                if isinstance(key[1], (str, type(None))) and self.to_cut.get(key, 0) > 0:
                    self.to_cut[key] -= 1
                    self.cuts += 1
                    return True
        return False

    def serve(self, connection):
        """Requests and answers take turns, but for the answers that a monitor's `hello` streams."""
        with connection, contextlib.suppress(OSError, EOFError):
            with socket.create_connection(("127.0.0.1", self.upstream_port)) as upstream:
                losing = threading.Event()
                threading.Thread(target=self.answer, args=(upstream, connection, losing), daemon=True).start()
                while True:
                    message = read_message(connection)
                    command = command_of(message)
                    if command is not None and self.note(command):
                        losing.set()
                    upstream.sendall(message)

    @staticmethod
    def answer(upstream, connection, losing):
        with contextlib.suppress(OSError, EOFError):
            while True:
                message = read_message(upstream)
                if losing.is_set():
                    break
                connection.sendall(message)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
            cut(connection)
