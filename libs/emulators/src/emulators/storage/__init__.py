"""Google's Cloud Storage: fake-gcs-server keeps the objects, a door in front of it checks who may do what with them."""
