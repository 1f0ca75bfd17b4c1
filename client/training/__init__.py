"""Training and scoring the study's network on this hospital's images, without network or keys."""
