"""The page for facility staff: live map, holds, sensors and the day so far. The only pages that use Dash."""
