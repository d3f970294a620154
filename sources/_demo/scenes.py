"""The kinds of pictures: shapes, landscapes, charts, clocks, streets, textures and fruit on a table."""

from __future__ import annotations

import numpy as np

from sources._demo.pictures import COLOURS, GROUNDS, NUMBERS, Canvas, Drawer, Fact, Picture, others, pick, size

_NAMES = list(COLOURS)
_SHAPES = {
    "circle": "disc",
    "square": "box",
    "triangle": "triangle",
    "diamond": "diamond",
    "ring": "ring",
    "star": "star",
}


def _counted(rng: np.random.Generator, ask: str, text: str, count: int) -> Fact:
    """`text` holds one `{}` for the number word."""
    wrong = [
        NUMBERS[number] for number in (count - 1, count + 1, count + 2) if 0 < number < 10 and number != count
    ]
    return Fact(ask, text.format(NUMBERS[count]), tuple(text.format(word) for word in wrong))


def _coloured(rng: np.random.Generator, ask: str, text: str, colour: str) -> Fact:
    return Fact(ask, text.format(colour), tuple(text.format(other) for other in others(rng, colour, _NAMES)))


def _shape(canvas: Canvas, shape: str, x: float, y: float, r: float, colour: str) -> None:
    if shape == "square":
        canvas.box(x, y, 0.85 * r, 0.85 * r, COLOURS[colour])
    else:
        getattr(canvas, _SHAPES[shape])(x, y, r, COLOURS[colour])


def shapes(rng: np.random.Generator) -> Picture:
    width, height = size(rng)
    ground = pick(rng, list(GROUNDS))[0]
    canvas = Canvas(width, height, GROUNDS[ground])
    count = int(rng.integers(2, 7))
    colours = pick(rng, [name for name in _NAMES if name not in ("white", "grey")], count)
    kinds = [pick(rng, list(_SHAPES))[0] for _ in range(count)]
    for i, (colour, kind) in enumerate(zip(colours, kinds, strict=True)):
        x = (i + 0.5) / count + rng.uniform(-0.03, 0.03)
        _shape(canvas, kind, x, canvas.height * rng.uniform(0.3, 0.7), min(0.17, 0.42 / count), colour)
    facts = (
        _counted(rng, "How many shapes are there?", "I count {} shapes.", count),
        _coloured(rng, f"What colour is the {kinds[0]} on the left?", f"The {kinds[0]} on the left is {{}}.",
                  colours[0]),
        _coloured(rng, "Which colour does the rightmost shape have?",
                  f"The rightmost shape, a {kinds[-1]}, is {{}}.", colours[-1]),
        Fact("What is the leftmost shape?", f"Furthest left is a {kinds[0]}.",
             tuple(f"Furthest left is a {kind}." for kind in others(rng, kinds[0], list(_SHAPES)))),
        Fact("What does the ground look like?", f"The ground is plain {ground}.",
             tuple(f"The ground is plain {other}." for other in others(rng, ground, list(GROUNDS)))),
    )  # fmt: skip
    return Picture(canvas.done(rng), f"{NUMBERS[count]} coloured shapes on a {ground} ground", facts)


_SKIES = {"morning": ((250, 206, 160), (160, 190, 226)), "midday": ((206, 228, 246), (70, 140, 220)),
          "evening": ((246, 140, 80), (70, 60, 120)), "night": ((40, 50, 90), (10, 14, 36))}  # fmt: skip


def landscape(rng: np.random.Generator) -> Picture:
    width, height = size(rng)
    canvas = Canvas(width, height, (0, 0, 0))
    time, side = pick(rng, list(_SKIES))[0], pick(rng, ["left", "right"])[0]
    low, high = (np.array(colour, np.float32) for colour in _SKIES[time])
    canvas.pixels[:] = high + (low - high) * (canvas.y / canvas.height)[..., None]
    sun = (246, 240, 214) if time in ("night", "midday") else (252, 224, 120)
    canvas.disc(
        0.22 if side == "left" else 0.78, canvas.height * rng.uniform(0.15, 0.35), rng.uniform(0.05, 0.09), sun
    )
    hills = int(rng.integers(1, 4))
    for i in range(hills):
        wave = np.sin(canvas.x * rng.uniform(4, 9) + rng.uniform(0, 6)) * 0.06
        shade = tuple(int(c * (0.55 + 0.2 * i) * (0.45 if time == "night" else 1)) for c in (110, 160, 100))
        canvas.paint(canvas.y > canvas.height * (0.5 + 0.14 * i) + wave, shade)  # type: ignore[arg-type]
    trees = int(rng.integers(1, 7))
    for x in np.linspace(0.1, 0.9, trees) + rng.uniform(-0.03, 0.03, trees):
        y = canvas.height * rng.uniform(0.8, 0.88)
        canvas.box(x, y, 0.008, 0.05, COLOURS["brown"])
        canvas.triangle(x, y - 0.08, rng.uniform(0.05, 0.07), (26, 90, 54))
    body = "moon" if time == "night" else "sun"
    facts = (
        _counted(rng, "How many trees do you see?", "The number of trees in front is {}.", trees),
        Fact(f"Where is the {body}?", f"The {body} stands on the {side}.",
             (f"The {body} stands on the {'right' if side == 'left' else 'left'}.", f"The {body} is hidden.")),
        Fact("What time of day may it be?", f"The light looks like {time}.",
             tuple(f"The light looks like {other}." for other in others(rng, time, list(_SKIES)))),
        _counted(rng, "How many lines of hills are there?", "Lines of hills behind each other: {}.", hills),
    )  # fmt: skip
    return Picture(canvas.done(rng), f"hills and trees under the {time} sky", facts)


