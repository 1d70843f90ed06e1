"""The only part that talks: settings, command line, HTTP."""
