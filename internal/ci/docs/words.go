package main

import "strings"

// knownWords stand in backticks and look like something that this repository exports,
// but are something else.
var knownWords = words(`
	Secure HttpOnly Lax Strict None Partitioned Priority
	Location Origin Referer Accept Host Upgrade Forwarded Authorization Vary
	Insecure Dangerously Allow
	True False KeyError TypeError beaker.get_session
	UnmarshalJSON Write WriteHeader Flush Hijack
	SetMaxIdleConns Group HashTokenInStore Retry-After
	rueidis.Client ConnWriteTimeout ConnLifetime CacheSizeEachConn SendToReplicas ForceSingleClient DisableCache DialCtxFn
`)

func words(text string) map[string]bool {
	all := map[string]bool{}
	for w := range strings.FieldsSeq(text) {
		all[w] = true
	}
	return all
}
