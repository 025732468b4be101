"""How a gateway gets a certificate of its own: with a code that is good once, and by itself before it runs out."""
