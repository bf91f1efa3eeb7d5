// Program go-resolver asks Go's own resolver: a line for each argument, the name and what it found. An argument that begins
// with "=" is an address, and its name is looked for; one that begins with "_" is a service, and its records are.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

func main() {
	resolver := net.Resolver{PreferGo: true, StrictErrors: true}
	for _, asked := range os.Args[1:] {
		found, err := look(&resolver, asked)
		var missing *net.DNSError
		switch {
		case errors.As(err, &missing) && missing.IsNotFound:
			fmt.Println(asked, "!none")
		case err != nil:
			fmt.Println(asked, "!"+strings.ReplaceAll(err.Error(), " ", "-"))
		default:
			fmt.Println(asked, strings.Join(found, " "))
		}
	}
}

func look(resolver *net.Resolver, asked string) ([]string, error) {
	ctx := context.Background()
	if address, isReverse := strings.CutPrefix(asked, "="); isReverse {
		return resolver.LookupAddr(ctx, address)
	}
	if !strings.HasPrefix(asked, "_") {
		return resolver.LookupHost(ctx, asked)
	}
	_, services, err := resolver.LookupSRV(ctx, "", "", asked)
	found := make([]string, 0, len(services))
	for _, one := range services {
		found = append(found, fmt.Sprintf("%d:%s", one.Port, one.Target))
	}
	return found, err
}
