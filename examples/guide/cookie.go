package guide

import "github.com/seed12c5fab1/beaker"

func onThisNetwork(cfg *beaker.Config) {
	//docs:begin insecure
	cfg.Cookie.InsecureHosts = []string{"localhost", "devbox.example"}
	//docs:end insecure
}

func forAllHosts(cfg *beaker.Config) {
	//docs:begin domain
	cfg.Cookie.Domain = "example.com"
	//docs:end domain
}
