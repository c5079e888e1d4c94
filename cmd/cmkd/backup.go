package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
)

func (a *app) backupCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "backup PATH",
		Short: "Copy the store to a new file while the daemon runs",
		Long: `Copy the store to a new file of mode 0600, consistent and read back in full. The
daemon writes it, so its user must be able to write there; nothing is overwritten.
To restore: stop the daemon, put the file in the place of the store, start it.`,
		Example: `  cmkd backup /var/lib/cmkd/backup-$(date +%F).db
  cmkd audit verify --store /var/lib/cmkd/backup-2026-01-31.db`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := filepath.Abs(args[0])
			if err != nil {
				return fmt.Errorf("path of the backup: %w", err)
			}
			client := a.client()
			defer client.Close()
			b, err := client.Backup(c.Context(), path)
			if err != nil {
				return err
			}
			return a.print(b, func() error { a.say("%s: %d bytes", clean(b.Path), b.Bytes); return nil })
		},
	}
}
