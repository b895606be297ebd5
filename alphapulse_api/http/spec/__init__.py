"""The API's own documents, made from the route table, the schemas and the channels."""
