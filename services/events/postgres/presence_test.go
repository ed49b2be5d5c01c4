package postgres_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

// TestServerLooksAfterItsClients: a machine that vanishes frees lock and transactions within five seconds, unless whoever wrote
// the DSN wants it otherwise.
func TestServerLooksAfterItsClients(t *testing.T) {
	dsn := postgrestest.DSN(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	pairs := fmt.Sprintf("host=%s port=%s user=%s password='%s' dbname=%s sslmode=disable", u.Hostname(), u.Port(), u.User.Username(), password, u.Path[1:])
	for _, tt := range []struct{ name, dsn, idle string }{
		{"a URL", dsn, "2"}, {"pairs", pairs, "2"}, {"its own setting", pairs + " tcp_keepalives_idle=77", "77"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openState(t, tt.dsn)
			for name, show := range map[string]func(string) string{"pool": s.Setting, "owner": s.OwnerSetting} {
				want := []string{tt.idle, "1", "3", "5000", "5s"}
				got := []string{
					show("tcp_keepalives_idle"), show("tcp_keepalives_interval"), show("tcp_keepalives_count"), show("tcp_user_timeout"),
					show("idle_in_transaction_session_timeout"),
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s: %s", name, d)
				}
			}
		})
	}
}

// TestOpenTransactionOfALostOwner: one that stopped in the middle of a commit holds the row that the next owner has to change.
func TestOpenTransactionOfALostOwner(t *testing.T) {
	dsn := postgrestest.DSN(t)
	first, second, admin := openState(t, dsn+"&idle_in_transaction_session_timeout=300"), openState(t, dsn), connect(t, dsn)
	own(t, first)
	owned := owning(t, second)
	held, resume, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- first.Hold(t.Context(), some(1, "never"), func() error {
			close(held)
			<-resume
			return nil
		})
	}()
	<-held
	for len(owned) == 0 {
		execute(t, admin, dethrone)
	}
	commit(t, second, some(1, "second"))
	close(resume)
	if err := receive(t, ended, "the open transaction ends"); err == nil {
		t.Error("committed after another had taken over")
	}
	if d := cmp.Diff([]string{"second"}, told(t, second)); d != "" {
		t.Error(d)
	}
}
