// Package beaker keeps HTTP sessions: a dictionary for each visitor, loaded only when
// it is touched, tied to the browser by a signed cookie, and kept in memory, in files,
// in a database, in Redis or memcached, or sealed in the cookie itself. It is Python's
// [Beaker], built anew for net/http.
//
//	store, err := filestore.Open("data/sessions", nil)
//	secrets, err := beaker.OpenSecrets("data/secrets")
//	sessions, err := beaker.New(beaker.Config{Store: store, Secrets: secrets})
//	http.ListenAndServe("localhost:8080", sessions.Wrap(mux))
//
// and in a handler
//
//	s, err := sessions.Get(r.Context())
//	if err != nil {
//		sessions.Error(w, r, err)
//		return
//	}
//	n, _ := visits.Get(s) // var visits = beaker.NewKey[int]("visits")
//	visits.Set(s, n+1)    // saved when the response begins
//
// # What it promises
//
//   - A request that does not touch its session costs two small allocations: no store
//     call, no cryptography, no header.
//   - Of two requests that overlap and change different values, both survive.
//     [Manager.Update] changes one value atomically.
//   - What has ended stays ended: when Destroy, Invalidate or a revocation has
//     returned, no request under way brings the session back, in any store.
//   - An id that this server did not issue is never used.
//   - A store that fails is never taken for a visitor who is not signed in.
//   - Nothing is acknowledged before it is stored, unless the handler had already sent
//     its headers.
//   - The store sees hashes, never what opens a session; logs and errors see neither
//     secrets nor values.
//
// Each store says in its package comment what it cannot promise, and [Sealed] what a
// session in its cookie cannot.
//
// # What it does not protect from
//
//   - A stolen cookie is the session. HTTPS, a short IdleTimeout and RevokeAll limit the
//     damage.
//   - Cross-site request forgery: SameSite=Lax helps; applications MUST also use
//     [http.CrossOriginProtection] or tokens, and MUST change state only by POST and
//     the like.
//   - Cross-site scripting: HttpOnly keeps the cookie from scripts, not the session.
//   - Whoever can write to the store can change sessions.
//
// # Deployment
//
//   - The application MUST be served over HTTPS. Behind a proxy that ends TLS nothing
//     needs to be set: the cookie is Secure whatever the request looks like.
//   - All nodes MUST have the same secrets, App and cookie name, and clocks that agree
//     to within a few seconds.
//   - SetSubject MUST be called at each sign-in, and SHOULD be when rights change.
//     RevokeAll SHOULD be called when a password changes or an account is closed.
//   - An error of [Manager.Get] MUST be answered, with [Manager.Error]; it MUST NOT be
//     taken for a visitor who is not signed in.
//   - At the end of the program close the manager, which ends what [Session.Watch] keeps
//     open, then shut down the server, then close the store.
//
// # For authors of stores
//
// Applications choose a store and need not know the rest. [Store], [Lister], [Purger],
// [SubjectRevoker] and [Watcher] are for who writes one, and so are the types that go
// through them: [Record], [Meta], [Value], [Change], [Rotation], [Limits], [Proof],
// [RecordKey], [Millis], [Version].
//
// [Beaker]: https://beaker.readthedocs.io/
package beaker
