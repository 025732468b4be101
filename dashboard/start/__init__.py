"""The start page and what all pages share."""
