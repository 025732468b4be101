"""The page behind the QR code of a desk: what goes on here, how long still, where else. No script needed."""
