"""Colors, dashes and sizes that the charts share."""

MUTED, GRID = "#52606d", "#d9dee5"
TITLE, LABEL, TICK = 12, 9.5, 9.5
# Earlier terms are gray and differ by their dashes.
EARLIER_DASHES = ((0, (6, 2)), (0, (2, 1.5)), (0, (5, 2, 1, 2)))
GRAYS = ("#6b7785", "#7b8794", "#8d98a4")
# Other open terms have the institution's color and thinner lines.
OTHER_DASHES = ("--", "-.", ":")
# Vermilion of Okabe and Ito (2008), darkened: differs from blue and green for every color vision.
VERMILION = "#b3541e"
# Six weeks of daily figures show the rhythm of the week.
RECENT_DAYS = 42
