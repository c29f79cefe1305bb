#!/usr/bin/env python3
"""A client that does what clients must not, and tells what the gateway answers.

    python3 hammer.py URL --token A --token B [--prefix misbehave__] [--sessions 20] [CASE...]

URL is an MCP endpoint with the fixture `misbehave` behind it; the two tokens belong to two
principals. A CASE is a name or the beginning of one (`wrong_host`); without any, all are run. Each
prints one line, and nothing is judged here:

    {"case", "status", "body", "headers", "error", "ms", ...}      (`sessions` has counts only)

`status` is null and `error` says why when there was no answer in HTTP. `body` is text, at most 4 KiB
of it; of an event stream it is the data of the last event. More fields are told with the case.
The exit code is 0 when all cases have run, and 1 when the first session could not be opened.
"""

import argparse
import contextlib
import http.client
import json
import socket
import sys
import threading
import time
import urllib.parse
import uuid

TIMEOUT_S = 15
# A stream that was opened with GET stays open: its status is all that there is to see.
GET_TIMEOUT_S = 2
BODY_BYTES_MAX = 64 << 20
SHOWN_BYTES = 4096
VERSION = "2025-11-25"
INITIALIZE = {
    "protocolVersion": VERSION,
    "capabilities": {},
    "clientInfo": {"name": "archestra-hammer", "version": "1.0.0"},
}
CASES = {}


def case(name):
    """A case is a function of the hammer that returns what to print, or a list of (name, that)."""

    def add(run):
        CASES[name] = run
        return run

    return add


class Answer:
    """What came back, or why nothing did."""

    def __init__(self, status=None, headers=(), body=b"", error=None):
        self.ms = None
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body
        self.error = error

    @property
    def text(self):
        text = self.body.decode("utf-8", "replace")
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            events = [line[5:].strip() for line in text.splitlines() if line.startswith("data:") and line[5:].strip()]
            return events[-1] if events else ""
        return text

    @property
    def json(self):
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    @property
    def said(self):
        """The text of a tool's result."""
        with contextlib.suppress(TypeError, KeyError, IndexError):
            return self.json["result"]["content"][0]["text"]
        return None

    def shown(self, **more):
        kept = ("content-type", "www-authenticate", "mcp-session-id", "allow", "retry-after", "access-control-allow-origin")
        headers = {name: self.headers[name] for name in kept if name in self.headers}
        shown = {"status": self.status, "body": self.text[:SHOWN_BYTES], "headers": headers, "error": self.error}
        return {**shown, "ms": self.ms, **more}


