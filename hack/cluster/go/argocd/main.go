// Command argocd is the two parts of Argo CD that deploy: `argocd application-controller` and `argocd repo-server`.
package main

import (
	"os"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/spf13/cobra"
)

func main() {
	command := &cobra.Command{Use: "argocd"}
	for name, part := range map[string]*cobra.Command{
		"application-controller": controller.NewCommand(),
		"repo-server":            reposerver.NewCommand(),
	} {
		part.Use = name
		command.AddCommand(part)
	}
	if command.Execute() != nil {
		os.Exit(1)
	}
}
