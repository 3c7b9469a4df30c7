"""Pictures made on the server, as SVG: where people would rather look than read."""
