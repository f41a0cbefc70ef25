"""Programs that keep this project's own documents true. They are not part of the product."""
