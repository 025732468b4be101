"""The why-card: everything that stands behind one decision."""
