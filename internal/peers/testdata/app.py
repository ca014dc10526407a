"""The application of internal/peers, with Python's Beaker.

    app.py FOLDER GATES-URL: prints its port.
"""
import socketserver
import sys
import urllib.parse
import urllib.request
import wsgiref.simple_server as simple

from beaker.middleware import SessionMiddleware

folder, gates = sys.argv[1:3]


def app(environ, start_response):
    query = {k: v[0] for k, v in urllib.parse.parse_qs(environ["QUERY_STRING"]).items()}
    session = environ["beaker.session"]

    def wait():
        if "gate" in query:
            urllib.request.urlopen(gates + "?gate=" + query["gate"]).read()

    def page(text):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text.encode()]

    path = environ["PATH_INFO"]
    if path == "/untouched":
        return page("untouched")
    if path == "/get":
        return page(session.get(query["k"], "-"))
    if path == "/set":
        session.get("user")
        wait()
        session[query["k"]] = query["v"]
        session.save()
        return page("saved " + query["v"])
    if path == "/read":
        session.get("user")
        wait()
        return page("read")
    if path == "/stream":
        session[query["k"]] = query["v"]
        session.save()
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"")
        return [b"streamed"]
    if path == "/signin":
        session.regenerate_id()
        session["user"] = query["user"]
        session.save()
        return page("signed in")
    if path == "/signout":
        session.delete()
        return page("signed out")
    start_response("404 Not Found", [])
    return []


class Server(socketserver.ThreadingMixIn, simple.WSGIServer):
    daemon_threads = True


class Handler(simple.WSGIRequestHandler):
    def log_message(self, *args):
        pass

    def get_stderr(self):
        return open("/dev/null", "w")


options = {
    "session.type": "file",
    "session.data_dir": folder,
    "session.secret": "k" * 32,
    "session.timeout": 1800,
}
server = simple.make_server("127.0.0.1", 0, SessionMiddleware(app, options), Server, Handler)
print(server.server_port, flush=True)
server.serve_forever()
