"""The manual's Sessions page as a site, with Python's Beaker: prints its port."""
import sys
import wsgiref.simple_server as simple

from beaker.middleware import SessionMiddleware

folder, kind = sys.argv[1:3]


def text(start_response, body):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/untouched":
        return text(start_response, "untouched")
    # docs:begin get
    session = environ['beaker.session']
    # docs:end get
    if path == "/simple":
        # docs:begin using
        logged_in = 'user_id' in session
        session['user_id'] = 10
        session['name'] = 'Fred Smith'
        session.save()
        # docs:end using
        return text(start_response, "User is logged in: %s" % logged_in)
    if path == "/read":
        # docs:begin read
        name = session.get('name', 'nobody')
        # docs:end read
        return text(start_response, name)
    if path == "/remove":
        # docs:begin remove
        if 'name' in session:
            del session['name']
        session.save()
        # docs:end remove
        return text(start_response, "removed")
    if path == "/attributes":
        # docs:begin attributes
        new = session.is_new
        seen = session.last_accessed is not None
        created = session['_creation_time']
        # docs:end attributes
        return text(start_response, "new %s, seen %s, created %s" % (new, seen, created > 0))
    if path == "/persist":
        # docs:begin persist
        session['order'] = 'A17'
        session.persist()
        # docs:end persist
        return text(start_response, "ordered")
    if path == "/revert":
        # docs:begin revert
        session['name'] = 'nobody'
        session.revert()
        # docs:end revert
        return text(start_response, session.get('name', ''))
    if path == "/regenerate":
        # docs:begin regenerate
        session.regenerate_id()
        session.save()
        # docs:end regenerate
        return text(start_response, "regenerated")
    if path == "/delete":
        # docs:begin delete
        session.delete()
        # docs:end delete
        return text(start_response, "deleted")
    if path == "/invalidate":
        # docs:begin invalidate
        session.invalidate()
        session['color'] = 'green'
        session.save()
        # docs:end invalidate
        return text(start_response, "invalidated")
    if path == "/domain":
        # docs:begin domain
        session.domain = '.domain.com'
        session.path = '/admin'
        session.save()
        # docs:end domain
        return text(start_response, "moved")
    start_response("404 Not Found", [])
    return []


# docs:begin middleware
session_opts = {
    'session.type': 'file',
    'session.data_dir': folder,
    'session.timeout': 1800,
    'session.cookie_expires': True,
    'session.httponly': True,
    'session.secure': True,
    'session.samesite': 'Lax',
}
wsgi_app = SessionMiddleware(app, session_opts)
# docs:end middleware

if kind == "cookie":
    # docs:begin cookie
    session_opts = {
        'session.type': 'cookie',
        'session.validate_key': 'not so random, and short enough',
        'session.encrypt_key': 'this too',
        'session.crypto_type': 'cryptography',
        'session.secure': True,
        'session.timeout': 1800,
    }
    wsgi_app = SessionMiddleware(app, session_opts)
    # docs:end cookie


class Handler(simple.WSGIRequestHandler):
    def log_message(self, *args):
        pass


server = simple.make_server("127.0.0.1", 0, wsgi_app, handler_class=Handler)
print(server.server_port, flush=True)
server.serve_forever()
