"""From metered energy to settled months."""
