"""Training and scoring the study's network on a hospital's images; nothing here sends or signs."""
