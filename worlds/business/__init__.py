"""What several kinds of party do business with: clients, companies, wallets kept apart, money held for others."""
