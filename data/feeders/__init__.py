"""Distribution feeders: cables and transformers, and what they are to a power flow."""
