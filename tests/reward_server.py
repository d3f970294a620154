"""A real server on loopback that speaks as vLLM, SGLang and OpenAI do, and fails on demand."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rewards.interface import Item


class RewardServer:
    """`answer(path, body)` gives an object for a 200, or (status, text); `faults` are played first, one per POST:
    (status, text[, headers]), "drop", "stall" or "drip". `posts` are the bodies seen, `most` came at once."""

    def __init__(self, answer, models=("judge",)):
        self.answer, self.models = answer, models
        self.faults, self.posts, self.headers, self.most, self.now = [], [], [], 0, 0
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                status = 200 if self.path == "/v1/models" else 404
                self.reply(status, {"data": [{"id": name, "root": f"/models/{name}"} for name in outer.models]})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with outer.lock:
                    outer.now += 1
                    outer.most = max(outer.most, outer.now)
                    fault = outer.faults.pop(0) if outer.faults else None
                    outer.posts.append(body)
                    outer.headers.append(dict(self.headers))
                try:
                    answer = None if fault else outer.answer(self.path, body)
                    self.play(fault or (answer if isinstance(answer, tuple) else (200, answer)))
                finally:
                    with outer.lock:
                        outer.now -= 1

            def play(self, fault):
                if fault == "drop":
                    self.close_connection = True
                    self.connection.close()
                elif fault in ("stall", "drip"):  # one says nothing, the other is done after 1.2 seconds
                    answer = json.dumps(
                        outer.answer("/classify", {"messages": [{"content": "wrong" * 9}]})
                    ).encode()
                    self.send_response(200)
                    self.send_header("content-length", str(12 + len(answer)))
                    self.end_headers()
                    for _ in range(12):
                        time.sleep(0.1)
                        if fault == "drip":
                            self.wfile.write(b" ")
                    self.wfile.write(answer)
                    self.close_connection = True
                else:
                    self.reply(*fault)

            def reply(self, status, given, headers=()):
                data = given.encode() if isinstance(given, str) else json.dumps(given).encode()
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that gave up
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def read_chat(messages):
    """OpenAI messages as an `Item`: the last turn is the completion, pictures come from their data addresses."""
    turns, images = [], []
    for message in messages:
        content = message["content"]
        if not isinstance(content, str):
            images += [
                base64.b64decode(part["image_url"]["url"].split(",")[1]) for part in content if "image_url" in part
            ]
            content = "".join(part.get("text", "<image>") for part in content)
        turns.append({"role": message["role"], "content": content})
    return Item("asked", turns[:-1], turns[-1:], tuple(images))
