package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed static
var static embed.FS

// file is one file of the page.
type file struct {
	body []byte
	kind string // media type
	etag string
}

// kinds are the media types by the ending of a name: those of the machine may differ.
func kinds() map[string]string {
	return map[string]string{
		".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
		".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
}

// readFiles returns the files of the page by the paths they are served at. What is
// not among them does not exist, whatever a path is made of.
func readFiles() (map[string]file, error) {
	files, types := map[string]file{}, kinds()
	err := fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := static.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		f := file{body: body, kind: types[path.Ext(name)], etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		if f.kind == "" {
			return fmt.Errorf("%s has no media type", name)
		}
		files[name[len("static"):]] = f
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the files of the web page: %w", err)
	}
	files["/"] = files["/index.html"]
	return files, nil
}

// serve answers with the file, or says that the peer has it already. The browser
// asks each time: a new daemon's page must not run with an old one's parts.
func (f file) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
