"""An OpenAI-compatible server for tests: answers at once, whole or streamed, with the figures it was told to state."""
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def chat(body, index):
    return {"index": index, "message": {"role": "assistant", "content": "Hello"}, "logprobs": None, "finish_reason": "stop"}


def text(body, index):
    return {"index": index, "text": "Hello", "logprobs": None, "finish_reason": "stop"}


def embedding(body, index):
    return {"object": "embedding", "index": index, "embedding": [0.5] * (body.get("dimensions") or 4)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        upstream = self.server.upstream
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with upstream.lock:
            upstream.active += 1
            upstream.served += 1
            upstream.most = max(upstream.most, upstream.active)
        time.sleep(upstream.delay_s)
        with upstream.lock:
            upstream.active -= 1
        self.answer(body)

    def answer(self, body):
        if self.path.endswith("/embeddings"):
            data = [embedding(body, i) for i in range(len(body["input"]))]
            return self.send(json.dumps({"object": "list", "model": "m", "data": data, "usage": USAGE}))
        of_chat = self.path.endswith("/chat/completions")
        choices = [(chat if of_chat else text)(body, i) for i in range(body.get("n", 1))]
        kind = "chat.completion" if of_chat else "text_completion"
        head = {"id": "x", "object": kind, "created": 1, "model": "m"}
        if not body.get("stream"):
            return self.send(json.dumps({**head, "choices": choices, "usage": USAGE}))
        if of_chat:
            choices = [{**choice, "delta": choice.pop("message")} for choice in choices]
        pieces = [{**head, "choices": [choice]} for choice in choices] + [{**head, "choices": [], "usage": USAGE}]
        self.send("".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces) + "data: [DONE]\n\n", "text/event-stream")

    def send(self, data, kind="application/json"):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data.encode())))
        self.end_headers()
        self.wfile.write(data.encode())

    def log_message(self, *_):
        pass


class Upstream:
    """Counts what it serves; `delay_s` slows it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.delay_s = 0.0
        self.active = self.most = self.served = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.upstream = self
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":  # prints where it listens
    print(Upstream().url, flush=True)
    threading.Event().wait()
