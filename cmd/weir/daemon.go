package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/api"
)

// target is where the running daemon is, as the flags of a command say.
type target struct {
	socket string
	url    string
	api.Identity
}

// targetFlags adds the flags by which a command, and those below it, find the daemon.
func targetFlags(cmd *cobra.Command, t *target) {
	def := os.Getenv("WEIR_API_SOCKET")
	if def == "" {
		def = conf.DefaultSocket
	}
	f := cmd.PersistentFlags()
	f.StringVar(&t.socket, "socket", def, "`path` of the running daemon's api.socket")
	f.StringVar(&t.url, "api", "", "reach the daemon by TCP, at `URL` https://HOST:PORT, its api.listen")
	f.StringVar(&t.Certificate, "cert", "", "with --api: `FILE` of the certificate to show, PEM")
	f.StringVar(&t.Key, "key", "", "with --api: `FILE` of its private key")
	f.StringVar(&t.CA, "cacert", "", "with --api: `FILE` of who signed the daemon's certificate; without: whom this machine trusts")
}

// client is what talks to the daemon.
func (t *target) client() (*api.Client, error) {
	if t.url != "" {
		return api.DialTLS(t.url, t.Identity)
	}
	if t.Identity != (api.Identity{}) {
		return nil, errors.New("--cert, --key and --cacert are for --api: a socket takes no certificates")
	}
	return api.Dial(t.socket), nil
}

// matchFlag adds the flag that makes a change depend on the configuration's revision.
func matchFlag(cmd *cobra.Command, revision *string) {
	cmd.Flags().StringVar(revision, "if-revision", "", "only if the configuration is `REVISION`, as weir config show tells it")
}

func match(revision string) api.Match {
	if revision == "" {
		return api.Match{}
	}
	return api.Only(revision)
}
