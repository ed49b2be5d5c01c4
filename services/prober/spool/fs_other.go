//go:build !linux

package spool

import "os"

func setAside(*os.File, int64) error { return nil }

func syncData(f *os.File) error { return f.Sync() }
