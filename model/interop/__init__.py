"""What other libraries call our settings and weights."""
