// Package e2e holds the product's scenarios as a user has them: the built binary, real
// HTTP, real targets. Everything is in its tests.
package e2e