class Hammer:
    """Makes requests byte by byte, since libraries refuse to make wrong ones."""

    def __init__(self, options):
        url = urllib.parse.urlsplit(options.url)
        self.host, self.port = url.hostname, url.port or 80
        self.path = url.path or "/"
        self.authority = url.netloc
        self.prefix = options.prefix
        self.options = options
        self.tokens = (options.token * 2)[:2]
        self.sessions = {}

    def connect(self):
        line = socket.create_connection((self.host, self.port), timeout=TIMEOUT_S)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line

    def headers(self, token=None, session=None, without=(), more=()):
        found = [
            ("Host", self.authority),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("MCP-Protocol-Version", VERSION),
            ("Connection", "close"),
        ]
        if token:
            found.append(("Authorization", f"Bearer {token}"))
        if session:
            found.append(("Mcp-Session-Id", session))
        return [(name, value) for name, value in found if name.lower() not in without] + list(more)

    def send(self, body, headers, method="POST", path=None, length=True):
        """Sends one request and reads its answer: never raises for what the other side does."""
        start = time.monotonic()
        answer = self.sent(body, headers, method, path or self.path, length)
        answer.ms = round((time.monotonic() - start) * 1000)
        return answer

    def sent(self, body, headers, method, path, length):
        try:
            with self.connect() as line:
                if method == "GET":
                    line.settimeout(GET_TIMEOUT_S)
                head = [f"{method} {path} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers]
                if length and (body or method == "POST"):
                    head.append(f"Content-Length: {len(body)}")
                line.sendall("\r\n".join(head).encode("latin-1") + b"\r\n\r\n")
                with contextlib.suppress(ConnectionError):
                    # An answer may be there before all is sent, and the other side gone.
                    line.sendall(body)
                return self.receive(line, method)
        except (OSError, http.client.HTTPException) as err:
            return Answer(error=f"{type(err).__name__}: {err}")

    def receive(self, line, method="POST"):
        response = http.client.HTTPResponse(line, method=method)
        response.begin()
        body, error = b"", None
        try:
            while len(body) < BODY_BYTES_MAX and (piece := response.read1(65_536)):
                body += piece
                if response.headers.get_content_type() == "text/event-stream" and answered(body):
                    break
        except (OSError, http.client.HTTPException) as err:
            error = f"{type(err).__name__}: {err}"
        return Answer(response.status, response.headers.items(), body, error)

    def post(self, message, who=0, session=None, **how):
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return self.send(body, self.headers(self.tokens[who], session or self.session(who), **how))

    def session(self, who):
        if who not in self.sessions:
            self.sessions[who] = self.open(who)
        return self.sessions[who]

    def open(self, who):
        """Opens a session and returns its id."""
        headers = self.headers(self.tokens[who], without=("mcp-protocol-version",))
        answer = self.send(json.dumps(request("initialize", INITIALIZE, 0)).encode(), headers)
        session = answer.headers.get("mcp-session-id")
        if answer.status != 200 or not session:
            raise ConnectionError(f"initialize: {answer.shown()}")
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        self.send(json.dumps(note).encode(), self.headers(self.tokens[who], session))
        return session

    def tool(self, name, arguments=None, ident=1):
        return request("tools/call", {"name": f"{self.prefix}{name}", "arguments": arguments or {}}, ident)


def answered(body):
    """Whether the last whole event is an answer, after which a stream has no more for us."""
    for event in body.split(b"\n\n")[:-1]:
        data = b"".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))
        with contextlib.suppress(ValueError):
            message = json.loads(data)
            if isinstance(message, list) or (isinstance(message, dict) and "method" not in message):
                return True
    return False


def request(method, params=None, ident=1):
    message = {"jsonrpc": "2.0", "id": ident, "method": method}
    return message if params is None else {**message, "params": params}


def at_once(jobs):
    """Runs functions at the same time and returns what they return, in order."""
    results = [None] * len(jobs)
    start = threading.Barrier(len(jobs))

    def run(index, job):
        start.wait()
        try:
            results[index] = job()
        except Exception as err:
            results[index] = Answer(error=f"{type(err).__name__}: {err}")

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@case("sessions")
def many_sessions(hammer):
    """Sessions of both principals, and in each a call with one id at once.

    `opened`, `answered`, `crossed` (answers that belong to another), `failures`.
    """
    count = hammer.options.sessions
    opened = at_once([lambda who=n % 2: hammer.open(who) for n in range(count)])
    failures = [session.error for session in opened if isinstance(session, Answer)]
    live = [(n % 2, session) for n, session in enumerate(opened) if not isinstance(session, Answer)]
    texts = [f"{who} {uuid.uuid4()}" for who, _ in live]
    answers = at_once(
        [
            lambda who=who, session=session, text=text: hammer.post(hammer.tool("echo", {"text": text}), who, session)
            for (who, session), text in zip(live, texts, strict=True)
        ]
    )
    for who, session in live:
        hammer.send(b"", hammer.headers(hammer.tokens[who], session), method="DELETE")
    wrong = [answer.shown() for answer, text in zip(answers, texts, strict=True) if answer.said != text]
    return {
        "opened": len(live),
        "distinct": len({session for _, session in live}),
        "answered": sum(answer.said is not None for answer in answers),
        "crossed": sum(answer.said in texts and answer.said != text for answer, text in zip(answers, texts, strict=True)),
        "failures": (failures + wrong)[:5],
    }


