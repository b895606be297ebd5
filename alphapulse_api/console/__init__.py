"""The console: a page that watches the dashboard in a browser, out of the installation."""
