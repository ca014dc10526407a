// Package gin is a site with gin and gin-contrib/sessions, and with gin and this
// library.
package gin

import (
	"net/http"

	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/cookie"
	"github.com/gin-gonic/gin"
)

// Before is the site with gin-contrib/sessions.
func Before(secret []byte) http.Handler {
	router := gin.New()
	//docs:begin before-setup
	store := cookie.NewStore(secret)
	store.Options(sessions.Options{Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	router.Use(sessions.Sessions("app", store))
	//docs:end before-setup
	router.GET("/", func(c *gin.Context) {
		//docs:begin before-use
		session := sessions.Default(c)
		visits, _ := session.Get("visits").(int)
		visits++
		session.Set("visits", visits)
		user, _ := session.Get("user").(string)
		flashes := session.Flashes()
		if err := session.Save(); err != nil { // before anything is written
			c.String(http.StatusInternalServerError, err.Error())
			return
		}
		//docs:end before-use
		c.String(http.StatusOK, "%q, visit %d, %v", user, visits, flashes)
	})
	router.POST("/login", func(c *gin.Context) {
		//docs:begin before-login
		session := sessions.Default(c)
		session.Set("user", c.PostForm("user"))
		session.AddFlash("Welcome.")
		if err := session.Save(); err != nil {
			c.String(http.StatusInternalServerError, err.Error())
			return
		}
		//docs:end before-login
		c.Redirect(http.StatusSeeOther, "/")
	})
	router.POST("/logout", func(c *gin.Context) {
		//docs:begin before-logout
		session := sessions.Default(c)
		session.Clear()
		if err := session.Save(); err != nil {
			c.String(http.StatusInternalServerError, err.Error())
			return
		}
		//docs:end before-logout
		c.Redirect(http.StatusSeeOther, "/")
	})
	return router
}