@case("same_id")
def same_id(hammer):
    """Two principals, and two sessions of one, with one id at the same time.

    For both also `other`, the second answer; `crossed` when a text came to the wrong one.
    """

    def both(name, second_who, second_session, ident):
        texts = [f"first {uuid.uuid4()}", f"second {uuid.uuid4()}"]
        first, second = at_once(
            [
                lambda: hammer.post(hammer.tool("echo", {"text": texts[0]}, ident), 0),
                lambda: hammer.post(hammer.tool("echo", {"text": texts[1]}, ident), second_who, second_session),
            ]
        )
        ids = [(answer.json or {}).get("id") if isinstance(answer.json, dict) else None for answer in (first, second)]
        crossed = first.said == texts[1] or second.said == texts[0]
        own = [first.said == texts[0], second.said == texts[1]]
        return name, first.shown(other=second.shown(), own=own, ids=ids, crossed=crossed)

    hammer.session(0)
    return [
        both("principals", 1, hammer.session(1), 1),
        both("sessions", 0, hammer.open(0), 1),
        both("string_id", 1, hammer.session(1), "1"),
        both("one_session", 0, hammer.session(0), 7),
    ]


@case("cancel_other")
def cancel_other(hammer):
    """One cancels the id of a call that another has under way: the call must be answered."""
    call = []
    thread = threading.Thread(target=lambda: call.append(hammer.post(hammer.tool("sleep", {"ms": 1500}, 31), 0)))
    hammer.session(0)
    other = hammer.session(1)
    thread.start()
    time.sleep(0.5)
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 31}}
    cancelled = hammer.post(note, 1, other)
    thread.join()
    return call[0].shown(other=cancelled.shown(), slept=call[0].said == "slept 1500 ms")


@case("client_gone")
def client_gone(hammer):
    """A client closes its connection in mid-call; the same session then calls again.

    `process_before` and `process_after` are the server's process: equal when it lives on.
    """
    before = json.loads(hammer.post(hammer.tool("whoami")).said or "{}")
    body = json.dumps(hammer.tool("sleep", {"ms": 5_000}, 41)).encode()
    with hammer.connect() as line:
        headers = hammer.headers(hammer.tokens[0], hammer.session(0), more=[("Content-Length", len(body))])
        head = f"POST {hammer.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
        line.sendall(head.encode() + b"\r\n" + body)
        time.sleep(0.5)
    answer = hammer.post(hammer.tool("whoami", ident=42))
    after = json.loads(answer.said or "{}")
    return answer.shown(
        process_before=before.get("process"),
        process_after=after.get("process"),
        cancelled=(after.get("cancelled") or 0) - (before.get("cancelled") or 0),
    )


@case("half_request")
def half_request(hammer):
    """A client that closes in the middle of its body, and one that resets; then a call."""
    for linger in (False, True):
        with hammer.connect() as line:
            headers = hammer.headers(hammer.tokens[0], hammer.session(0), more=[("Content-Length", 1000)])
            head = f"POST {hammer.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
            line.sendall(head.encode() + b'\r\n{"jsonrpc"')
            if linger:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    return hammer.post(hammer.tool("echo", {"text": "still here"})).shown()


@case("malformed")
def malformed(hammer):
    bodies = {
        "empty": b"",
        "spaces": b"  \n ",
        "cut": b'{"jsonrpc":"2.0","id":1,"method":"tools/li',
        "text": b"hello",
        "trailing": b'{"jsonrpc":"2.0","id":1,"method":"ping"} x',
        "two": b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n{"jsonrpc":"2.0","id":2,"method":"ping"}',
        "trailing_comma": b'{"jsonrpc":"2.0","id":1,"method":"ping",}',
        "single_quotes": b"{'jsonrpc':'2.0','id':1,'method':'ping'}",
        "nan": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"n":NaN}}}',
        "not_utf8": b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}',
        "bom": b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
        "nul": b'{"jsonrpc":"2.0","id":1,"method":"ping"}\0',
        "lone_surrogate": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"x":"\\ud800"}}}',
        "null": b"null",
        "number": b"42",
        "string": b'"ping"',
        "object": b"{}",
    }
    return [(name, hammer.post(body).shown()) for name, body in bodies.items()]


