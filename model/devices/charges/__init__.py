"""What a tariff charges beyond a price per kWh: for the peaks that a meter draws, for energy in dearer tiers."""
