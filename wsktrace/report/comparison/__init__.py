"""Two traces compared (wsktrace.diff), as text, Markdown, JSON, data frames and a card."""
