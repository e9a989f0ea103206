"""A plot of throughput as SVG, drawn by hand so that measuring needs no library for it."""

WIDTH, HEIGHT = 760, 340
LEFT, TOP, BOTTOM, GAP = 60, 50, 60, 24
COLOURS = {"none": "#4878a8", "gzip": "#8c6bb1", "snappy": "#c8b13a", "lz4": "#e08a3c", "zstd": "#5a9e6f"}


def throughput(found):
    """Records per second by batch.size, linger.ms and codec, for acks=all; a group of bars per batch and linger."""
    reports = {key[:3]: report for key, report in found.items() if key[3] == "all"}
    groups = sorted({key[:2] for key in reports})
    most = max((report["records_per_s"] for report in reports.values()), default=1)
    step = nice_step(most)
    top = step * -(-most // step)
    height = HEIGHT - TOP - BOTTOM
    group_width = (WIDTH - LEFT - GAP) / max(len(groups), 1)
    bar_width = (group_width - GAP / 2) / len(COLOURS)
    parts = [text(WIDTH / 2, 22, "records/s at full speed, acks=all", size=15)]
    for line in range(int(top / step) + 1):
        y = TOP + height * (1 - line * step / top)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - GAP}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(text(LEFT - 6, y + 4, f"{line * step / 1000:,.0f}k", anchor="end"))
    for number, (batch, linger) in enumerate(groups):
        left = LEFT + number * group_width + GAP / 4
        for place, (codec, colour) in enumerate(COLOURS.items()):
            report = reports.get((batch, linger, codec))
            if report is None:
                continue
            tall = height * report["records_per_s"] / top
            parts.append(f'<rect x="{left + place * bar_width:.1f}" y="{TOP + height - tall:.1f}" '
                         f'width="{bar_width - 1:.1f}" height="{tall:.1f}" fill="{colour}"/>')
        middle = left + bar_width * len(COLOURS) / 2
        parts.append(text(middle, TOP + height + 16, f"{batch // 1024} KiB"))
        parts.append(text(middle, TOP + height + 32, f"{linger} ms"))
    for place, (codec, colour) in enumerate(COLOURS.items()):
        x = LEFT + place * 90
        parts.append(f'<rect x="{x}" y="{HEIGHT - 18}" width="12" height="12" fill="{colour}"/>')
        parts.append(text(x + 18, HEIGHT - 8, codec, anchor="start"))
    parts.append(text(WIDTH - GAP, HEIGHT - 8, "batch.size, linger.ms", anchor="end"))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def nice_step(most):
    """1, 2 or 5 times a power of ten, for about five lines."""
    step = 1
    while most / step > 6:
        step *= 2.5 if str(int(step)).startswith("2") else 2
    return step


def text(x, y, words, anchor="middle", size=11):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{words}</text>'
