"use strict";
// Section pictures: legend of the classes, with their shares and scores in the picture, and the key of the error map.

/** Show the classes of a set; `press(id)` is called for the class whose button is pressed. */
function picturesLegend(set, press) {
  picturesPart("legend").replaceChildren(...set.classes.map(({name, color}, id) => {
    const swatch = element("span", {class: "pictures-swatch", "aria-hidden": "true"});
    swatch.style.background = `rgb(${color.join(" ")})`;
    const button = element(
      "button", {type: "button", "aria-pressed": "false", "data-class": id},
      swatch, element("span", {class: "pictures-class"}, name),
      ...["share", "a", "b"].map((column) => element("span", {class: "pictures-number", "data-column": column})),
    );
    button.addEventListener("click", () => press(id));
    return element("li", {}, button);
  }));
}

/** Write shares and scores of a scene into the legend. */
function picturesLegendFill(set, scene, layers, a, b, highlight) {
  const region = layers.truth ?? layers.predictions[a] ?? null;
  const shares = picturesShares(set, region);
  const scores = {a: scene.scores[a]?.classes, b: b === null ? null : scene.scores[b]?.classes};
  document.querySelector(".pictures-side").classList.toggle("two", b !== null);
  picturesPart("head-a").textContent = b === null ? "IoU" : "IoU A";
  picturesPart("head-b").textContent = b === null ? "" : "IoU B";
  for (const button of picturesPart("legend").querySelectorAll("button")) {
    const id = Number(button.dataset.class);
    button.setAttribute("aria-pressed", String(id === highlight));
    const texts = {
      share: ["", shares === null ? "-" : percent(shares[id]), " % of the pixels"],
      a: [b === null ? "IoU " : "IoU of A ", percent(scores.a?.[id]), " %"],
      b: b === null ? null : ["IoU of B ", percent(scores.b?.[id]), " %"],
    };
    for (const cell of button.querySelectorAll(".pictures-number")) picturesCell(cell, texts[cell.dataset.column]);
    button.classList.toggle("absent", shares !== null && shares[id] === 0 && (scores.a?.[id] ?? null) === null);
  }
  picturesKey(highlight === null ? null : set.classes[highlight].name, layers.truth !== null);
}

/** A number between words that only screen readers speak; empty without one. */
function picturesCell(cell, texts) {
  if (texts === null) {
    cell.replaceChildren();
    return;
  }
  const [before, number, after] = texts;
  cell.replaceChildren(element("span", {class: "visually-hidden"}, `, ${before}`), number, element("span", {class: "visually-hidden"}, after));
}

/** Share of the pixels of each class; null without a mask. */
function picturesShares(set, mask) {
  if (mask === null) return null;
  const counts = new Float64Array(256);
  for (const id of mask) counts[id] += 1;
  return set.classes.map((_, id) => counts[id] / mask.length);
}

/** Explain the colours of the error map. */
function picturesKey(name, scored) {
  const entries = name === null
    ? [["wrong", "wrong class"], ["void", "no class, not scored"]]
    : [["found", `${name}, found`], ["missed", `${name}, missed`], ["alarm", `false alarm of ${name}`], ["void", "no class, not scored"]];
  const key = picturesPart("key");
  key.replaceChildren(...(scored ? ["Errors: ", ...entries.flatMap(([kind, text]) => {
    const swatch = element("span", {class: "pictures-swatch", "aria-hidden": "true"});
    swatch.style.background = `rgb(${PICTURES_ERRORS[kind].join(" ")})`;
    return [element("span", {class: "pictures-entry"}, swatch, text), " "];
  })] : ["No ground truth, so there are no errors and no scores."]));
}
