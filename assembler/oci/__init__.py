"""The OCI image-spec v1.1 in types: descriptors, manifests, configs, canonical JSON, references, validation."""
