"""Running generated programs against their tests, in processes of their own."""
