"""Cells of CSV files that people open in spreadsheets."""

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: object) -> object:
    """The value as a spreadsheet takes it for text or a number, never for a formula: text from outside that would begin
    one gets an apostrophe. Numbers stay numbers, negative ones too; None is an empty cell."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(_BEGINS_A_FORMULA) else text
