"""The API documents, generated from the route table, the schemas and the channels."""
