package clickhousetest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"text/template"
)

// User is somebody who may do on a server what Grants say, such as "SELECT ON default.*", and nothing else.
type User struct {
	Name, Password string
	Grants         []string
}

// Hash is for the server.
func (u User) Hash() string {
	sum := sha256.Sum256([]byte(u.Password))
	return hex.EncodeToString(sum[:])
}

// usersXML goes into a folder from which the server adds to whatever file it finds its users in.
var usersXML = template.Must(template.New("more.xml").Parse(`<clickhouse>
    <users>{{range .}}
        <{{.Name}}>
            <password_sha256_hex>{{.Hash}}</password_sha256_hex>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <grants>{{range .Grants}}
                <query>GRANT {{.}}</query>{{end}}
            </grants>
        </{{.Name}}>{{end}}
    </users>
</clickhouse>
`))

func writeUsers(dir string, users []User) error {
	if len(users) == 0 {
		return nil
	}
	folder := filepath.Join(dir, "conf.d")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(folder, "users.xml"), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return usersXML.Execute(f, users)
}
