"""Official numbers of images of Cityscapes, by split and city."""

IMAGES_OF = {
    "train": {
        "aachen": 174,
        "bochum": 96,
        "bremen": 316,
        "cologne": 154,
        "darmstadt": 85,
        "dusseldorf": 221,
        "erfurt": 109,
        "hamburg": 248,
        "hanover": 196,
        "jena": 119,
        "krefeld": 99,
        "monchengladbach": 94,
        "strasbourg": 365,
        "stuttgart": 196,
        "tubingen": 144,
        "ulm": 95,
        "weimar": 142,
        "zurich": 122,
    },
    "val": {"frankfurt": 267, "lindau": 59, "munster": 174},
    "test": {"berlin": 544, "bielefeld": 181, "bonn": 46, "leverkusen": 58, "mainz": 298, "munich": 398},
}
"""Split -> city -> number of images in leftImg8bit_trainvaltest.zip: 2975, 500 and 1525 in total."""

SPLIT_OF = {city: split for split, cities in IMAGES_OF.items() for city in cities}
"""City -> its split in the official set."""

EXTRA = "train_extra"
"""Name of the split that only gtCoarse has; its images are in leftImg8bit_trainextra.zip."""
EXTRA_IMAGES = 19_998
"""Official number of images of the split train_extra."""