@case("envelope")
def envelope(hammer):
    messages = {
        "no_version": {"id": 1, "method": "ping"},
        "version_1": {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        "version_number": {"jsonrpc": 2.0, "id": 1, "method": "ping"},
        "id_null": {"jsonrpc": "2.0", "id": None, "method": "ping"},
        "id_fraction": {"jsonrpc": "2.0", "id": 1.5, "method": "ping"},
        "id_bool": {"jsonrpc": "2.0", "id": True, "method": "ping"},
        "id_object": {"jsonrpc": "2.0", "id": {"a": 1}, "method": "ping"},
        "id_big": {"jsonrpc": "2.0", "id": 18446744073709551616, "method": "ping"},
        "id_negative": {"jsonrpc": "2.0", "id": -1, "method": "ping"},
        "id_long": {"jsonrpc": "2.0", "id": "i" * 100_000, "method": "ping"},
        "id_unicode": {"jsonrpc": "2.0", "id": 'a"\n🦀\u0000', "method": "ping"},
        "method_number": {"jsonrpc": "2.0", "id": 1, "method": 42},
        "method_empty": {"jsonrpc": "2.0", "id": 1, "method": ""},
        "method_unknown": {"jsonrpc": "2.0", "id": 1, "method": "no/such"},
        "method_internal": {"jsonrpc": "2.0", "id": 1, "method": "rpc.internal"},
        "params_array": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": ["echo"]},
        "params_string": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": "echo"},
        "params_missing": {"jsonrpc": "2.0", "id": 1, "method": "tools/call"},
        "name_missing": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {}},
        "name_number": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": 1}},
        "arguments_array": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": f"{hammer.prefix}echo", "arguments": []}},
        "result_and_method": {"jsonrpc": "2.0", "id": 1, "method": "ping", "result": {}},
        "result_and_error": {"jsonrpc": "2.0", "id": 1, "result": {}, "error": {"code": 1, "message": "x"}},
        "answer_nobody_asked": {"jsonrpc": "2.0", "id": "nobody-asked", "result": {}},
        "initialize_again": request("initialize", INITIALIZE, 1),
    }
    session = hammer.open(0)
    return [(name, hammer.post(message, 0, session).shown()) for name, message in messages.items()]


@case("duplicate_keys")
def duplicate_keys(hammer):
    """Two readers may see two things: what is decided on must be what is sent on."""
    echo = json.dumps(f"{hammer.prefix}echo")
    fail = json.dumps(f"{hammer.prefix}fail")
    return raw_calls(
        hammer,
        {
            "method": '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}',
            "id": '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
            "jsonrpc": '{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}',
            "params": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{echo}}},"params":{{"name":{fail}}}}}',
            "name": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{echo},"name":{fail},"arguments":{{"text":"x"}}}}}}',
            "name_escaped": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{echo},"n\\u0061me":{fail},"arguments":{{"text":"x"}}}}}}',
            "method_escaped": '{"jsonrpc":"2.0","id":1,"method":"ping","m\\u0065thod":"tools/list"}',
            "arguments": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{echo},"arguments":{{"text":"a"}},"arguments":{{"text":"b"}}}}}}',
            "meta": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{echo},"arguments":{{"text":"x"}},"_meta":{{"progressToken":1}},"_meta":{{"progressToken":2}}}}}}',
            "inside_arguments": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{echo},"arguments":{{"text":"a","text":"b"}}}}}}',
            "unknown": '{"jsonrpc":"2.0","id":1,"method":"ping","x":1,"x":2}',
        },
    )


@case("case_variant_keys")
def case_variant_keys(hammer):
    echo = json.dumps(f"{hammer.prefix}echo")
    fail = json.dumps(f"{hammer.prefix}fail")
    return raw_calls(
        hammer,
        {
            "method": '{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/list"}',
            "method_only": '{"jsonrpc":"2.0","id":1,"METHOD":"ping"}',
            "id": '{"jsonrpc":"2.0","id":1,"ID":2,"method":"ping"}',
            "jsonrpc": '{"JSONRPC":"2.0","id":1,"method":"ping"}',
            "params": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{echo},"arguments":{{"text":"x"}}}},"Params":{{"name":{fail}}}}}',
            "name": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{echo},"Name":{fail},"arguments":{{"text":"x"}}}}}}',
            "arguments": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{echo},"arguments":{{"text":"a"}},"Arguments":{{"text":"b"}}}}}}',
            # U+017F folds to s, U+212A to k: look-alikes under unicode case folding.
            "folded": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{echo},"argument\u017f":{{}},"arguments":{{"text":"x"}}}}}}',
        },
    )


