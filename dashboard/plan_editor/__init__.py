"""The floor plan in the browser: zones, places, tables, backgrounds, lists to import."""
