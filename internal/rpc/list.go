package rpc

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"google.golang.org/grpc/resolver"
)

// listScheme is the scheme of targets that name all addresses themselves: list:///a:7001,b:7001.
const listScheme = "list"

type listBuilder struct{}

func (listBuilder) Scheme() string { return listScheme }

func (listBuilder) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	var state resolver.State
	for address := range strings.SplitSeq(target.Endpoint(), ",") {
		address = strings.TrimSpace(address)
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("address %q in a list is not host:port", address)
		}
		// The name to be proved by the certificate is each address's own.
		one := resolver.Address{Addr: address, ServerName: host}
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{one}})
	}
	if len(state.Endpoints) == 0 {
		return nil, errors.New("empty list of addresses")
	}
	return list{}, cc.UpdateState(state)
}

// list never changes.
type list struct{}

func (list) ResolveNow(resolver.ResolveNowOptions) {}
func (list) Close()                                {}
