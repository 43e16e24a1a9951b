"""Raw-socket corpus: malformed and valid HTTP/1 requests, generated from the tables below, against corpus_server.

Each vector says what must come back and why (RFC 9112 unless another is named). A malformed request must get its
status and `connection: close`, and nothing after it may be answered; it must come without waiting for a body.
usage: corpus.py PATH_OF_CORPUS_SERVER
"""
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

OK = 200
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
VECTORS = []  # (name, bytes, expected statuses in order, must close, why)


def bad(name, data, status, why, follow=True):
    """A refusal; a whole valid request follows, which must not be answered."""
    VECTORS.append((name, data + (SMUGGLED if follow else b""), [status], True, why))


def good(name, data, why, statuses=(OK,), close=False, contains=b""):
    VECTORS.append((name, data, list(statuses), close, why, contains))


def head(line=b"GET / HTTP/1.1", *fields, host=True):
    lines = [line] + ([b"Host: h"] if host else []) + list(fields)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def byte_name(byte):
    return "0x%02x" % byte


CONTROLS = [c for c in range(32) if c not in (9, 10, 13)] + [127]
NOT_TOKEN = b"\"(),/:;<=>?@[\\]{} \t"


def request_lines():
    for byte in NOT_TOKEN.replace(b" ", b"").replace(b"\t", b""):
        bad(f"method with {byte_name(byte)}", head(b"G" + bytes([byte]) + b"T / HTTP/1.1"), 400, "3.1: method is a token")
    for byte in CONTROLS + [0x80, 0xFF]:
        bad(f"method with {byte_name(byte)}", head(b"G" + bytes([byte]) + b"T / HTTP/1.1"), 400, "3.1: method is a token")
        bad(f"target with {byte_name(byte)}", head(b"GET /a" + bytes([byte]) + b" HTTP/1.1"), 400, "3.2: target is visible ASCII")
    for text in (b"TRACE", b"CONNECT", b"QUERY"):
        bad(f"method {text}", head(text + b" / HTTP/1.1"), 405, "RFC 9110 9.1: method known and not allowed")
    for text in (b"get", b"Get", b"FOO", b"PROPFIND", b"M-SEARCH", b"PRI", b"X" * 300, b"GETT", b"!"):
        bad(f"method {text[:9]}", head(text + b" / HTTP/1.1"), 501, "RFC 9110 9.1: method not implemented (case matters)")
    for line in (b"GET", b"GET /", b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b" GET / HTTP/1.1", b"GET\t/ HTTP/1.1",
                 b"GET /\tHTTP/1.1", b"GET / HTTP/1.1 ", b"GET / a HTTP/1.1", b"GET HTTP/1.1", b"/ HTTP/1.1",
                 b"GET / HTTP/1.1 x", b"GET /HTTP/1.1", b":", b"GET / HTTP/1.1\x0b"):
        bad(f"line {line}", head(line), 400, "3: method SP target SP version, single blanks")
    for version in (b"http/1.1", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/11", b"HTTP/1.10", b"HTTP/1.1.1", b"HTTP 1.1",
                    b"HTTP/a.b", b"HTTP/1,1", b"HTTP/-1.1", b"HTTP/+1.1", b"HTTPS/1.1", b"HTP/1.1", b"HTTP/1.x", b"1.1",
                    b"HTTP/ 1.1", b"HTTP/01.1", b"HTTP/1.01", b"Http/1.1"):
        bad(f"version {version}", head(b"GET / " + version), 400, "2.3: HTTP/DIGIT.DIGIT, case-sensitive")
    for version in (b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/3.0", b"HTTP/9.9", b"HTTP/0.0"):
        bad(f"version {version}", head(b"GET / " + version), 505, "RFC 9110 15.6.6: version not supported")
    for target in (b"a", b"a/b", b"*", b"?x", b"#", b"/#f", b"/a#b", b"h:80", b"ftp://h/", b"http:/h/", b"http://",
                   b"http:///a", b"//", b"file:///etc/passwd", b"javascript:x", b"http://u@h/", b"http://h:x/",
                   b"http://h:99999/", b"http://[::1/", b"http://h\\a/", b"ws://h/"):
        if target != b"//":
            bad(f"target {target}", head(b"GET " + target + b" HTTP/1.1"), 400, "3.2: origin-form or absolute-form")
    bad("OPTIONS with authority", head(b"OPTIONS h:80 HTTP/1.1"), 400, "3.2.3: authority-form is for CONNECT")
    bad("bare LF ends request line", b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400, "2.2: a bare LF is refused here")
    bad("bare LFs only", b"GET / HTTP/1.1\nHost: h\n\n", 400, "2.2: a bare LF is refused here")
    bad("bare CR in request line", b"GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", 400, "2.2: bare CR")
    bad("CR CR LF", b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", 400, "2.2: bare CR")
    bad("two empty lines first", b"\r\n\r\n" + head(), 400, "2.2: at least one is skipped, here one")
    bad("LF first", b"\n" + head(), 400, "2.2: only CRLF is skipped")
    bad("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40, 400, "not HTTP")
    bad("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "RFC 9113 3.4: preface of another version")
    bad("a response", b"HTTP/1.1 200 OK\r\nHost: h\r\n\r\n", 400, "not a request")


def fields():
    for byte in NOT_TOKEN.replace(b":", b""):
        bad(f"name with {byte_name(byte)}", head(b"GET / HTTP/1.1", b"A" + bytes([byte]) + b"b: c"), 400, "5.1: name is a token")
    for byte in CONTROLS + [0x80, 0xC3, 0xFF]:
        bad(f"name with {byte_name(byte)}", head(b"GET / HTTP/1.1", b"A" + bytes([byte]) + b"b: c"), 400, "5.1: name is a token")
    for byte in CONTROLS:
        bad(f"value with {byte_name(byte)}", head(b"GET / HTTP/1.1", b"A: b" + bytes([byte]) + b"c"), 400, "RFC 9110 5.5: control byte in value")
    for name in (b"Host", b"Content-Length", b"Transfer-Encoding", b"X-A"):
        for blank in (b" ", b"\t", b"  "):
            bad(f"{name} then {blank} colon", head(b"GET / HTTP/1.1", name + blank + b": 0", host=name != b"Host"), 400,
                "5.1: no blank between name and colon")
    for blank in (b" ", b"\t", b" \t "):
        bad(f"folded by {blank}", head(b"GET / HTTP/1.1", b"A: b", blank + b"c"), 400, "5.2: obs-fold is refused")
        bad(f"folded first by {blank}", head(b"GET / HTTP/1.1", blank + b"A: b", host=False), 400, "2.2: blank before the first field")
        bad(f"folded empty by {blank}", head(b"GET / HTTP/1.1", b"A: b", blank), 400, "5.2: obs-fold is refused")
        bad(f"folded length by {blank}", head(b"POST / HTTP/1.1", b"Content-Length:", blank + b"5"), 400, "5.2: obs-fold is refused")
    for line in (b"NoColon", b": no name", b":", b"\xef\xbb\xbfHost: h", b"=x"):
        bad(f"field {line}", head(b"GET / HTTP/1.1", line), 400, "5: field-name \":\" value")
    bad("bare LF ends field", b"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", 400, "2.2: bare LF")
    bad("bare CR ends field", b"GET / HTTP/1.1\r\nHost: h\rA: b\r\n\r\n", 400, "2.2: bare CR")
    bad("bare CR in value", b"GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", 400, "2.2: bare CR")
    bad("LF LF ends head", b"GET / HTTP/1.1\r\nHost: h\r\nA: b\n\n", 400, "2.2: bare LF")
    bad("CR LF LF ends head", b"GET / HTTP/1.1\r\nHost: h\r\n\n", 400, "2.2: bare LF")
    bad("CR CR LF ends head", b"GET / HTTP/1.1\r\nHost: h\r\n\r\r\n", 400, "2.2: bare CR")
    bad("101 fields", head(b"GET / HTTP/1.1", *[b"A: b"] * 100), 431, "RFC 6585 5: too many fields")
    bad("one large field", head(b"GET / HTTP/1.1", b"A: " + b"b" * 40000), 431, "RFC 6585 5: field too large")
    bad("a large head", head(b"GET / HTTP/1.1", *[b"A: " + b"b" * 1000] * 40), 431, "RFC 6585 5: head too large")
    bad("an endless name", b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a" * 40000, 431, "RFC 6585 5: head too large", follow=False)
    bad("a long target", head(b"GET /" + b"a" * 9000 + b" HTTP/1.1"), 414, "RFC 9110 15.5.15")
    bad("an endless target", b"GET /" + b"a" * 9000, 414, "RFC 9110 15.5.15", follow=False)
    for value in (b"200-ok", b"100-continue, x", b"", b"100-continue=1"):
        bad(f"expect {value}", head(b"POST / HTTP/1.1", b"Expect: " + value, b"Content-Length: 1"), 417, "RFC 9110 10.1.1")


def hosts():
    bad("no host", head(host=False), 400, "3.2: Host is required in HTTP/1.1")
    bad("two hosts", head(b"GET / HTTP/1.1", b"Host: h"), 400, "3.2: one Host")
    bad("two hosts, other case", head(b"GET / HTTP/1.1", b"hOST: other"), 400, "3.2: one Host")
    bad("no host, absolute", head(b"GET http://h/ HTTP/1.1", host=False), 400, "3.2: Host is required in HTTP/1.1")
    for value in (b"a b", b"a,b", b"a/b", b"http://a", b"a@b", b"a:b", b"a:70000", b"a:1:2", b"[::1", b"::1", b"[::1]x",
                  b"[]", b"a?b", b"a#b", b"a%", b"a%zz", b"\"a\"", b"a\\b", b"a<b", b"\xc3\xa9.example", b"[g::1]", b":80", b"{h}"):
        if value != b"a,b":  # a comma is a sub-delim of RFC 3986, legal in a registered name
            bad(f"host {value}", head(b"GET / HTTP/1.1", b"Host: " + value, host=False), 400, "3.2 and RFC 3986 3.2.2: uri-host [:port]")
    for value in (b"a", b"a:80", b"a.b-c.example", b"[::1]", b"[::1]:8080", b"127.0.0.1:1", b"a:", b"A_b", b"", b"a%20b"):
        good(f"host {value}", head(b"GET / HTTP/1.1", b"Host: " + value, host=False), "3.2: valid Host")


def lengths():
    values = (b"-1", b"+1", b"1.0", b"0x1", b"1e1", b"a", b"", b" ", b"1 1", b"1,1", b"1, 1", b"1;1", b"\"1\"", b"1a", b"a1",
              b"9" * 19, b"1" * 30, b"18446744073709551616", b"-0", b"\xd9\xa1", b"0, 5", b"5,", b",5", b"--5", b"1_0", b"0b1",
              b"5\xa0", b"inf", b"NaN", b"5.")
    for value in values:
        bad(f"length {value}", head(b"POST / HTTP/1.1", b"Content-Length: " + value) + b"x", 400, "6.3: Content-Length is digits, once")
    for one, two in ((b"1", b"1"), (b"0", b"0"), (b"1", b"2"), (b"0", b"5"), (b"1", b"")):
        bad(f"lengths {one} {two}", head(b"POST / HTTP/1.1", b"Content-Length: " + one, b"content-length: " + two) + b"x", 400,
            "6.3: repeated Content-Length is refused, equal or not")
    bad("too large", head(b"POST / HTTP/1.1", b"Content-Length: 4097"), 413, "RFC 9110 15.5.14", follow=False)
    bad("far too large", head(b"POST / HTTP/1.1", b"Content-Length: 999999999999999999"), 413, "RFC 9110 15.5.14", follow=False)


def codings():
    chunked = b"0\r\n\r\n"
    for value in (b"gzip", b"identity", b"xchunked", b"chunkedx", b"chunke", b"cow", b"compress"):
        bad(f"coding {value}", head(b"POST / HTTP/1.1", b"Transfer-Encoding: " + value) + chunked, 501, "6.1: coding not implemented")
    for value in (b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"chunked;q=1", b"\"chunked\"", b"chunked,", b",chunked",
                  b"", b"identity, chunked", b"chunked identity", b"chunked\x0b", b"\x0bchunked", b"chunk\xc3\xa9d", b"(chunked)",
                  b"chunked;", b"[chunked]", b"chunked\x00"):
        bad(f"coding {value}", head(b"POST / HTTP/1.1", b"Transfer-Encoding: " + value) + chunked, 400, "6.1: exactly one chunked here")
    for one, two in ((b"chunked", b"chunked"), (b"chunked", b"identity"), (b"chunked", b"")):
        bad(f"codings {one} {two}", head(b"POST / HTTP/1.1", b"Transfer-Encoding: " + one, b"Transfer-Encoding: " + two) + chunked, 400,
            "6.1: one Transfer-Encoding")
    for pair in ((b"Content-Length: 5", b"Transfer-Encoding: chunked"), (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
                 (b"Transfer-Encoding: chunked", b"Content-Length: 0"), (b"content-length: 0", b"TRANSFER-ENCODING: CHUNKED")):
        bad(f"both {pair}", head(b"POST / HTTP/1.1", *pair) + chunked, 400, "6.3: both is an attempt at smuggling")
        bad(f"both, GET {pair}", head(b"GET / HTTP/1.1", *pair) + chunked, 400, "6.3: both is an attempt at smuggling")
    bad("1.0 chunked", head(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked") + chunked, 400, "6.1: not in HTTP/1.0")
    bad("1.0 chunked keep-alive", head(b"POST / HTTP/1.0", b"Connection: keep-alive", b"Transfer-Encoding: chunked") + chunked, 400,
        "6.1: not in HTTP/1.0")
    bad("te in name prefix", head(b"POST / HTTP/1.1", b"Transfer-Encoding\x00: chunked") + chunked, 400, "5.1: NUL in a name")


def chunks():
    start = head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked")
    for body in (b"\r\n", b"g\r\n", b"-1\r\nx\r\n", b"+1\r\nx\r\n", b"0x1\r\nx\r\n", b" 1\r\nx\r\n", b"1 \r\nx\r\n", b"1\t\r\nx\r\n",
                 b"1\nx\r\n", b"1\rx\r\n", b"1\r\nx", b"1\r\nxx\r\n", b"1\r\nx\n", b"1\r\nx\r", b"2\r\nx\r\n", b";\r\n", b";a=b\r\n",
                 b"1 2\r\nx\r\n", b"1,\r\nx\r\n", b"1.0\r\nx\r\n", b"1h\r\nx\r\n", b"\"1\"\r\nx\r\n", b"ffffffffffffffffff\r\n",
                 b"10000000000000001\r\nx\r\n", b"1;a\nb\r\nx\r\n", b"1;\x00\r\nx\r\n", b"1;a=\"\n\"\r\nx\r\n", b"1;a\x7f\r\nx\r\n",
                 b"1;" + b"a" * 2000 + b"\r\nx\r\n", b"0" * 2000 + b"\r\n\r\n", b"1\r\n\r\nx\r\n"):
        # One byte of these is legal only before the next byte has come, so something always follows.
        bad(f"chunk {body[:24]}", start + body + b"!", 400, "7.1: chunk = size [ext] CRLF data CRLF", follow=False)
    for trailer in (b"A\r\n\r\n", b" A: b\r\n\r\n", b"A : b\r\n\r\n", b": b\r\n\r\n", b"A: b\n\r\n", b"A: \x00\r\n\r\n", b"A: b\r\n c\r\n\r\n",
                    b"\n", b"A: " + b"b" * 9000 + b"\r\n\r\n", b"A\x01: b\r\n\r\n"):
        bad(f"trailer {trailer[:16]}", start + b"1\r\nx\r\n0\r\n" + trailer, 400, "7.1.2: trailer fields are fields")
    bad("chunks beyond the limit", start + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 5, 413, "RFC 9110 15.5.14")
    for size in (b"3", b"03", b"0000000003", b"3;a", b"3;a=b", b"3;a=\"b;\\\"c\"", b"3 ;a", b"3\t;a = b", b"3;"):
        good(f"chunk size {size}", start + size + b"\r\nabc\r\n0\r\n\r\n", "7.1: valid", contains=b"abc")
    for last in (b"0", b"00", b"0;a=b"):
        good(f"last chunk {last}", start + b"A\r\n0123456789\r\n" + last + b"\r\n\r\n", "7.1: valid", contains=b"0123456789")
    good("trailers", start + b"1\r\nx\r\n0\r\nA: b\r\nDigest:\r\n\r\n", "7.1.2: trailers are dropped", contains=b" x\n")
    good("coding in capitals", head(b"POST / HTTP/1.1", b"Transfer-Encoding: CHUNKED") + b"1\r\nx\r\n0\r\n\r\n", "7: names of codings have no case", contains=b" x\n")
    good("coding with blanks", head(b"POST / HTTP/1.1", b"Transfer-Encoding: \t chunked \t") + b"0\r\n\r\n", "5.1: blanks around a value")


def valid():
    for method in (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"):
        good(f"method {method}", head(method + b" /x HTTP/1.1"), "RFC 9110 9.3", contains=method + b" /x h")
    good("HEAD", head(b"HEAD / HTTP/1.1"), "RFC 9110 9.3.2")
    good("OPTIONS *", head(b"OPTIONS * HTTP/1.1"), "3.2.4", contains=b"OPTIONS * h")
    good("empty line first", b"\r\n" + head(), "2.2")
    for target, path in ((b"/a?b=c", b"/a"), (b"/?", b"/"), (b"//a", b"//a"), (b"/%00%2e%2e", b"/%00%2e%2e"), (b"/a'b\"<>|^`{}", b"/a'b\"<>|^`{}"),
                         (b"http://x/p?q", b"/p"), (b"HTTP://x", b"/"), (b"https://x:443/", b"/"), (b"http://[::1]:8/z", b"/z"), (b"http://x?q", b"/"),
                         (b"/" + b"a" * 8000, b"/aaa"), (b"/*", b"/*"), (b"/:@!$&'()*+,;=", b"/:@!$")):
        good(f"target {target[:20]}", head(b"GET " + target + b" HTTP/1.1"), "3.2", contains=b"GET " + path)
    good("target's host wins", head(b"GET http://other/ HTTP/1.1"), "3.2.2", contains=b"GET / other")
    good("1.0", b"GET / HTTP/1.0\r\n\r\n", "3.2: no Host before 1.1; 9.3: closes", close=True)
    good("1.0 keep-alive", head(b"GET / HTTP/1.0", b"Connection: Keep-Alive"), "9.3")
    good("close", head(b"GET / HTTP/1.1", b"Connection: close") + SMUGGLED, "9.6: nothing after it is answered", close=True)
    good("close in a list", head(b"GET / HTTP/1.1", b"Connection: x, CLOSE") + SMUGGLED, "9.6", close=True)
    good("length 0", head(b"POST / HTTP/1.1", b"Content-Length: 0"), "6.3")
    good("leading zeros", head(b"POST / HTTP/1.1", b"Content-Length: 0003") + b"abc", "RFC 9110 8.6: 1*DIGIT", contains=b"abc")
    good("blanks around length", head(b"POST / HTTP/1.1", b"Content-Length: \t3 \t") + b"abc", "5.1", contains=b"abc")
    good("body of a GET", head(b"GET / HTTP/1.1", b"Content-Length: 3") + b"abc", "RFC 9110 9.3.1", contains=b"abc")
    good("largest body", head(b"POST / HTTP/1.1", b"Content-Length: 4096") + b"x" * 4096, "within the limit", contains=b"xxx")
    good("100 fields", head(b"GET / HTTP/1.1", *[b"A: b"] * 99), "within the limit")
    good("empty value", head(b"GET / HTTP/1.1", b"A:", b"B: "), "RFC 9110 5.5: may be empty")
    good("tab in value", head(b"GET / HTTP/1.1", b"A: b\tc"), "RFC 9110 5.5")
    good("obs-text in value", head(b"GET / HTTP/1.1", b"A: \x80\xc3\xa9\xff"), "RFC 9110 5.5")
    good("all token bytes", head(b"GET / HTTP/1.1", b"!#$%&'*+-.^_`|~09azAZ: b"), "RFC 9110 5.6.2")
    good("unknown connection option", head(b"GET / HTTP/1.1", b"Connection: upgrade", b"Upgrade: x"), "RFC 9110 7.8: may be ignored")
    good("expect without body", head(b"POST / HTTP/1.1", b"Expect: 100-Continue"), "RFC 9110 10.1.1")
    good("expect with body there", head(b"POST / HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 1") + b"x", "RFC 9110 10.1.1: 100 may be left out", contains=b" x\n")


def pipelines():
    post = head(b"POST /a HTTP/1.1", b"Content-Length: 3")
    chunked = head(b"POST /c HTTP/1.1", b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n"
    good("two", head() * 2, "9.3.2", (OK, OK))
    good("twenty", head() * 20, "9.3.2", (OK,) * 20)
    good("bodies", (post + b"abc") * 3, "9.3.2", (OK,) * 3)
    good("chunked bodies", chunked * 3 + head(), "9.3.2", (OK,) * 4)
    good("empty line between", post + b"abc\r\n" + head(), "2.2", (OK, OK))
    good("body that looks like a request", head(b"POST / HTTP/1.1", b"Content-Length: %d" % len(SMUGGLED)) + SMUGGLED, "6.3: it is the body")
    good("chunk that looks like a request", head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked") + b"%x\r\n" % len(SMUGGLED) + SMUGGLED +
         b"\r\n0\r\n\r\n", "7.1: it is the body")
    for name, data, status in (("length", head(b"POST / HTTP/1.1", b"Content-Length: x"), 400), ("line", head(b"GET /"), 400),
                               ("host", head(host=False), 400), ("version", head(b"GET / HTTP/3.0"), 505), ("method", head(b"BREW / HTTP/1.1"), 501),
                               ("body rest", b"abc" + head(), 501)):
        good(f"good, then bad {name}", head() + data + SMUGGLED, "9.3.2: the first is answered, nothing after the bad one", (OK, status), close=True)
    good("length one short", head(b"POST / HTTP/1.1", b"Content-Length: 2") + b"abc" + head(), "the rest is a method cGET", (OK, 501), close=True)
    good("TE.CL after good", chunked + head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", b"Content-Length: 4") + b"1\r\nZ\r\n0\r\n\r\n", "6.3", (OK, 400), close=True)


def answers(data):
    """Statuses of the answers in the bytes, whether the last says close, and whether the bytes are exactly answers."""
    statuses, close = [], False
    while data:
        top, blank, rest = data.partition(b"\r\n\r\n")
        if not blank or not top.startswith(b"HTTP/1.1 "):
            return statuses, close, False
        status, lines = int(top[9:12]), top.lower().split(b"\r\n")[1:]
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if status != 100:
            statuses.append(status)
            close = b"connection: close" in lines
        data = rest[length:] if len(rest) >= length else b""
    return statuses, close, True


def run(port, vector, split):
    name, data, expected, must_close, why = vector[:5]
    contains = vector[5] if len(vector) > 5 else b""
    got, ended = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for part in ([data[:split], data[split:]] if split else [data]):
                connection.sendall(part)
            if not must_close:  # a last request that asks to close shows that the connection was still good
                connection.sendall(head(b"GET /last HTTP/1.1", b"Connection: close"))
            while part := connection.recv(65536):
                got += part
            ended = True
        except OSError as fault:
            got += b"" if must_close and got else f"[{fault}]".encode()
            ended = must_close and bool(got)
    if name == "HEAD":
        return None if got.startswith(b"HTTP/1.1 200") and b"GET /last" in got else f"{name}: got {got[:200]}"
    statuses, close, clean = answers(got)
    wanted = expected + ([] if must_close else [OK])
    if statuses != wanted or not close or not clean or not ended or b"/smuggled h" in got.replace(SMUGGLED, b"") or contains not in got:
        return f"{name}: wanted {wanted}, got {statuses} close={close} clean={clean} ended={ended} ({why})\n    {got[-300:]}"
    return None


def main(server):
    for table in (request_lines, fields, hosts, lengths, codings, chunks, valid, pipelines):
        table()
    names = [vector[0] for vector in VECTORS]
    assert len(VECTORS) >= 300, len(VECTORS)
    process = subprocess.Popen([server], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    port = int(process.stdout.readline())
    jobs = [(vector, split) for vector in VECTORS for split in (0, len(vector[1]) // 2)]
    with ThreadPoolExecutor(16) as pool:
        faults = [fault for fault in pool.map(lambda job: run(port, *job), jobs) if fault]
    process.stdin.close()
    if process.wait(10) != 0:
        faults.append(f"the server ended with {process.returncode}")
    print("\n".join(faults))
    accepted = sum(1 for vector in VECTORS if vector[2][0] == OK)
    print(f"{len(names)} vectors ({accepted} valid at first), each whole and cut in two: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
