"""How the models in `models/` were made: seeded, one command each. Never deployed."""
