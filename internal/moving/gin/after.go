package gin

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/seed12c5fab1/beaker"
)

var visitsKey = beaker.NewKey[int]("visits")

//docs:begin after-default

// session returns the request's session. If it cannot be loaded, the answer is on its
// way and the handler returns.
func session(c *gin.Context, manager *beaker.Manager) (s *beaker.Session, ok bool) {
	s, err := manager.Get(c.Request.Context())
	if err != nil {
		manager.Error(c.Writer, c.Request, err)
		c.Abort()
		return nil, false
	}
	return s, true
}

//docs:end after-default

// After is the site with this library.
func After(manager *beaker.Manager) http.Handler {
	router := gin.New()
	router.GET("/", func(c *gin.Context) {
		//docs:begin after-use
		s, ok := session(c, manager)
		if !ok {
			return
		}
		visits, _ := visitsKey.Get(s)
		visits++
		visitsKey.Set(s, visits)
		user := s.Subject()
		flashes := s.Flashes()
		//docs:end after-use
		c.String(http.StatusOK, "%q, visit %d, %v", user, visits, flashes)
	})
	router.POST("/login", func(c *gin.Context) {
		//docs:begin after-login
		s, ok := session(c, manager)
		if !ok {
			return
		}
		if err := s.SetSubject(c.PostForm("user")); err != nil {
			manager.Error(c.Writer, c.Request, err)
			return
		}
		s.AddFlash("Welcome.")
		//docs:end after-login
		c.Redirect(http.StatusSeeOther, "/")
	})
	router.POST("/logout", func(c *gin.Context) {
		//docs:begin after-logout
		s, ok := session(c, manager)
		if !ok {
			return
		}
		if err := s.Destroy(c.Request.Context()); err != nil {
			manager.Error(c.Writer, c.Request, err)
			return
		}
		//docs:end after-logout
		c.Redirect(http.StatusSeeOther, "/")
	})
	//docs:begin after-wrap
	return manager.Wrap(router) // around the router, not with Use
	//docs:end after-wrap
}
