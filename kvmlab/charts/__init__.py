"""Frames in, `plotly.graph_objects.Figure` out (floor 4)."""
