//go:build !race

package proxy

const racy = false
