"""Views that people work in: controllers that know no browser, and the ipywidgets that show them (floor 5)."""
