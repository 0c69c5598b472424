"""A pytest plugin: real servers, a World per service, actors that speak the domain, a clock to turn."""
