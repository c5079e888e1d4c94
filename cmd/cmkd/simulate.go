package main

import "github.com/spf13/cobra"

func (a *app) simulateCmd() *cobra.Command { return &cobra.Command{Use: "simulate", Hidden: true} }
func (a *app) demoCmd() *cobra.Command     { return &cobra.Command{Use: "demo", Hidden: true} }
