"""The floor every Packhouse service stands on; README.md beside the sources is the map."""
