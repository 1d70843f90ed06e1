"""Where everything lies: lake (facts), index (answers), labels (claims), records (decisions)."""
