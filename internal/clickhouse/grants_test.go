package clickhouse_test

import (
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
)

// What a user may not do is told as the server tells it, whatever statement found out, and is no outage.
func TestMissingGrantsAreTold(t *testing.T) {
	all := map[string]string{
		"SELECT": "SELECT ON default.*", "INSERT": "INSERT ON default.*", "ALTER": "ALTER ON default.*", "CREATE": "CREATE TABLE ON default.*",
		"ENGINE": "TABLE ENGINE ON MergeTree", "TURN": "SELECT ON system.numbers",
	}
	lacks := map[string]string{ // and what the error then says
		"SELECT": "grant SELECT(", "INSERT": "grant INSERT(", "ALTER": "grant ALTER ADD COLUMN", "CREATE": "grant CREATE TABLE ON default.",
		"ENGINE": "grant TABLE ENGINE ON MergeTree", "TURN": "grant SELECT ON system.numbers", "nothing": "",
	}
	users := map[string]clickhousetest.User{}
	var list []clickhousetest.User
	for lack := range lacks {
		u := clickhousetest.User{Name: "without_" + strings.ToLower(lack), Password: "p-" + lack}
		for name, grant := range all {
			if name != lack {
				u.Grants = append(u.Grants, grant)
			}
		}
		users[lack], list = u, append(list, u)
	}
	s := clickhousetest.Start(t, list...)
	for lack, want := range lacks {
		t.Run(lack, func(t *testing.T) {
			fsys := fstest.MapFS{"0001_a.sql": file(strings.ReplaceAll(events, "events", "t_"+lack) +
				"\nALTER TABLE t_" + lack + " ADD COLUMN IF NOT EXISTS more String;")}
			db := open(t, s.DSNOf(users[lack]), clickhouse.Options{})
			err := db.Migrate(t.Context(), fsys, clickhouse.Table("record_"+lack))
			switch {
			case want == "":
				if err != nil {
					t.Error(err)
				}
			case clickhouse.Code(err) != 497 || clickhouse.IsOutage(err) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "closed"):
				t.Errorf("%v\nwant what is lacking: %s", err, want)
			}
		})
	}
	// Who has nothing to make needs no right to make anything.
	if err := open(t, s.DSNOf(users["nothing"]), clickhouse.Options{}).Migrate(t.Context(), fstest.MapFS{"0001_a.sql": file(events)}); err != nil {
		t.Fatal(err)
	}
	for _, lack := range []string{"CREATE", "ENGINE", "ALTER"} {
		if err := open(t, s.DSNOf(users[lack]), clickhouse.Options{}).Migrate(t.Context(), fstest.MapFS{"0001_a.sql": file(events)}); err != nil {
			t.Errorf("without %s where all is there: %v", lack, err)
		}
	}
}

// An address that is wrong stays wrong.
func TestWrongAddressIsNoOutage(t *testing.T) {
	native, http := clickhousetest.DSNs(t)
	for protocol, dsn := range map[string]string{"native": native, "http": http} {
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		password, database := *u, *u
		password.User = url.UserPassword(u.User.Username(), "canary-7f3a")
		database.Path = "/nowhere"
		for name, tt := range map[string]struct {
			dsn  string
			code int32
		}{
			"password": {password.String(), 516}, "database": {database.String(), 81},
		} {
			db, err := clickhouse.Open(t.Context(), tt.dsn, clickhouse.Options{})
			if err == nil {
				_ = db.Close()
			}
			if clickhouse.Code(err) != tt.code || clickhouse.IsOutage(err) || strings.Contains(err.Error(), "canary-7f3a") {
				t.Errorf("%s with a wrong %s: %v, want code %d", protocol, name, err, tt.code)
			}
		}
	}
}
