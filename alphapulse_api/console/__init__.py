"""The console: a web page that shows the dashboard, served from the installed package."""