def raw_calls(hammer, bodies):
    return [(name, hammer.post(body.encode()).shown()) for name, body in bodies.items()]


@case("batch")
def batch(hammer):
    ping = request("ping")
    batches = {
        "two": [ping, request("ping", ident=2)],
        "one": [ping],
        "empty": [],
        "with_initialize": [request("initialize", INITIALIZE, 0), ping],
        "notifications": [{"jsonrpc": "2.0", "method": "notifications/initialized"}],
        "many": [request("ping", ident=n) for n in range(10_000)],
        "nested": [[ping]],
    }
    return [(name, hammer.post(message).shown()) for name, message in batches.items()]


@case("wrong_host")
def wrong_host(hammer):
    """`own` is the right one, for comparison. In all there is the token, so that it is not the reason."""
    port = hammer.port
    hosts = {
        "own": [hammer.authority],
        "localhost": [f"localhost:{port}"],
        "evil": ["evil.test"],
        "evil_port": [f"evil.test:{port}"],
        "begins_with_localhost": [f"localhost.evil.test:{port}"],
        "begins_with_address": [f"127.0.0.1.evil.test:{port}"],
        "ends_with_localhost": [f"evil-localhost:{port}"],
        "user_info": [f"127.0.0.1@evil.test:{port}"],
        "user_info_own": [f"evil.test@127.0.0.1:{port}"],
        "other_port": ["127.0.0.1:1"],
        "bad_port": ["127.0.0.1:99999"],
        "any_address": [f"0.0.0.0:{port}"],
        "decimal": [f"2130706433:{port}"],
        "trailing_dot": [f"localhost.:{port}"],
        "empty": [""],
        "missing": [],
        "twice": [hammer.authority, "evil.test"],
        "twice_other_way": ["evil.test", hammer.authority],
        "comma": [f"{hammer.authority}, evil.test"],
        "path": [f"{hammer.authority}/evil"],
        "not_ascii": ["local\xadhost"],
        "v6_loopback": [f"[::1]:{port}"],
        "v6_mapped_public": [f"[::ffff:203.0.113.66]:{port}"],
    }
    found = []
    for name, values in hosts.items():
        more = [("Host", value) for value in values]
        found.append((name, hammer.post(request("ping"), without=("host",), more=more).shown()))
    body = json.dumps(request("ping")).encode()
    headers = hammer.headers(hammer.tokens[0], hammer.session(0))
    for name, path in {"absolute_form_evil": "http://evil.test", "absolute_form_own": f"http://{hammer.authority}"}.items():
        found.append((name, hammer.send(body, headers, path=f"{path}{hammer.path}").shown()))
    forwarded = [("X-Forwarded-Host", hammer.authority), ("Host", "evil.test"), ("Forwarded", f"host={hammer.authority}")]
    found.append(("forwarded", hammer.post(request("ping"), without=("host",), more=forwarded).shown()))
    return found


