"""A plot of throughput as SVG, drawn by hand so that measuring needs no library for it."""

WIDTH, PANEL_HEIGHT, LEGEND_HEIGHT = 760, 280, 26
LEFT, TOP, BOTTOM, GAP = 60, 34, 48, 24
COLOURS = {"none": "#4878a8", "gzip": "#8c6bb1", "snappy": "#c8b13a", "lz4": "#e08a3c", "zstd": "#5a9e6f"}


def throughput(found):
    """Records per second by batch.size, linger.ms and codec; a panel per acks, all to one scale."""
    panels = sorted({key[3] for key in found})
    most = max((report["records_per_s"] for report in found.values()), default=1)
    height = PANEL_HEIGHT * len(panels) + LEGEND_HEIGHT
    parts = []
    for number, acks in enumerate(panels):
        reports = {key[:3]: report for key, report in found.items() if key[3] == acks}
        parts += panel(f"records/s at full speed, acks={acks}", reports, most, number * PANEL_HEIGHT)
    for place, (codec, colour) in enumerate(COLOURS.items()):
        x = LEFT + place * 90
        parts.append(f'<rect x="{x}" y="{height - 18}" width="12" height="12" fill="{colour}"/>')
        parts.append(text(x + 18, height - 8, codec, anchor="start"))
    parts.append(text(WIDTH - GAP, height - 8, "batch.size, linger.ms", anchor="end"))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">\n'
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def panel(title, reports, most, y):
    """A group of bars per batch.size and linger.ms, the panel's upper edge at `y`."""
    groups = sorted({key[:2] for key in reports})
    step = nice_step(most)
    top = step * -(-most // step)
    height = PANEL_HEIGHT - TOP - BOTTOM
    floor = y + TOP + height
    group_width = (WIDTH - LEFT - GAP) / max(len(groups), 1)
    bar_width = (group_width - GAP / 2) / len(COLOURS)
    parts = [text(WIDTH / 2, y + 20, title, size=15)]
    for line in range(int(top / step) + 1):
        at = floor - height * line * step / top
        parts.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - GAP}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(text(LEFT - 6, at + 4, f"{line * step / 1000:,.0f}k", anchor="end"))
    for number, (batch, linger) in enumerate(groups):
        left = LEFT + number * group_width + GAP / 4
        for place, (codec, colour) in enumerate(COLOURS.items()):
            report = reports.get((batch, linger, codec))
            if report is None:
                continue
            tall = height * report["records_per_s"] / top
            parts.append(f'<rect x="{left + place * bar_width:.1f}" y="{floor - tall:.1f}" '
                         f'width="{bar_width - 1:.1f}" height="{tall:.1f}" fill="{colour}"/>')
        middle = left + bar_width * len(COLOURS) / 2
        parts.append(text(middle, floor + 16, f"{batch // 1024} KiB"))
        parts.append(text(middle, floor + 32, f"{linger} ms"))
    return parts


def nice_step(most):
    """1, 2 or 5 times a power of ten, for about five lines."""
    step = 1
    while most / step > 6:
        step *= 2.5 if str(int(step)).startswith("2") else 2
    return step


def text(x, y, words, anchor="middle", size=11):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{words}</text>'
