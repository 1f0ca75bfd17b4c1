"""Training and scoring the study's network on this hospital's images; it knows neither the coordinator nor a key."""
