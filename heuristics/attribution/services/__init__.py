"""Services by behaviour (tier T2): deposit addresses, roles of wallets, shared custody, nested and unnamed services."""