@case("wrong_origin")
def wrong_origin(hammer):
    origins = {
        "none": [],
        "own": [f"http://{hammer.authority}"],
        "evil": ["http://evil.test"],
        "evil_same_port": [f"http://evil.test:{hammer.port}"],
        "begins_with_own": [f"http://{hammer.authority}.evil.test"],
        "null": ["null"],
        "empty": [""],
        "other_port": ["http://127.0.0.1:1"],
        "https": [f"https://{hammer.authority}"],
        "upper_case": [f"HTTP://{hammer.authority.upper()}"],
        "path": [f"http://{hammer.authority}/"],
        "extension": ["chrome-extension://abcdefghijklmnopabcdefghijklmnop"],
        "file": ["file://"],
        "twice": [f"http://{hammer.authority}", "http://evil.test"],
        "garbage": ["\x80\xff garbage"],
    }
    found = [
        (name, hammer.post(request("ping"), more=[("Origin", value) for value in values]).shown())
        for name, values in origins.items()
    ]
    preflight = [("Origin", "http://evil.test"), ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization")]
    found.append(("preflight", hammer.send(b"", hammer.headers(more=preflight), method="OPTIONS").shown()))
    cross = [("Sec-Fetch-Site", "cross-site"), ("Origin", "http://evil.test")]
    found.append(("cross_site", hammer.post(request("ping"), more=cross).shown()))
    return found


@case("no_token")
def no_token(hammer):
    token = hammer.tokens[0]
    ways = {
        "none": [],
        "empty": [("Authorization", "")],
        "bearer_empty": [("Authorization", "Bearer ")],
        "wrong": [("Authorization", "Bearer wrong")],
        "cut": [("Authorization", f"Bearer {token[:-1]}")],
        "longer": [("Authorization", f"Bearer {token}x")],
        "basic": [("Authorization", "Basic dTpw")],
        "no_scheme": [("Authorization", token)],
        "other_header": [("X-Api-Key", token)],
        "cookie": [("Cookie", f"token={token}; session={token}; archestra_session={token}")],
        "twice": [("Authorization", "Bearer wrong"), ("Authorization", f"Bearer {token}")],
        "long": [("Authorization", f"Bearer {'t' * 6000}")],
        "not_ascii": [("Authorization", "Bearer \xe9\xff")],
    }
    body = json.dumps(request("initialize", INITIALIZE, 0)).encode()
    found = [(name, hammer.send(body, hammer.headers(more=more)).shown()) for name, more in ways.items()]
    query = f"{hammer.path}?token={urllib.parse.quote(token)}&access_token={urllib.parse.quote(token)}"
    found.append(("query", hammer.send(body, hammer.headers(), path=query).shown()))
    session = hammer.open(0)
    found.append(("with_session", hammer.send(json.dumps(request("tools/list")).encode(), hammer.headers(session=session)).shown()))
    for method in ("GET", "DELETE", "PUT", "HEAD", "OPTIONS"):
        found.append((f"method_{method.lower()}", hammer.send(b"", hammer.headers(session=session), method=method).shown()))
    return found


@case("foreign_session")
def foreign_session(hammer):
    """The second principal with the first one's session id, then the first one's own call.

    The last, `own_after`, has to work: nothing of the others may have ended the session.
    """
    mine = hammer.open(0)
    body = json.dumps(request("tools/list")).encode()
    theirs = hammer.headers(hammer.tokens[1], mine)
    cut = mine[:-1]
    changed = mine[:-1] + ("A" if mine[-1] != "A" else "B")
    own = {
        "unknown": str(uuid.uuid4()),
        "cut": cut,
        "longer": f"{mine}A",
        "changed": changed,
        "empty": "",
        "long": "s" * 6000,
        "path": "../../etc/passwd",
        "not_ascii": "\xe9\xff",
    }
    found = [
        ("post", hammer.send(body, theirs).shown()),
        ("call", hammer.send(json.dumps(hammer.tool("whoami")).encode(), theirs).shown()),
        ("answer", hammer.send(b'{"jsonrpc":"2.0","id":"ask-1","result":{}}', theirs).shown()),
        ("get", hammer.send(b"", theirs, method="GET").shown()),
        ("delete", hammer.send(b"", theirs, method="DELETE").shown()),
    ]
    for name, session in own.items():
        headers = hammer.headers(hammer.tokens[0], more=[("Mcp-Session-Id", session)])
        found.append((name, hammer.send(body, headers).shown()))
    twice = hammer.headers(hammer.tokens[0], mine, more=[("Mcp-Session-Id", "other")])
    found.append(("twice", hammer.send(body, twice).shown()))
    found.append(("none", hammer.send(body, hammer.headers(hammer.tokens[0])).shown()))
    found.append(("own_after", hammer.post(hammer.tool("echo", {"text": "mine"}), 0, mine).shown()))
    ended = hammer.send(b"", hammer.headers(hammer.tokens[0], mine), method="DELETE")
    found.append(("own_delete", ended.shown()))
    found.append(("after_delete", hammer.post(request("tools/list"), 0, mine).shown()))
    return found


@case("http")
def odd_http(hammer):
    body = json.dumps(request("ping")).encode()
    token, session = hammer.tokens[0], hammer.session(0)

    def with_headers(*more, without=()):
        return hammer.send(body, hammer.headers(token, session, without, more)).shown()

    found = [
        ("content_type_text", with_headers(("Content-Type", "text/plain"), without=("content-type",))),
        ("content_type_form", with_headers(("Content-Type", "application/x-www-form-urlencoded"), without=("content-type",))),
        ("content_type_none", with_headers(without=("content-type",))),
        ("content_type_charset", with_headers(("Content-Type", "application/json; charset=utf-8"), without=("content-type",))),
        ("accept_none", with_headers(without=("accept",))),
        ("accept_html", with_headers(("Accept", "text/html"), without=("accept",))),
        ("accept_any", with_headers(("Accept", "*/*"), without=("accept",))),
        ("version_unknown", with_headers(("MCP-Protocol-Version", "1999-01-01"), without=("mcp-protocol-version",))),
        ("version_other", with_headers(("MCP-Protocol-Version", "2024-11-05"), without=("mcp-protocol-version",))),
        ("version_none", with_headers(without=("mcp-protocol-version",))),
        ("content_encoding", with_headers(("Content-Encoding", "gzip"))),
        ("expect", with_headers(("Expect", "nonsense"))),
        ("upgrade", with_headers(("Upgrade", "websocket"), ("Connection", "Upgrade"), without=("connection",))),
        ("header_long", with_headers(("X-Long", "h" * 200_000))),
        ("headers_many", with_headers(*[(f"X-{n}", "h") for n in range(500)])),
        ("length_twice", with_headers(("Content-Length", "3"))),
        ("length_and_chunked", with_headers(("Transfer-Encoding", "chunked"))),
    ]
    for method in ("PUT", "PATCH", "TRACE", "CONNECT", "BREW"):
        found.append((f"method_{method.lower()}", hammer.send(b"", hammer.headers(token, session), method=method).shown()))
    for name, path in {
        "path_dots": f"{hammer.path}/../api/v1/servers",
        "path_encoded_dots": f"{hammer.path}/%2e%2e/api/v1/servers",
        "path_double_slash": f"/{hammer.path}",
        "path_nul": f"{hammer.path}/%00",
        "path_unknown_server": f"{hammer.path.rstrip('/')}/there-is-no-such-server",
        "path_long": f"{hammer.path}/{'p' * 100_000}",
    }.items():
        found.append((name, hammer.send(body, hammer.headers(token, session), path=path).shown()))
    return found


@case("huge_body")
def huge_body(hammer):
    """`sent` is how many bytes went before the gateway answered or closed."""
    size = hammer.options.huge_bytes
    return [
        ("sent", stream_body(hammer, size, f"Content-Length: {size}")),
        ("announced", stream_body(hammer, 1000, f"Content-Length: {1 << 40}")),
        ("announced_absurd", stream_body(hammer, 1000, f"Content-Length: {1 << 80}")),
        ("announced_negative", stream_body(hammer, 1000, "Content-Length: -1")),
        ("chunked", stream_body(hammer, size, "Transfer-Encoding: chunked", chunked=True)),
        ("without_token", stream_body(hammer, size, f"Content-Length: {size}", token=False)),
        ("after", hammer.post(hammer.tool("echo", {"text": "still here"})).shown()),
    ]


def stream_body(hammer, size, length, chunked=False, token=True):
    """Sends a request whose body is one long text until there is an answer."""
    start = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"'
    piece = b"x" * 65_536
    headers = hammer.headers(hammer.tokens[0] if token else None, hammer.session(0))
    head = f"POST {hammer.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
    sent = 0
    try:
        with hammer.connect() as line:
            line.sendall(f"{head}{length}\r\n\r\n".encode())
            line.settimeout(0.001)
            stop = time.monotonic() + TIMEOUT_S
            early = False
            with contextlib.suppress(ConnectionError):
                while sent < size and time.monotonic() < stop and not early:
                    data = (start if sent == 0 else piece)[: size - sent]
                    wire = b"%x\r\n%s\r\n" % (len(data), data) if chunked else data
                    line.settimeout(TIMEOUT_S)
                    line.sendall(wire)
                    sent += len(data)
                    line.settimeout(0)
                    with contextlib.suppress(BlockingIOError):
                        early = line.recv(1, socket.MSG_PEEK) is not None
            # A gateway that waits for the rest of what was announced does not answer; short wait.
            line.settimeout(TIMEOUT_S if sent == size and size > 1000 else 3)
            return hammer.receive(line).shown(sent=sent)
    except (OSError, http.client.HTTPException) as err:
        return Answer(error=f"{type(err).__name__}: {err}").shown(sent=sent)


@case("deep_nesting")
def deep_nesting(hammer):
    depth = hammer.options.depth
    name = json.dumps(f"{hammer.prefix}echo").encode()
    call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%s,"arguments":%s}}'
    return [
        ("arrays", hammer.post(b"[" * depth + b"]" * depth).shown()),
        ("arguments_arrays", hammer.post(call % (name, b'{"text":' + b"[" * depth + b"]" * depth + b"}")).shown()),
        ("arguments_objects", hammer.post(call % (name, b'{"a":' * depth + b"1" + b"}" * depth)).shown()),
        ("params", hammer.post(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":%s}' % (b'{"a":' * depth + b"1" + b"}" * depth)).shown()),
        ("unclosed", hammer.post(b"[" * depth).shown()),
        ("shallow", hammer.post(call % (name, b'{"text":"x","deep":' + b"[" * 30 + b"]" * 30 + b"}")).shown()),
        ("after", hammer.post(hammer.tool("echo", {"text": "still here"})).shown()),
    ]


@case("slow_client")
def slow_client(hammer):
    """While clients send nothing, half a head or half a body, another one's call is timed (`ms`)."""
    idle = []
    try:
        for n in range(hammer.options.slow_clients):
            line = hammer.connect()
            idle.append(line)
            if n % 3 == 1:
                line.sendall(f"POST {hammer.path} HTTP/1.1\r\nHost: ".encode())
            elif n % 3 == 2:
                head = f"POST {hammer.path} HTTP/1.1\r\nHost: {hammer.authority}\r\nAuthorization: Bearer {hammer.tokens[0]}\r\n"
                line.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        return hammer.post(hammer.tool("echo", {"text": "still here"})).shown(idle=len(idle))
    finally:
        for line in idle:
            line.close()


@case("after")
def after(hammer):
    """After all of it: a new session and a call."""
    return hammer.post(hammer.tool("echo", {"text": "still here"}), 0, hammer.open(0)).shown()


def run(hammer, name):
    try:
        found = CASES[name](hammer)
    except Exception as err:
        found = {"status": None, "body": "", "headers": {}, "error": f"{type(err).__name__}: {err}"}
    parts = [(f"{name}.{part}", shown) for part, shown in found] if isinstance(found, list) else [(name, found)]
    for part, shown in parts:
        print(json.dumps({"case": part, **shown}, ensure_ascii=False), flush=True)


def main():
    parser = argparse.ArgumentParser(description="does what clients must not")
    parser.add_argument("url")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--token", action="append", required=True, help="twice, of two principals")
    parser.add_argument("--prefix", default="", help="what is before the names of tools")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--slow-clients", type=int, default=60)
    parser.add_argument("--huge-bytes", type=int, default=200 << 20)
    parser.add_argument("--depth", type=int, default=100_000)
    options = parser.parse_intermixed_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    hammer = Hammer(options)
    try:
        hammer.session(0), hammer.session(1)
    except OSError as err:
        print(json.dumps({"case": "open", "status": None, "body": "", "headers": {}, "error": str(err)}), flush=True)
        sys.exit(1)
    for name in CASES:
        if not options.cases or any(name.startswith(wanted.split(".")[0]) for wanted in options.cases):
            run(hammer, name)


if __name__ == "__main__":
    main()
