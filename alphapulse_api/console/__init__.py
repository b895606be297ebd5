"""The console: a page that shows the dashboard in a browser, served from the installation."""