_SUBJECTS = ["rainfall", "visitors", "bread sold", "bikes rented", "letters sent", "hours of sun", "books lent"]


def chart(rng: np.random.Generator) -> Picture:
    width, height = size(rng)
    canvas = Canvas(width, height, (252, 252, 250))
    bars, about = int(rng.integers(3, 7)), pick(rng, _SUBJECTS)[0]
    colours = pick(rng, [name for name in _NAMES if name not in ("white", "black")], bars)
    heights = rng.permutation(np.linspace(0.2, 0.8, bars)) * canvas.height
    for line in np.linspace(0.1, 0.9, 5) * canvas.height:
        canvas.line(0.05, line, 0.97, line, 0.003, (214, 214, 214))
    for i, (colour, tall) in enumerate(zip(colours, heights, strict=True)):
        x = 0.08 + (i + 0.5) * 0.88 / bars
        canvas.box(x, canvas.height * 0.9 - tall / 2, 0.3 / bars, tall / 2, COLOURS[colour])
    canvas.line(0.05, canvas.height * 0.9, 0.97, canvas.height * 0.9, 0.006, COLOURS["black"])
    top, least = colours[int(heights.argmax())], colours[int(heights.argmin())]
    facts = (
        _counted(rng, "How many bars has the chart?", "The chart has {} bars.", bars),
        Fact("Which bar is the tallest?", f"The tallest bar is the {top} one.",
             tuple(f"The tallest bar is the {other} one." for other in others(rng, top, colours)[:2])),
        Fact("Which bar is the lowest?", f"The lowest bar is {least}.",
             tuple(f"The lowest bar is {other}." for other in others(rng, least, colours)[:2])),
        _coloured(rng, "What colour is the first bar?", "The first bar from the left is {}.", colours[0]),
    )  # fmt: skip
    return Picture(canvas.done(rng, 1.0), f"a bar chart of {about} with {NUMBERS[bars]} bars", facts)


def clock(rng: np.random.Generator) -> Picture:
    side = int(rng.integers(112, 200))
    wall, rim = pick(rng, list(GROUNDS))[0], pick(rng, ["red", "blue", "green", "black", "brown", "purple"])[0]
    canvas = Canvas(side, side, GROUNDS[wall])
    canvas.disc(0.5, 0.5, 0.42, COLOURS[rim])
    canvas.disc(0.5, 0.5, 0.36, COLOURS["white"])
    hour, minute = int(rng.integers(1, 13)), int(rng.choice([0, 15, 30, 45]))
    for tick in range(12):
        angle = tick * np.pi / 6
        canvas.disc(0.5 + 0.31 * np.sin(angle), 0.5 - 0.31 * np.cos(angle), 0.015, COLOURS["black"])
    for angle, length, thick in (
        ((hour + minute / 60) * np.pi / 6, 0.18, 0.016),
        (minute * np.pi / 30, 0.27, 0.009),
    ):
        canvas.line(0.5, 0.5, 0.5 + length * np.sin(angle), 0.5 - length * np.cos(angle), thick, COLOURS["black"])
    wrong = [
        f"{hour % 12 + 1}:{minute:02d}",
        f"{hour}:{(minute + 30) % 60:02d}",
        f"{(hour + 5) % 12 + 1}:{minute:02d}",
    ]
    facts = (
        Fact("What time does the clock show?", f"The clock shows {hour}:{minute:02d}.",
             tuple(f"The clock shows {time}." for time in wrong)),
        _coloured(rng, "What colour is the rim of the clock?", "Its rim is {}.", rim),
        Fact("What is behind the clock?", f"It hangs on a {wall} wall.",
             tuple(f"It hangs on a {other} wall." for other in others(rng, wall, list(GROUNDS)))),
        Fact("Are there numbers on the dial?", "The dial has dots instead of numbers.",
             ("The dial has Roman numbers.", "The dial has twelve large digits.")),
    )  # fmt: skip
    return Picture(canvas.done(rng), f"a round wall clock with a {rim} rim", facts)


