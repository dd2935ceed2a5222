"""Golden vectors, and the kit that checks a backend with them and names the mistake it makes."""
