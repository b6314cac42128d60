"""Variables of devices that store no electricity, from their rows."""
