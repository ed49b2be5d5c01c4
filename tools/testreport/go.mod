module github.com/frogstats/uptime/tools/testreport

go 1.26.0
