"""Sheets to print: one card per place with the QR code of its desk page."""
