"""Python Beaker as a contender: a WSGI application with its session middleware.

    beaker_wsgi.py call TYPE DIR URL     called directly; commands on standard input
    beaker_wsgi.py serve TYPE DIR URL    under waitress, on the port that it prints

TYPE is memory, file, cookie, redis or null (no session). Each command is a line, each
answer a line of JSON: prepare SCENARIO N, run N, verify N.
"""

import json
import logging
import sys
import time

UID = "5f0c9a3e-7d0b-4b53-9d0a-0c6bb8b6f7de"
MORE = ["key" + chr(ord("a") + i) for i in range(17)]
KEY = "session"


def create(session, signed_in=True, large=False):
    if signed_in:
        session["uid"] = UID
    session["n"] = 1
    session["data"] = "x" * 140
    if large:
        for name in MORE:
            session[name] = "y" * 100
    session.save()
    return "ok"


def increment(session):
    session["n"] += 1
    session.save()
    return "ok"


def sign_in(session):
    if type(session._session()).__name__ != "CookieSession":  # in the cookie it does not work
        session.regenerate_id()
    session["uid"] = UID
    session.save()
    return "ok"


ROUTES = {
    "/read": lambda s: s.get("uid", ""),
    "/number": lambda s: str(s["n"]),
    "/increment": increment,
    "/create": create,
    "/large": lambda s: create(s, large=True),
    "/anonymous": lambda s: create(s, signed_in=False),
    "/signin": sign_in,
}


def application(environ, start_response):
    route = ROUTES.get(environ["PATH_INFO"])
    body = (route(environ["beaker.session"]) if route else "ok").encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def wrap(kind, folder, url):
    if kind == "null":
        return application
    from beaker.middleware import SessionMiddleware

    # JSON costs less than pickle here, and so does not writing the time of use: there
    # is no idle timeout then, which the others have.
    options = {"session.key": KEY, "session.httponly": True, "session.data_serializer": "json", "session.save_accessed_time": False}
    if kind == "memory":
        options["session.type"] = "memory"
    elif kind == "file":
        options.update({"session.type": "file", "session.data_dir": folder})
    elif kind == "redis":
        options.update({"session.type": "ext:redis", "session.url": url})
    elif kind == "cookie":
        options.update({
            "session.type": "cookie", "session.crypto_type": "cryptography",
            "session.encrypt_key": "e" * 32, "session.validate_key": "v" * 32,
        })
    return SessionMiddleware(application, options)


class Client:
    """Calls the application as a browser with one cookie would."""

    def __init__(self, app):
        self.app = app
        self.cookie = ""
        self.headers = []
        self.environ = {
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "QUERY_STRING": "", "SERVER_NAME": "example.com", "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "example.com", "HTTP_USER_AGENT": "bench", "HTTP_ACCEPT": "text/html",
            "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": None, "wsgi.errors": sys.stderr,
            "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
        }

    def start_response(self, status, headers, exc_info=None):
        if status != "200 OK":
            raise AssertionError(status)
        self.headers = headers

    def do(self, path):
        environ = dict(self.environ)
        environ["PATH_INFO"] = path
        if self.cookie:
            environ["HTTP_COOKIE"] = self.cookie
        body = b"".join(self.app(environ, self.start_response)).decode()
        for name, value in self.headers:
            if name.lower() == "set-cookie":
                self.cookie = value.partition(";")[0].strip()
        return body

    def expect(self, path, want):
        got = self.do(path)
        if got != want or not self.cookie:
            raise AssertionError("%s: answer %.100r, want %r; cookie %r" % (path, got, want, self.cookie))


class Case:
    def __init__(self, app):
        self.client = Client(app)
        self.scenario = self.before = None
        self.cookies = []

    def prepare(self, scenario, n):
        self.scenario = scenario
        c = self.client
        c.cookie = ""
        if scenario == "S3":
            return
        if scenario == "S6":
            self.cookies = []
            for _ in range(n):
                c.cookie = ""
                c.expect("/anonymous", "ok")
                self.cookies.append(c.cookie)
            return
        c.expect("/large" if scenario == "S4" else "/create", "ok")
        if scenario == "S2":
            self.before = int(c.do("/number"))

    def run(self, n):
        c = self.client
        path, want = {
            "S0": ("/untouched", "ok"), "S1": ("/read", UID), "S2": ("/increment", "ok"),
            "S3": ("/create", "ok"), "S4": ("/read", UID), "S6": ("/signin", "ok"),
        }[self.scenario]
        began, used = time.perf_counter_ns(), time.process_time_ns()
        if self.scenario == "S3":
            for _ in range(n):
                c.cookie = ""
                c.expect(path, want)
        elif self.scenario == "S6":
            for cookie in self.cookies[:n]:
                c.cookie = cookie
                c.expect(path, want)
        else:
            for _ in range(n):
                c.expect(path, want)
        return {"nanos": time.perf_counter_ns() - began, "cpu": time.process_time_ns() - used}

    def verify(self, n):
        c = self.client
        if self.scenario == "S2":
            after = int(c.do("/number"))
            if after != self.before + n:
                raise AssertionError("%d increments made %d of %d" % (n, after, self.before))
        elif self.scenario in ("S3", "S6"):
            c.expect("/read", UID)


def call(app):
    case = Case(app)
    for line in sys.stdin:
        word, *args = line.split()
        try:
            if word == "prepare":
                answer = {"nanos": 0}
                case.prepare(args[0], int(args[1]))
            elif word == "run":
                answer = case.run(int(args[0]))
            else:
                answer = {"nanos": 0}
                case.verify(int(args[0]))
        except Exception as e:  # told to whoever asked
            answer = {"error": "%s: %s" % (type(e).__name__, e)}
        print(json.dumps(answer), flush=True)


def serve(app):
    from waitress.server import create_server

    # A queue is what more connections than threads make: a warning for each request that
    # waits says nothing that the figures do not.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(app, host="127.0.0.1", port=0, threads=4)
    print(server.effective_port, flush=True)
    server.run()


if __name__ == "__main__":
    mode, kind, folder, url = sys.argv[1:5]
    wrapped = wrap(kind, folder, url)
    if mode == "call":
        print(json.dumps({"nanos": 0}), flush=True)
        call(wrapped)
    else:
        serve(wrapped)
