"""Values in, values out: names, standing, tokens. Nothing here knows a database or a clock."""
