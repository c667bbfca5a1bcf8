"""Stands between a server and the queue service, to answer in its place."""
import http.client
import http.server
import json
import threading


class SqsProxy:
    """`answer(action, body)` is asked about each request: what it returns, a status and JSON, is the answer; None hands
    the request over. `seen(action, body, answer)` is told of each that was handed over, with the service's answer."""

    def __init__(self, service, answer=lambda action, body: None, seen=lambda action, body, answer: None):
        self.upstream_port, self.answer, self.seen = service.port, answer, seen
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                proxy.serve(self)

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        action = request.headers["X-Amz-Target"].split(".")[-1]
        asked = json.loads(body)
        answered = self.answer(action, asked)
        if answered is None:
            status, text = self.hand_over(request, body)
            if status == 200:
                self.seen(action, asked, json.loads(text or b"{}"))
        else:
            status, text = answered[0], json.dumps(answered[1]).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/x-amz-json-1.0")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def hand_over(self, request, body):
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=40)
        try:
            upstream.request("POST", request.path, body, dict(request.headers))
            answer = upstream.getresponse()
            return answer.status, answer.read()
        finally:
            upstream.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.server.shutdown()
        self.server.server_close()


def lose_deletes(action, body):
    """Of a proxy: the server is told that messages are deleted, and they are not."""
    if action == "DeleteMessageBatch":
        return 200, {"Successful": [{"Id": entry["Id"]} for entry in body["Entries"]], "Failed": []}
    return None
