"""Risk parameters: groups, scenarios, charges, volatility surfaces, and how price ranges follow the market."""