def street(rng: np.random.Generator) -> Picture:
    width, height = size(rng)
    canvas = Canvas(width, height, (188, 214, 236))
    canvas.box(0.5, canvas.height, 1, 0.12 * canvas.height, COLOURS["grey"])
    houses = int(rng.integers(2, 5))
    walls = pick(rng, [name for name in _NAMES if name not in ("black", "grey", "brown")], houses)
    roofs = pick(rng, ["red", "brown", "black", "blue", "grey"], houses)
    windows = int(rng.integers(1, 4))
    for i, (wall, roof) in enumerate(zip(walls, roofs, strict=True)):
        x, half, tall = (i + 0.5) / houses, 0.4 / houses, canvas.height * rng.uniform(0.2, 0.28)
        y = canvas.height * 0.88 - tall
        canvas.box(x, y, half, tall, COLOURS[wall])
        top = y - tall
        canvas.paint((canvas.y < top) & (canvas.y > top - half + abs(canvas.x - x)), COLOURS[roof])
        for window in np.linspace(-0.5, 0.5, windows) if windows > 1 else (0.0,):
            canvas.box(x + window * half, y - 0.3 * tall, half * 0.16, tall * 0.2, (250, 244, 170))
        canvas.box(x, y + tall * 0.65, half * 0.15, tall * 0.35, COLOURS["brown"])
    facts = (
        _counted(rng, "How many houses stand in the street?", "The houses are {} in number.", houses),
        _coloured(rng, "What colour is the wall of the first house?", "The first house on the left has a {} wall.",
                  walls[0]),
        Fact("Which roof has the last house?", f"The last house has a {roofs[-1]} roof.",
             tuple(f"The last house has a {roof} roof." for roof in others(rng, roofs[-1], _NAMES))),
        _counted(rng, "How many windows has each house?", "Lit windows per house: {}.", windows),
    )  # fmt: skip
    return Picture(canvas.done(rng), f"a street with {NUMBERS[houses]} small houses", facts)


def texture(rng: np.random.Generator) -> Picture:
    width, height = size(rng)
    one, two = pick(rng, _NAMES, 2)
    canvas = Canvas(width, height, COLOURS[one])
    pattern = pick(rng, ["vertical stripes", "horizontal stripes", "a chessboard", "dots", "waves", "rings"])[0]
    count, x, y = int(rng.integers(4, 10)), canvas.x, canvas.y
    mask = {
        "vertical stripes": (x * count) % 1 < 0.5,
        "horizontal stripes": (y * count) % 1 < 0.5,
        "a chessboard": (np.floor(x * count) + np.floor(y * count)) % 2 == 0,
        "dots": ((x * count) % 1 - 0.5) ** 2 + ((y * count) % 1 - 0.5) ** 2 < 0.09,
        "waves": ((y + 0.05 * np.sin(x * 18)) * count) % 1 < 0.5,
        "rings": (np.hypot(x - 0.5, y - canvas.height / 2) * count * 1.6) % 1 < 0.5,
    }
    canvas.paint(mask[pattern], COLOURS[two])
    facts = (
        Fact("What pattern is it?", f"The cloth shows {pattern}.",
             tuple(f"The cloth shows {other}." for other in others(rng, pattern, list(mask)))),
        _coloured(rng, "What is the ground colour?", "The ground colour is {}.", one),
        _coloured(rng, "In which colour is the pattern printed?", "The pattern is printed in {}.", two),
    )  # fmt: skip
    return Picture(canvas.done(rng, 9.0), f"cloth with {pattern} in {two} on {one}", facts)


_FRUIT = {"apple": "red", "orange": "orange", "lemon": "yellow", "plum": "purple", "lime": "green"}


def table_top(rng: np.random.Generator) -> Picture:
    width, height = size(rng)
    canvas = Canvas(width, height, GROUNDS[pick(rng, list(GROUNDS))[0]])
    canvas.box(0.5, canvas.height, 1, canvas.height * 0.4, (166, 116, 70))
    cup, side = pick(rng, ["white", "blue", "black", "pink", "turquoise"])[0], pick(rng, ["left", "right"])[0]
    x = 0.2 if side == "left" else 0.8
    canvas.ring(x + 0.1, canvas.height * 0.56, 0.06, COLOURS[cup])
    canvas.box(x, canvas.height * 0.56, 0.09, 0.11, COLOURS[cup])
    fruit, count = pick(rng, list(_FRUIT))[0], int(rng.integers(1, 6))
    start = 0.42 if side == "left" else 0.1
    for i in range(count):
        canvas.disc(start + 0.11 * i, canvas.height * rng.uniform(0.66, 0.8), 0.055, COLOURS[_FRUIT[fruit]])
    noun = fruit if count == 1 else f"{fruit}s"
    facts = (
        _counted(rng, f"How many {fruit}s lie on the table?", f"Of the {fruit}s there are {{}} on the table.",
                 count),
        _coloured(rng, "What colour is the cup?", "The cup is {}.", cup),
        Fact("Where does the cup stand?", f"The cup stands on the {side} side.",
             (f"The cup stands on the {'right' if side == 'left' else 'left'} side.",
              "The cup lies on the floor.")),
        Fact("Which fruit is it?", f"The fruit are {fruit}s.",
             tuple(f"The fruit are {other}s." for other in others(rng, fruit, list(_FRUIT)))),
    )  # fmt: skip
    return Picture(canvas.done(rng), f"a {cup} cup and {NUMBERS[count]} {noun} on a wooden table", facts)


SCENES: tuple[Drawer, ...] = (shapes, landscape, chart, clock, street, texture, table_top)
