package echoauth_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/echoauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

func TestUploadsLeaveNoFiles(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	for end, then := range map[string]func(){"returns": func() {}, "panics": func() { panic(http.ErrAbortHandler) }} {
		upload := func(c echo.Context) error {
			if err := c.Request().ParseMultipartForm(1 << 10); err != nil {
				t.Error(err)
			}
			if entries, _ := os.ReadDir(os.TempDir()); len(entries) == 0 {
				t.Error("the form fits in memory: nothing is tested")
			}
			then()
			return nil
		}
		for name, add := range map[string]func(*echo.Echo){
			"Require": func(e *echo.Echo) { e.POST("/orders", upload, echoauth.Require(guard, "write")) },
			"a table": func(e *echo.Echo) {
				e.Use(echoauth.EnforceRules(guard, auth.Rules{"POST /orders": auth.Scopes("write")}))
				e.POST("/orders", upload)
			},
			"a Router": func(e *echo.Echo) { echoauth.NewRouter(guard, e).POST("/orders", auth.Scopes("write"), upload) },
			"no guard": func(e *echo.Echo) { e.POST("/orders", upload) },
			"two of it": func(e *echo.Echo) {
				e.POST("/orders", upload, echoauth.Require(guard, "write"), echoauth.Require(guard, "write"))
			},
		} {
			t.Run(name+" "+end, func(t *testing.T) {
				dir := t.TempDir()
				t.Setenv("TMPDIR", dir)
				e := echo.New()
				add(e)
				s := httptest.NewUnstartedServer(e)
				s.EnableHTTP2 = true
				s.StartTLS()
				var body bytes.Buffer
				form := multipart.NewWriter(&body)
				file, _ := form.CreateFormFile("file", "upload.bin")
				_, _ = file.Write(make([]byte, 12<<20))
				_ = form.Close()
				r, _ := http.NewRequest("POST", s.URL+"/orders", &body)
				r.Header.Set("Content-Type", form.FormDataContentType())
				r.Header.Set("Authorization", "Bearer "+issuer.Token("write"))
				if resp, err := s.Client().Do(r); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				s.Close()
				if entries, _ := os.ReadDir(dir); len(entries) != 0 {
					t.Errorf("%d temporary files are left", len(entries))
				}
			})
		}
	}
}
